package portal

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/gofiber/fiber/v2"

	"llmhub/fault"
)

const (
	maxBodyBytes = 64 << 10
	maxIDBytes   = 128
	defaultLimit = 100
	maxLimit     = 1000
)

// decode reads the body as one JSON object with no other fields than into has. Nothing in into shares memory with
// the request.
func decode(c *fiber.Ctx, into any) error {
	body := c.BodyRaw()
	if len(body) > maxBodyBytes {
		return &apiError{fiber.StatusRequestEntityTooLarge, "too_large", fmt.Sprintf("the body is larger than %d bytes", maxBodyBytes)}
	}
	kind, params, err := mime.ParseMediaType(c.Get(fiber.HeaderContentType))
	charset := params["charset"]
	if err != nil || kind != fiber.MIMEApplicationJSON || charset != "" && !strings.EqualFold(charset, "utf-8") || c.Get(fiber.HeaderContentEncoding) != "" {
		return &apiError{fiber.StatusUnsupportedMediaType, "unsupported_media_type", "the body must be plain JSON, with Content-Type: application/json"}
	}
	if !utf8.Valid(body) {
		return badRequest("the body is not UTF-8")
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return badRequest("the body is not understood: " + jsonFault(err))
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return badRequest("the body is not understood: something follows the JSON object")
	}
	return nil
}

// noBody refuses a body where none has a meaning; an empty object is let pass.
func noBody(c *fiber.Ctx) error {
	if len(c.BodyRaw()) == 0 {
		return nil
	}
	return decode(c, &struct{}{})
}

// jsonFault says in the caller's terms what is wrong with a text.
func jsonFault(err error) string {
	var typeErr *json.UnmarshalTypeError
	var syntaxErr *json.SyntaxError
	switch {
	case errors.Is(err, io.EOF):
		return "it is empty"
	case errors.Is(err, io.ErrUnexpectedEOF):
		return "it ends too early"
	case errors.As(err, &typeErr) && typeErr.Field != "":
		return fmt.Sprintf("field %q cannot be a JSON %s", typeErr.Field, typeErr.Value)
	case errors.As(err, &typeErr):
		return "it must be a JSON object"
	case errors.As(err, &syntaxErr):
		return fmt.Sprintf("invalid JSON at byte %d", syntaxErr.Offset)
	}
	return strings.TrimPrefix(err.Error(), "json: ")
}

// knownQuery refuses query parameters that have no meaning here, so that a misspelt filter does not show everything,
// and parameters given twice.
func knownQuery(c *fiber.Ctx, names ...string) error {
	seen := map[string]bool{}
	var fault error
	c.Context().QueryArgs().VisitAll(func(k, _ []byte) {
		name := string(k)
		switch {
		case fault != nil:
		case seen[name]:
			fault = badRequest(fmt.Sprintf("parameter %q is given twice", name))
		case !contains(names, name):
			fault = badRequest(fmt.Sprintf("unknown parameter %q; known are %s", name, strings.Join(names, ", ")))
		}
		seen[name] = true
	})
	return fault
}

func contains(list []string, s string) bool {
	for _, v := range list {
		if v == s {
			return true
		}
	}
	return false
}

// query returns a parameter as a string of its own.
func query(c *fiber.Ctx, name string) string { return strings.Clone(c.Query(name)) }

// limit returns the size of the page asked for.
func limit(c *fiber.Ctx) (int, error) {
	text := c.Query("limit")
	if text == "" {
		return defaultLimit, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > maxLimit {
		return 0, badRequest(fmt.Sprintf("limit must be a number from 1 to %d", maxLimit))
	}
	return n, nil
}

// pathID returns the ID in the path as a string of its own.
func pathID(c *fiber.Ctx) (string, error) {
	id := strings.Clone(c.Params("id"))
	if len(id) > maxIDBytes {
		return "", notFound("there is no such ID")
	}
	return id, nil
}

// needID insists that a body gives an ID.
func needID(field, id string) error {
	switch {
	case id == "":
		return fault.New(fault.Invalid, field, "must not be empty")
	case len(id) > maxIDBytes:
		return fault.New(fault.NotFound, field, "there is no such ID")
	}
	return nil
}

// page is the answer of every list. Next is the cursor of the next page, absent behind the last.
type page[T any] struct {
	Data []T    `json:"data"`
	Next string `json:"next,omitempty"`
}

// pageOf converts a page of the domain.
func pageOf[D, T any](list []D, next string, view func(D) T) page[T] {
	out := page[T]{Data: make([]T, len(list)), Next: next}
	for i, v := range list {
		out.Data[i] = view(v)
	}
	return out
}
