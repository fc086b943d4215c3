package openai

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"strings"
	"testing"
)

// form writes a form of fields "name=value" and files "@name=content".
func form(t testing.TB, parts ...string) (body []byte, contentType string) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for _, p := range parts {
		name, value, _ := strings.Cut(p, "=")
		var to io.Writer
		var err error
		if file, ok := strings.CutPrefix(name, "@"); ok {
			to, err = w.CreateFormFile(file, "a.wav")
		} else {
			to, err = w.CreateFormField(name)
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(to, value); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes(), w.FormDataContentType()
}

func TestPeekMultipart(t *testing.T) {
	binary := "\r\n--not the boundary\r\n\x00\xff\r\n\r\n--"
	for _, c := range []struct {
		name    string
		dialect Dialect
		parts   []string
		want    string // model stream n units
	}{
		{"transcription", DialectTranscriptions, []string{"@file=" + binary, "model=m"}, "m false 1 {0  0 0 0}"},
		{"streamed", DialectTranscriptions, []string{"model=whisper é", "stream=true", "@file="}, "whisper é true 1 {0  0 0 0}"},
		{"images", DialectImages, []string{"model=m", "n=2", "size=512x512", "@image=" + binary, "@image=x"}, "m false 2 {2 512x512 0 0 0}"},
		{"empty values", DialectImages, []string{"prompt=", "model=m", "user="}, "m false 1 {1  0 0 0}"},
	} {
		t.Run(c.name, func(t *testing.T) {
			body, contentType := form(t, c.parts...)
			r, err := PeekMultipart(c.dialect, body, contentType)
			if err != nil {
				t.Fatal(err)
			}
			if got := fmt.Sprintf("%s %v %d %v", r.Model, r.Stream, r.N, r.Units); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
			pieces := r.PatchedPieces(body, Patch{Model: "other \"model\"", IncludeUsage: true, MaxTokens: 5})
			patched := bytes.Join(pieces, nil)
			want := bytes.Replace(body, []byte("\r\n\r\n"+string(r.Model)+"\r\n"), []byte("\r\n\r\nother \"model\"\r\n"), 1)
			if !bytes.Equal(patched, want) {
				t.Errorf("patched %q", patched)
			}
		})
	}
}

func TestPeekMultipartRefuses(t *testing.T) {
	const kind = "multipart/form-data; boundary=b"
	field := func(name, value string) string {
		return "--b\r\nContent-Disposition: form-data; name=\"" + name + "\"\r\n\r\n" + value + "\r\n"
	}
	model := field("model", "m")
	many := strings.Repeat(field("x", "y"), maxParts)
	for _, c := range []struct{ name, kind, body, param string }{
		{"other type", "application/json", model + "--b--\r\n", ""},
		{"no boundary", "multipart/form-data", model + "--b--\r\n", ""},
		{"endless boundary", "multipart/form-data; boundary=" + strings.Repeat("b", 71), model + "--b--\r\n", ""},
		{"empty", kind, "", ""},
		{"something in front", kind, "x" + model + "--b--\r\n", ""},
		{"a line end in front", kind, "\r\n" + model + "--b--\r\n", ""},
		{"something behind", kind, model + "--b--\r\nx", ""},
		{"no end", kind, model, ""},
		{"cut", kind, model[:len(model)-3], ""},
		{"no header", kind, "--b\r\nx\r\n--b--\r\n", ""},
		{"endless header", kind, "--b\r\nA: " + strings.Repeat("x", maxPartHeader) + "\r\n\r\nx\r\n--b--\r\n", ""},
		{"damaged header", kind, "--b\r\nContent-Disposition form-data\r\n\r\nx\r\n--b--\r\n", ""},
		{"folded header", kind, "--b\r\nContent-Disposition: form-data;\r\n name=\"model\"\r\n\r\nx\r\n--b--\r\n", ""},
		{"two dispositions", kind, "--b\r\nContent-Disposition: form-data; name=a\r\nContent-Disposition: form-data; name=model\r\n\r\nx\r\n--b--\r\n", ""},
		{"boundary of RFC 2231", kind + "; boundary*=utf-8''c", strings.ReplaceAll(model, "--b", "--c") + "--c--\r\n", ""},
		{"name of RFC 2231", kind, model + "--b\r\nContent-Disposition: form-data; name=\"model\"; name*=utf-8''x\r\n\r\nother\r\n--b--\r\n", ""},
		{"name in pieces", kind, model + "--b\r\nContent-Disposition: form-data; filename=\"a\\\";b\"; NAME*0=x; name=\"model\"\r\n\r\nother\r\n--b--\r\n", ""},
		{"encoded", kind, "--b\r\nContent-Disposition: form-data; name=model\r\nContent-Transfer-Encoding: base64\r\n\r\nbQ==\r\n--b--\r\n", ""},
		{"no name", kind, "--b\r\nContent-Disposition: form-data\r\n\r\nx\r\n--b--\r\n", ""},
		{"too many parts", kind, many + model + "--b--\r\n", ""},
		{"no model", kind, field("n", "1") + "--b--\r\n", "model"},
		{"model twice", kind, model + model + "--b--\r\n", "model"},
		{"model in other case", kind, model + field("Model", "x") + "--b--\r\n", "model"},
		{"model as file", kind, "--b\r\nContent-Disposition: form-data; name=model; filename=x\r\n\r\nm\r\n--b--\r\n", "model"},
		{"model too long", kind, field("model", strings.Repeat("m", 256)) + "--b--\r\n", "model"},
		{"model not UTF-8", kind, field("model", "\xff") + "--b--\r\n", "model"},
		{"n no number", kind, model + field("n", "two") + "--b--\r\n", "n"},
		{"stream no boolean", kind, model + field("stream", "yes") + "--b--\r\n", "stream"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := PeekMultipart(DialectImages, []byte(c.body), c.kind)
			var e *Error
			if !errors.As(err, &e) || e.Status != 400 || e.Param != c.param {
				t.Errorf("got %v, want status 400 about %q", err, c.param)
			}
		})
	}
}

