package openapi_test

import (
	"encoding/json"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"llmhub/portal/openapi"
)

type list[T any] struct {
	Data []T `json:"data"`
}

type base struct {
	ID string `json:"id" example:"x"`
}

type thingView struct {
	base
	Count  int             `json:"count" example:"7"`
	At     *time.Time      `json:"at,omitempty" doc:"When."`
	Colour []string        `json:"colour" enum:"red,green"`
	Parts  []*thingView    `json:"parts"`
	Raw    json.RawMessage `json:"raw,omitempty"`
	Texts  map[string]bool `json:"texts"`
	Share  *float64        `json:"share,omitempty"`
	Values map[string]any  `json:"values,omitempty"`
}

type failure struct {
	Message string `json:"message"`
}

type order struct {
	Name string `json:"name"`
}

// TestDocument describes two operations and compares what matters with what clients have to see.
func TestDocument(t *testing.T) {
	text := openapi.Document(openapi.Info{Title: "T", Version: "1", Server: "/api", Error: failure{}}, []openapi.Operation{
		{Method: "GET", Path: "/things/{id}", ID: "getThings", Tag: "things", Summary: "S", Answer: reflect.TypeFor[list[thingView]](), Status: 200,
			Query: []openapi.Parameter{{Name: "limit", Type: "integer", Minimum: 1, Maximum: 9}}, Errors: []int{http.StatusNotFound}},
		{Method: "POST", Path: "/things/{id}", ID: "order", Tag: "things", Summary: "S", Body: reflect.TypeFor[order](), Status: 204, Security: []string{"a", "b"}},
	})
	var d any
	if err := json.Unmarshal(text, &d); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"openapi":                                    `"3.1.0"`,
		"paths /things/{id} get parameters 0":        `{"in":"path","name":"id","required":true,"schema":{"type":"string"}}`,
		"paths /things/{id} get parameters 1 schema": `{"maximum":9,"minimum":1,"type":"integer"}`,
		"paths /things/{id} get responses 200 content application/json schema $ref": `"#/components/schemas/ThingList"`,
		"paths /things/{id} get responses 404 content application/json schema $ref": `"#/components/schemas/Failure"`,
		"paths /things/{id} get security":                                           `[]`,
		"paths /things/{id} post security":                                          `[{"a":[]},{"b":[]}]`,
		"paths /things/{id} post responses 204":                                     `{"description":"No Content"}`,
		"paths /things/{id} post requestBody content application/json schema $ref":  `"#/components/schemas/Order"`,
		"components schemas Order additionalProperties":                             `false`,
		"components schemas ThingList properties data items $ref":                   `"#/components/schemas/Thing"`,
		"components schemas Thing required":                                         `["id","count","colour","parts","texts"]`,
		"components schemas Thing properties id":                                    `{"examples":["x"],"type":"string"}`,
		"components schemas Thing properties count":                                 `{"examples":[7],"type":"integer"}`,
		"components schemas Thing properties at":                                    `{"description":"When.","format":"date-time","type":"string"}`,
		"components schemas Thing properties colour":                                `{"items":{"enum":["red","green"],"type":"string"},"type":"array"}`,
		"components schemas Thing properties parts items $ref":                      `"#/components/schemas/Thing"`,
		"components schemas Thing properties raw":                                   `{}`,
		"components schemas Thing properties texts":                                 `{"additionalProperties":{"type":"boolean"},"type":"object"}`,
	} {
		got, err := json.Marshal(at(d, strings.Split(path, " ")))
		if err != nil || string(got) != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
}

// at returns what a path of names and numbers leads to; nil if nothing is there.
func at(v any, path []string) any {
	for _, name := range path {
		switch w := v.(type) {
		case map[string]any:
			v = w[name]
		case []any:
			i := int(name[0] - '0')
			if i >= len(w) {
				return nil
			}
			v = w[i]
		default:
			return nil
		}
	}
	return v
}

// TestTypesWithoutPlace: what has no schema is a mistake that is found when the program starts.
func TestTypesWithoutPlace(t *testing.T) {
	for _, answer := range []reflect.Type{
		reflect.TypeFor[struct{ Name string }](), reflect.TypeFor[chan int](), reflect.TypeFor[[]any](), reflect.TypeFor[float32](),
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%v has a schema", answer)
				}
			}()
			openapi.Document(openapi.Info{Error: failure{}}, []openapi.Operation{{Method: "GET", Path: "/x", Answer: answer, Status: 200}})
		}()
	}
}
