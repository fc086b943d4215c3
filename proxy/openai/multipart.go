package openai

import (
	"bytes"
	"mime"
	"net/textproto"
	"strconv"
	"strings"

	"golang.org/x/net/http/httpguts"
)

const (
	// maxParts bounds the parts of a multipart body.
	maxParts = 128
	// maxPartHeader bounds the header of each, in bytes.
	maxPartHeader = 4 << 10
	// maxBoundary is the longest boundary that RFC 2046 allows, in bytes.
	maxBoundary = 70
)

// PeekMultipart reads what the gateway must know of a multipart/form-data body (RFC 7578), without copying any of its
// files. It is stricter than most readers, which differ in what they make of a body that is not quite in form: nothing may
// stand before the first delimiter, parts have no transfer encoding, and members that the gateway acts on stand once. The
// error, if any, is an *Error with status 400.
func PeekMultipart(d Dialect, body []byte, contentType string) (Request, error) {
	p := peeker{req: Request{N: 1, dialect: d, multipart: true}}
	kind, params, err := mime.ParseMediaType(contentType)
	boundary := params["boundary"]
	// A boundary in the form of RFC 2231, with an asterisk, is another one to many readers.
	if err != nil || kind != "multipart/form-data" || boundary == "" || len(boundary) > maxBoundary || strings.Contains(contentType, "*") {
		return Request{}, badRequest("", "The Content-Type must be multipart/form-data with a boundary of at most "+
			strconv.Itoa(maxBoundary)+" characters.")
	}
	delimiter := []byte("\r\n--" + boundary)
	if !bytes.HasPrefix(body, delimiter[2:]) {
		return Request{}, malformed("it does not begin with its boundary")
	}
	rest := span{len(delimiter) - 2, len(body)}
	for range maxParts {
		switch {
		case bytes.HasPrefix(body[rest.lo:], []byte("--")):
			if len(bytes.Trim(body[rest.lo+2:], "\r\n")) > 0 {
				return Request{}, malformed("there is something behind its end")
			}
			return p.finished()
		case !bytes.HasPrefix(body[rest.lo:], []byte("\r\n")):
			return Request{}, malformed("a boundary is not followed by a line end")
		}
		// The header's first line may be missing, as its line end is that of the boundary.
		head := bytes.Index(body[rest.lo:min(len(body), rest.lo+maxPartHeader)], []byte("\r\n\r\n"))
		if head < 0 {
			return Request{}, malformed("a part has no header, or one of more than " + strconv.Itoa(maxPartHeader) + " bytes")
		}
		header := body[rest.lo+2 : max(rest.lo+2, rest.lo+head)]
		from := rest.lo + head + len("\r\n\r\n")
		n := bytes.Index(body[from-2:], delimiter) // an empty part ends with its header's line end
		if n < 0 {
			return Request{}, malformed("its last boundary is missing")
		}
		content := span{from, max(from, from-2+n)}
		if e := p.part(body, string(header), content); e != nil {
			return Request{}, e
		}
		rest.lo = from - 2 + n + len(delimiter)
	}
	return Request{}, malformed("it has more than " + strconv.Itoa(maxParts) + " parts")
}

func malformed(why string) *Error {
	return badRequest("", "The body of the request is not valid multipart/form-data: "+why+".")
}

// File returns the recording that a transcription is asked of, as it stands in the body; empty if there is none.
func (r *Request) File(body []byte) []byte { return body[r.file.lo:r.file.hi] }

// part takes one part of a form.
func (p *peeker) part(body []byte, header string, content span) *Error {
	var disposition string
	seen := false
	for line := range strings.SplitSeq(header, "\r\n") {
		name, value, ok := strings.Cut(line, ":")
		if !ok || !httpguts.ValidHeaderFieldName(name) || !httpguts.ValidHeaderFieldValue(value) {
			return malformed("a part has a damaged header")
		}
		switch textproto.CanonicalMIMEHeaderKey(name) {
		case "Content-Disposition":
			if seen {
				return malformed("a part has two dispositions")
			}
			disposition, seen = value, true
		case "Content-Transfer-Encoding":
			return malformed("Content-Transfer-Encoding is not allowed")
		}
	}
	kind, params, err := mime.ParseMediaType(disposition)
	if err != nil || kind != "form-data" || params["name"] == "" {
		return malformed("a part has no form-data disposition with a name")
	}
	if extendedName(disposition) {
		return malformed("the name of a part is in the form of RFC 2231, which many readers do not know")
	}
	_, isFile := params["filename"]
	f := p.field([]byte(params["name"]), fieldsOf[p.req.dialect])
	switch {
	case f == fieldNone:
		return nil
	case f == fieldFile:
		p.req.file = content
		return nil
	case isFile:
		p.refuse(fieldNames[f], "Invalid type for '"+fieldNames[f]+"': expected a value, not a file.")
		return nil
	}
	p.formValue(f, body, content)
	return nil
}

// extendedName says whether a disposition may have a name* beside, or in place of, its name. filename* is common.
func extendedName(disposition string) bool {
	for text, quoted := disposition, false; text != ""; quoted = !quoted {
		var piece string
		piece, text, _ = strings.Cut(text, `"`)
		for quoted && strings.HasSuffix(piece, `\`) && text != "" { // the quote is escaped
			piece, text, _ = strings.Cut(text, `"`)
		}
		if quoted {
			continue
		}
		for param := range strings.SplitSeq(piece, ";") {
			if name, value, ok := strings.Cut(strings.ToLower(strings.TrimSpace(param)), "*"); ok && name == "name" && strings.Contains(value, "=") {
				return true
			}
		}
	}
	return false
}

// formValue takes the value of a member that the gateway acts on.
func (p *peeker) formValue(f field, body []byte, at span) {
	value := body[at.lo:at.hi]
	switch f {
	case fieldModel:
		p.checkName("model", value, maxModel)
		p.req.Model, p.req.model = value, at
	case fieldStream:
		switch string(value) {
		case "true", "True", "1":
			p.req.Stream = true
		case "false", "False", "0", "":
		default:
			p.refuse("stream", "Invalid type for 'stream': expected a boolean.")
		}
	case fieldN:
		n, ok := parseCount(value)
		if !ok || n < 1 {
			p.refuse("n", "Invalid value for 'n': expected an integer of at least 1.")
			return
		}
		p.req.N = n
	case fieldSize:
		if len(value) <= maxSizeName {
			p.req.Units.ImageSize = string(value)
		}
	}
}
