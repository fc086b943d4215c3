package web

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/url"
	"path"
	"strings"

	"github.com/gofiber/fiber/v2"

	"llmhub/fault"
	"llmhub/secret"
)

// MaxUploadBytes bounds the body of a form with a file. It is more than any file may have, so that one that is too large
// is refused by the page, in words, and not by cutting the connection.
const MaxUploadBytes = 4 << 20

// maxParts bounds the parts of a form with a file.
const maxParts = 20

// uploads are the routes whose forms bring a file.
var uploads = map[string]bool{licenceRoute: true}

// TakesFile says whether a request's path is that of a form that brings a file, whose body has at most MaxUploadBytes.
func TakesFile(method, path string) bool {
	rest, ok := strings.CutPrefix(path, "/deploy/")
	id, last, _ := strings.Cut(rest, "/")
	return ok && method == fiber.MethodPost && id != "" && last == "licence"
}

// upload is a file that a form brings.
type upload struct {
	name    string
	content secret.Text
	size    int
}

// readUpload reads the body of a form that brings a file, at most one.
func (v *visit) readUpload(body []byte) error {
	bad := fault.New(fault.Invalid, "", "the form is not understood")
	_, params, err := mime.ParseMediaType(v.c.Get(fiber.HeaderContentType))
	if err != nil {
		return bad
	}
	v.form = url.Values{}
	r := multipart.NewReader(bytes.NewReader(body), params["boundary"])
	for range maxParts {
		part, err := r.NextPart()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return bad
		}
		content, err := io.ReadAll(part) // bounded by the body
		if err != nil {
			return bad
		}
		switch name := part.FileName(); {
		case name == "" && part.FormName() != "" && hasFileName(part):
			// A file control that was left empty.
		case name == "":
			v.form.Add(part.FormName(), string(content))
		case v.file.content.IsSet():
			return bad
		case len(content) > 0:
			v.file = upload{path.Base(strings.ReplaceAll(name, `\`, "/")), secret.New(string(content)), len(content)}
		}
	}
	return bad
}

// hasFileName says whether a part is of a file control, even if no file was chosen.
func hasFileName(p *multipart.Part) bool {
	_, params, err := mime.ParseMediaType(p.Header.Get("Content-Disposition"))
	_, has := params["filename"]
	return err == nil && has
}