// FuzzPeekMultipart insists that what is taken is what the standard library's reader finds, and that patching changes
// nothing but the model.
func FuzzPeekMultipart(f *testing.F) {
	body, contentType := form(f, "model=m", "@file=\r\n--x", "stream=true")
	f.Add(body, contentType)
	f.Add([]byte("--b\r\nContent-Disposition: form-data; name=model\r\n\r\nm\r\n--b--"), "multipart/form-data; boundary=b")
	f.Add([]byte("--b\r\n\r\n\r\n--b--"), "multipart/form-data; boundary=b")
	f.Add([]byte("--b\r\nContent-Disposition: form-data;\fname=model\r\n\r\nm\r\n--b--"), "multipart/form-data; boundary=b")
	f.Add([]byte("--b\r\nX Y: z\r\nContent-Disposition: form-data; name=model\r\n\r\nm\r\n--b--"), "multipart/form-data; boundary=b")
	f.Fuzz(func(t *testing.T, body []byte, contentType string) {
		r, err := PeekMultipart(DialectTranscriptions, body, contentType)
		if err != nil {
			return
		}
		patched := bytes.Join(r.PatchedPieces(body, Patch{Model: "other"}), nil)
		model, file := readForm(t, body, contentType)
		if model != string(r.Model) || file != string(r.File(body)) {
			t.Fatalf("model %q and file %q, the standard library finds %q and %q", r.Model, r.File(body), model, file)
		}
		if got, same := readForm(t, patched, contentType); got != "other" || same != file {
			t.Fatalf("patched model %q, file %q", got, same)
		}
	})
}

// readForm returns the one model in a form, and the file, as the standard library reads them.
func readForm(t *testing.T, body []byte, contentType string) (model, file string) {
	t.Helper()
	_, params, err := mime.ParseMediaType(contentType)
	if err != nil {
		t.Fatal(err)
	}
	r := multipart.NewReader(bytes.NewReader(body), params["boundary"])
	n := 0
	for {
		p, err := r.NextRawPart()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatalf("the standard library refuses what was taken: %v", err)
		}
		value, err := io.ReadAll(p)
		if err != nil {
			t.Fatal(err)
		}
		switch p.FormName() {
		case "model":
			model = string(value)
			n++
		case "file":
			file = string(value)
		}
	}
	if n != 1 {
		t.Fatalf("%d models", n)
	}
	return model, file
}

func TestPeekMultipartFile(t *testing.T) {
	for _, c := range []struct {
		dialect Dialect
		parts   []string
		want    string
	}{
		{DialectTranscriptions, []string{"model=m", "@file=RIFF\r\n--\x00"}, "RIFF\r\n--\x00"},
		{DialectTranscriptions, []string{"file=RIFF", "model=m"}, "RIFF"},
		{DialectTranscriptions, []string{"@file=", "model=m"}, ""},
		{DialectTranscriptions, []string{"@other=RIFF", "model=m"}, ""},
		{DialectImages, []string{"@file=RIFF", "model=m"}, ""},
	} {
		body, contentType := form(t, c.parts...)
		r, err := PeekMultipart(c.dialect, body, contentType)
		if got := string(r.File(body)); err != nil || got != c.want {
			t.Errorf("%q: file %q, %v", c.parts, got, err)
		}
	}
	// Of two nobody could say which one the model server listens to.
	for _, name := range []string{"@file=", "@File="} {
		body, contentType := form(t, "model=m", "@file=a", name+"b")
		_, err := PeekMultipart(DialectTranscriptions, body, contentType)
		var e *Error
		if !errors.As(err, &e) || e.Status != 400 || e.Param != "file" {
			t.Errorf("%s: got %v, want status 400 about the file", name, err)
		}
	}
}

func TestPeekMultipartTakesFileNamesOfRFC2231(t *testing.T) {
	body := "--b\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nm\r\n" +
		"--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"name*=.wav\"; filename*=utf-8''%C3%A4.wav\r\n\r\nx\r\n--b--\r\n"
	if r, err := PeekMultipart(DialectTranscriptions, []byte(body), "multipart/form-data; boundary=b"); err != nil || string(r.Model) != "m" {
		t.Errorf("%+v, %v", r, err)
	}
}
