package portal_test

import (
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/gofiber/fiber/v2"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"llmhub/portal"
)

// document is the OpenAPI document as clients get it. It judges requests and answers.
type document struct {
	root     map[string]any
	compiler *jsonschema.Compiler
	mu       sync.Mutex
	// answered are the operations that have answered with what they are for.
	answered map[string]bool
}

const documentURL = "http://document/openapi.json"

func readDocument(t *testing.T, base string) *document {
	t.Helper()
	resp, err := http.Get(base + "/openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "application/json" {
		t.Fatalf("the document: %d %v", resp.StatusCode, err)
	}
	d := &document{compiler: jsonschema.NewCompiler(), answered: map[string]bool{}}
	root, err := jsonschema.UnmarshalJSON(strings.NewReader(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	d.root = root.(map[string]any)
	strict(d.root["components"])
	strict(d.root["paths"])
	d.compiler.AssertFormat()
	if err := d.compiler.AddResource(documentURL, d.root); err != nil {
		t.Fatal(err)
	}
	return d
}

// strict makes schemas refuse fields that they do not name. Clients must bear them; here they are forgotten ones.
func strict(v any) {
	switch v := v.(type) {
	case map[string]any:
		if _, object := v["properties"].(map[string]any); object && v["additionalProperties"] == nil {
			v["additionalProperties"] = false
		}
		for _, inner := range v {
			strict(inner)
		}
	case []any:
		for _, inner := range v {
			strict(inner)
		}
	}
}

// operation returns what the document says of a request, and where; nil if it says nothing.
func (d *document) operation(method, path string) (map[string]any, string) {
	parts := strings.Split(path, "/")
	for template, item := range d.root["paths"].(map[string]any) {
		fits := func(a, b string) bool { return a == b || strings.HasPrefix(a, "{") }
		if !slices.EqualFunc(strings.Split(template, "/"), parts, fits) {
			continue
		}
		method = strings.ToLower(method)
		if o, ok := item.(map[string]any)[method].(map[string]any); ok {
			return o, documentURL + "#/paths/" + strings.ReplaceAll(template, "/", "~1") + "/" + method
		}
	}
	return nil, ""
}

// check insists that an answer is as the document says, and that a body was, if it was taken.
func (d *document) check(t *testing.T, req *http.Request, status int, answer []byte) {
	t.Helper()
	_, path, _ := strings.Cut(req.URL.Path, "/api/v1")
	o, at := d.operation(req.Method, path)
	if o == nil {
		if status/100 == 2 {
			t.Errorf("%s %s is not in the document", req.Method, path)
		}
		return
	}
	responses := o["responses"].(map[string]any)
	key := strconv.Itoa(status)
	if responses[key] == nil {
		if status < 500 {
			t.Errorf("%s %s: status %d is not in the document", req.Method, path, status)
		}
		key = "default"
	}
	const schema = "/content/application~1json/schema"
	d.validate(t, at+"/responses/"+key+schema, answer)
	if status/100 != 2 {
		return
	}
	d.mu.Lock()
	d.answered[o["operationId"].(string)] = true
	d.mu.Unlock()
	if body := bodyOf(t, req); len(body) > 0 && o["requestBody"] != nil {
		d.validate(t, at+"/requestBody"+schema, body)
	}
}

// count returns how many operations there are on a path and all below it.
func (d *document) count(path string) (n int) {
	for template, item := range d.root["paths"].(map[string]any) {
		if template == path || strings.HasPrefix(template, path+"/") {
			n += len(item.(map[string]any))
		}
	}
	return n
}

func bodyOf(t *testing.T, req *http.Request) []byte {
	t.Helper()
	if req.GetBody == nil {
		return nil
	}
	r, err := req.GetBody()
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func (d *document) validate(t *testing.T, at string, text []byte) {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	s, err := d.compiler.Compile(at)
	if err != nil {
		t.Fatal(err)
	}
	v, err := jsonschema.UnmarshalJSON(strings.NewReader(string(text)))
	if err == nil {
		err = s.Validate(v)
	}
	if err != nil {
		t.Errorf("not as the document says: %v\n%s", err, text)
	}
}

// TestDocumentIsValid judges each schema of the document by JSON Schema's own. That the document as a whole is OpenAPI 3.1
// is checked in e2e, by a validator from outside.
func TestDocumentIsValid(t *testing.T) {
	f := newFixture(t)
	components := f.document.root["components"].(map[string]any)["schemas"].(map[string]any)
	if len(components) < 20 {
		t.Errorf("only %d schemas", len(components))
	}
	for name := range components {
		if _, err := f.document.compiler.Compile(documentURL + "#/components/schemas/" + name); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		checkExamples(t, f.document, name, components[name])
	}
}

// checkExamples insists that the examples of a schema's fields are valid.
func checkExamples(t *testing.T, d *document, name string, component any) {
	t.Helper()
	properties, _ := component.(map[string]any)["properties"].(map[string]any)
	for field, v := range properties {
		examples, _ := v.(map[string]any)["examples"].([]any)
		for _, e := range examples {
			text, err := json.Marshal(e)
			if err != nil {
				t.Fatal(err)
			}
			d.validate(t, documentURL+"#/components/schemas/"+name+"/properties/"+field, text)
		}
	}
}

// TestDocumentHasEveryRoute compares the document with what is served.
func TestDocumentHasEveryRoute(t *testing.T) {
	f := newFixture(t)
	app := fiber.New(fiber.Config{DisableStartupMessage: true})
	portal.New(f.options).Register(app)
	served := map[string]int{}
	fallback := map[string]int{}
	for _, r := range app.GetRoutes(true) {
		path, ok := strings.CutPrefix(r.Path, "/api/v1")
		if !ok || path == "" || path == "/" {
			continue
		}
		if served[r.Method+" "+path]++; served[r.Method+" "+path] == 1 {
			fallback[path]++
		}
	}
	documented := 0
	for template, item := range f.document.root["paths"].(map[string]any) {
		path := strings.NewReplacer("{", ":", "}", "").Replace(template)
		for method := range item.(map[string]any) {
			documented++
			// One for the endpoint, one for what answers all methods of the path.
			if served[strings.ToUpper(method)+" "+path] != 2 {
				t.Errorf("%s %s is in the document but not served", method, template)
			}
		}
		delete(fallback, path)
	}
	endpoints := 0
	for _, n := range served {
		if n == 2 {
			endpoints++
		}
	}
	if endpoints != documented || len(fallback) > 0 {
		t.Errorf("%d endpoints are served, %d documented; not in the document: %v", endpoints, documented, fallback)
	}
}
