package portal

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/gofiber/fiber/v2"

	"llmhub/fault"
	"llmhub/identity"
	"llmhub/portal/access"
	"llmhub/portal/openapi"
)

const (
	maxBodyBytes = 64 << 10
	maxIDBytes   = 128
	defaultLimit = 100
	maxLimit     = 1000
)

// decode reads the body as one JSON object of at most limit bytes with no other fields than into has. Numbers where into
// leaves open what they are keep their digits. Nothing in into shares memory with the request.
func decode(c *fiber.Ctx, into any, limit int) error {
	body := c.BodyRaw()
	if len(body) > limit {
		return refuse(fiber.StatusRequestEntityTooLarge, "too_large", fmt.Sprintf("the body is larger than %d bytes", limit))
	}
	kind, params, err := mime.ParseMediaType(c.Get(fiber.HeaderContentType))
	charset := params["charset"]
	if err != nil || kind != fiber.MIMEApplicationJSON || charset != "" && !strings.EqualFold(charset, "utf-8") || c.Get(fiber.HeaderContentEncoding) != "" {
		return refuse(fiber.StatusUnsupportedMediaType, "unsupported_media_type", "the body must be plain JSON, with Content-Type: application/json")
	}
	if !utf8.Valid(body) {
		return badRequest("the body is not UTF-8")
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	d.UseNumber()
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
	return decode(c, &struct{}{}, maxBodyBytes)
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

// checkQuery refuses query parameters that have no meaning here, so that a misspelt filter does not show everything,
// parameters given twice, and values that cannot be.
func checkQuery(c *fiber.Ctx, known []openapi.Parameter) error {
	seen := map[string]bool{}
	var fault error
	c.Context().QueryArgs().VisitAll(func(k, v []byte) {
		name := string(k)
		at := slices.IndexFunc(known, func(p openapi.Parameter) bool { return p.Name == name })
		switch {
		case fault != nil:
		case seen[name]:
			fault = badRequest(fmt.Sprintf("parameter %q is given twice", name))
		case at < 0:
			fault = badRequest(fmt.Sprintf("unknown parameter %q; known are %s", name, names(known)))
		default:
			fault = checkParameter(known[at], string(v))
		}
		seen[name] = true
	})
	return fault
}

func names(list []openapi.Parameter) string {
	all := make([]string, len(list))
	for i, p := range list {
		all[i] = p.Name
	}
	return strings.Join(all, ", ")
}

func checkParameter(p openapi.Parameter, value string) error {
	switch {
	case value == "" && p.Type == "":
	case p.Type == "integer":
		if n, err := strconv.Atoi(value); err != nil || n < p.Minimum || n > p.Maximum {
			return badRequest(fmt.Sprintf("%s must be a number from %d to %d", p.Name, p.Minimum, p.Maximum))
		}
	case len(p.Enum) > 0 && !slices.Contains(p.Enum, value):
		return badRequest(fmt.Sprintf("%s must be one of %s", p.Name, strings.Join(p.Enum, ", ")))
	}
	return nil
}

// request is one request of somebody who is known.
type request struct {
	ctx      context.Context
	c        *fiber.Ctx
	endpoint *endpoint
	by       identity.Actor
	// session says that it came with a session, not with a token.
	session bool
	// visitor is who has the session.
	visitor access.Visitor
	// operators says that sessions of operators hold here.
	operators bool
}

// changes says whether the request may change something.
func (r *request) changes() bool {
	m := r.c.Method()
	return m != fiber.MethodGet && m != fiber.MethodHead && m != fiber.MethodOptions
}

// query returns a parameter as a string of its own.
func (r *request) query(name string) string { return strings.Clone(r.c.Query(name)) }

// number returns a parameter that has been checked to be a number, or else what it is if it is not given.
func (r *request) number(name string, otherwise int) int {
	n, err := strconv.Atoi(r.c.Query(name))
	if err != nil {
		return otherwise
	}
	return n
}

// limit returns the size of the page asked for.
func (r *request) limit() int { return r.number("limit", defaultLimit) }

// id returns the ID in the path as a string of its own.
func (r *request) id() (string, error) {
	id := strings.Clone(r.c.Params("id"))
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
	Next string `json:"next,omitempty" doc:"The cursor of the next page; absent behind the last."`
}

// pageOf converts a page of the domain.
func pageOf[D, T any](list []D, next string, view func(D) T) page[T] {
	out := page[T]{Data: make([]T, len(list)), Next: next}
	for i, v := range list {
		out.Data[i] = view(v)
	}
	return out
}

// numberedPage is the answer of every list whose pages have numbers.
type numberedPage[T any] struct {
	Data  []T `json:"data"`
	Page  int `json:"page" doc:"From 1 on."`
	Pages int `json:"pages" doc:"At least 1."`
	Total int `json:"total" doc:"Entries on all pages."`
}

// orEmpty makes an absent list show as [] rather than null.
func orEmpty[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

func utc(t *time.Time) *time.Time {
	if t == nil {
		return nil
	}
	u := t.UTC()
	return &u
}

// known returns a time, nil if it is zero and so not known.
func known(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return utc(&t)
}
