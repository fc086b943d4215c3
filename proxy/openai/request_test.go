package openai

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"unicode/utf8"
)

// peek reads a request of chat.
func peek(body []byte) (Request, error) { return PeekAs(DialectChat, body) }

func TestPeek(t *testing.T) {
	long := strings.Repeat("m", maxModel)
	for _, c := range []struct {
		name, body string
		want       string // model stream includeUsage maxTokens n
	}{
		{"least", `{"model":"m"}`, `m false false 0 1`},
		{"white space", " {\n\t\"model\" : \"m\" , \"stream\" : true }\r\n", `m true false 0 1`},
		{"all", `{"model":"m","stream":true,"stream_options":{"include_usage":true},"max_tokens":5,"n":2}`, `m true true 5 2`},
		{"nulls", `{"model":"m","stream":null,"stream_options":null,"max_tokens":null,"max_completion_tokens":null,"n":null}`, `m false false 0 1`},
		{"include_usage false", `{"stream_options":{"include_usage":false},"model":"m"}`, `m false false 0 1`},
		{"include_usage null", `{"stream_options":{"x":[{}],"include_usage":null},"model":"m"}`, `m false false 0 1`},
		{"max_completion_tokens wins", `{"max_completion_tokens":7,"model":"m","max_tokens":5}`, `m false false 7 1`},
		{"max_completion_tokens null", `{"max_completion_tokens":null,"model":"m","max_tokens":5}`, `m false false 5 1`},
		{"integral floats", `{"model":"m","max_tokens":12.0,"n":1e0}`, `m false false 12 1`},
		{"escaped keys and model", `{"m\u006fdel":"a\/\u00e9\ud83d\ude00","str\u0065am":true}`, `a/é😀 true false 0 1`},
		{"nested names are not members", `{"x":{"model":"no","stream":true},"model":"m","messages":[{"n":9}]}`, `m false false 0 1`},
		{"longest model", `{"model":"` + long + `"}`, long + ` false false 0 1`},
		{"deepest", `{"model":"m","x":` + strings.Repeat("[", maxDepth-1) + strings.Repeat("]", maxDepth-1) + `}`, `m false false 0 1`},
		{"any numbers and literals", `{"x":[-0,1.5e-10,0.1E+2,true,false,null,"",[],{}],"model":"m"}`, `m false false 0 1`},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, err := peek([]byte(c.body))
			if err != nil {
				t.Fatal(err)
			}
			if got := fmt.Sprintf("%s %v %v %d %d", r.Model, r.Stream, r.IncludeUsage, r.MaxTokens, r.N); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

func TestPeekRefuses(t *testing.T) {
	for _, c := range []struct{ name, body, param string }{
		{"empty", ``, ""},
		{"white space", `  `, ""},
		{"array", `[{"model":"m"}]`, ""},
		{"string", `"model"`, ""},
		{"number", `1`, ""},
		{"cut", `{"model":"m"`, ""},
		{"cut in a string", `{"model":"m`, ""},
		{"data behind", `{"model":"m"}x`, ""},
		{"two objects", `{"model":"m"}{"model":"m"}`, ""},
		{"byte order mark", "\ufeff" + `{"model":"m"}`, ""},
		{"comma behind a member", `{"model":"m",}`, ""},
		{"comma in front", `{,"model":"m"}`, ""},
		{"no comma", `{"model":"m" "n":1}`, ""},
		{"no colon", `{"model" "m"}`, ""},
		{"single quotes", `{'model':'m'}`, ""},
		{"bare key", `{model:"m"}`, ""},
		{"leading zero", `{"model":"m","n":01}`, ""},
		{"plus sign", `{"model":"m","n":+1}`, ""},
		{"no digit behind the point", `{"model":"m","n":1.}`, ""},
		{"no exponent", `{"model":"m","n":1e}`, ""},
		{"NaN", `{"model":"m","n":NaN}`, ""},
		{"bad literal", `{"model":"m","stream":truE}`, ""},
		{"bad escape", `{"model":"m\x"}`, ""},
		{"bad unicode escape", `{"model":"m\u12G4"}`, ""},
		{"line end in a string", "{\"model\":\"m\n\"}", ""},
		{"NUL in a string", "{\"model\":\"m\x00\"}", ""},
		{"NUL behind", "{\"model\":\"m\"}\x00", ""},
		{"brackets crossed", `{"model":"m","x":[{]}}`, ""},
		{"too deep", `{"model":"m","x":` + strings.Repeat("[", maxDepth) + strings.Repeat("]", maxDepth) + `}`, ""},
		{"far too deep", strings.Repeat(`{"a":`, 1_000_000), ""},
		{"syntax error behind a wrong type", `{"model":1,`, ""},
		{"no model", `{}`, "model"},
		{"model null", `{"model":null}`, "model"},
		{"model empty", `{"model":""}`, "model"},
		{"model number", `{"model":1}`, "model"},
		{"model object", `{"model":{"a":"b"}}`, "model"},
		{"model too long", `{"model":"` + strings.Repeat("m", maxModel+1) + `"}`, "model"},
		{"model too long, escaped", `{"model":"` + strings.Repeat(`\u00e9`, maxModel/2+1) + `"}`, "model"},
		{"model far too long, escaped", `{"model":"` + strings.Repeat(`\u0041`, 10_000) + `"}`, "model"},
		{"model not UTF-8", "{\"model\":\"\xff\"}", "model"},
		{"model twice", `{"model":"a","model":"b"}`, "model"},
		{"model twice, once escaped", `{"model":"a","mod\u0065l":"a"}`, "model"},
		{"model in other case", `{"model":"a","Model":"b"}`, "model"},
		{"stream twice", `{"model":"a","stream":true,"stream":true}`, "stream"},
		{"stream folded", `{"model":"a","ſtream":true}`, "stream"},
		{"stream string", `{"model":"a","stream":"true"}`, "stream"},
		{"stream number", `{"model":"a","stream":1}`, "stream"},
		{"stream_options twice", `{"model":"a","stream_options":null,"stream_options":{}}`, "stream_options"},
		{"stream_options array", `{"model":"a","stream_options":[]}`, "stream_options"},
		{"stream_options true", `{"model":"a","stream_options":true}`, "stream_options"},
		{"include_usage string", `{"model":"a","stream_options":{"include_usage":"yes"}}`, "include_usage"},
		{"include_usage twice", `{"model":"a","stream_options":{"include_usage":true,"include_usage":false}}`, "include_usage"},
		{"include_usage in other case", `{"model":"a","stream_options":{"INCLUDE_USAGE":false}}`, "include_usage"},
		{"max_tokens string", `{"model":"a","max_tokens":"5"}`, "max_tokens"},
		{"max_tokens negative", `{"model":"a","max_tokens":-5}`, "max_tokens"},
		{"max_tokens fraction", `{"model":"a","max_tokens":5.5}`, "max_tokens"},
		{"max_tokens absurd", `{"model":"a","max_tokens":99999999999999999999}`, "max_tokens"},
		{"max_completion_tokens infinite", `{"model":"a","max_completion_tokens":1e999}`, "max_completion_tokens"},
		{"n zero", `{"model":"a","n":0}`, "n"},
		{"n array", `{"model":"a","n":[1]}`, "n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := peek([]byte(c.body))
			var e *Error
			if !errors.As(err, &e) {
				t.Fatalf("got error %v, want an *Error", err)
			}
			if e.Status != 400 || e.Type != TypeInvalidRequest || e.Param != c.param || e.Message == "" {
				t.Errorf("got %+v, want status 400 and param %q", *e, c.param)
			}
			if !json.Valid(e.AppendJSON(nil, "req_1")) {
				t.Errorf("the answer is not valid JSON: %s", e.AppendJSON(nil, "req_1"))
			}
		})
	}
}

func TestAppendPatched(t *testing.T) {
	for _, c := range []struct {
		body    string
		include bool
		want    string
	}{
		{`{"model":"m"}`, false, `{"model":"new\"x"}`},
		{`{"model":"m"}`, true, `{"model":"new\"x","stream_options":{"include_usage":true}}`},
		{`{ "a":1, "model" : "m\u0041" ,"b":2 }`, true, `{ "a":1, "model" : "new\"x","stream_options":{"include_usage":true} ,"b":2 }`},
		{`{"stream_options":{},"model":"m"}`, true, `{"stream_options":{"include_usage":true},"model":"new\"x"}`},
		{`{"stream_options": { } ,"model":"m"}`, true, `{"stream_options": {"include_usage":true } ,"model":"new\"x"}`},
		{`{"model":"m","stream_options":{ "a":1 }}`, true, `{"model":"new\"x","stream_options":{"include_usage":true, "a":1 }}`},
		{`{"model":"m","stream_options":null}`, true, `{"model":"new\"x","stream_options":{"include_usage":true}}`},
		{`{"stream_options":{"a":1,"include_usage":false},"model":"m"}`, true, `{"stream_options":{"a":1,"include_usage":true},"model":"new\"x"}`},
		{`{"stream_options":{"include_usage": null },"model":"m"}`, true, `{"stream_options":{"include_usage": true },"model":"new\"x"}`},
		{`{"stream_options":{"include_usage":true},"model":"m"}`, true, `{"stream_options":{"include_usage":true},"model":"new\"x"}`},
		{`{"stream_options":{"include_usage":false},"model":"m"}`, false, `{"stream_options":{"include_usage":false},"model":"new\"x"}`},
	} {
		r, err := peek([]byte(c.body))
		if err != nil {
			t.Fatal(err)
		}
		if got := r.AppendPatched([]byte("+"), []byte(c.body), Patch{Model: `new"x`, IncludeUsage: c.include}); string(got) != "+"+c.want {
			t.Errorf("%s\ngot  %s\nwant +%s", c.body, got, c.want)
		}
	}
}

func TestAppendPatchedWithForeignBody(t *testing.T) {
	r, err := peek([]byte(`{"stream":true,"model":"m"}`))
	if err != nil {
		t.Fatal(err)
	}
	if got := r.AppendPatched(nil, []byte(`{}`), Patch{Model: "m", IncludeUsage: true}); len(got) > 0 {
		t.Errorf("got %q of a body that was never peeked into", got)
	}
}

func FuzzPeek(f *testing.F) {
	for _, body := range []string{
		`{"model":"m","stream":true,"stream_options":{"include_usage":false,"a":[1]},"n":2,"max_tokens":1e2}`,
		`{"stream_options":null,"m\u006fdel":"\ud83d\ude00\n"}`, `{"model":"a","Model":"b"}`, `{"model":"a","stream_options":{}}`,
		`{"model":"a","x":-0.1E-7,"y":"\u00e9\\"}`, ` { } `, `{"model":1,"n":0}`, `[1,2,{"a":null}]`, `{"model":"a","ſtream":1}`,
		"{\"model\":\"\xff\"}", `{"a":{"b":[[[]]]},"model":"x","max_completion_tokens":12.0}`,
	} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		r, err := peek(body)
		want := oraclePeek(body)
		if (err == nil) != (want != nil) {
			t.Fatalf("%q: Peek says %v, the oracle %v", body, err, want)
		}
		if err != nil {
			return
		}
		if string(r.Model) != want.model || r.Stream != want.stream || r.IncludeUsage != want.include ||
			r.MaxTokens != want.maxTokens || r.N != want.n {
			t.Fatalf("%q: got %+v, want %+v", body, r, *want)
		}
		for _, include := range []bool{false, true} {
			patched := r.AppendPatched(nil, body, Patch{Model: "new \"model\"\n", IncludeUsage: include})
			got := oraclePeek(patched)
			if got == nil || got.model != "new \"model\"\n" || got.include != (want.include || include) {
				t.Fatalf("%q patched is %q", body, patched)
			}
			if a, b := oracleRest(t, body), oracleRest(t, patched); a != b {
				t.Fatalf("%q patched is %q: the rest was %s, is %s", body, patched, a, b)
			}
		}
	})
}

type peeked struct {
	model           string
	stream, include bool
	maxTokens, n    int64
}

// oraclePeek reads a body by encoding/json and returns nil where Peek has to refuse it.
func oraclePeek(body []byte) *peeked {
	members, ok := oracleMembers(body, fieldNames[:fieldInclude])
	if !ok || depthOf(body) > maxDepth {
		return nil
	}
	p := &peeked{n: 1}
	var completion int64
	for name, v := range members {
		null := string(v) == "null"
		switch name {
		case "model":
			ok = null || json.Unmarshal(v, &p.model) == nil && len(p.model) <= maxModel && utf8.Valid(v)
		case "stream":
			ok = json.Unmarshal(v, &p.stream) == nil
		case "max_tokens":
			p.maxTokens, ok = oracleInt(v, 0)
		case "max_completion_tokens":
			completion, ok = oracleInt(v, 0)
		case "n":
			if !null {
				p.n, ok = oracleInt(v, 1)
			}
		case "stream_options":
			if null {
				break
			}
			var options map[string]json.RawMessage
			if options, ok = oracleMembers(v, []string{"include_usage"}); ok && options["include_usage"] != nil {
				ok = json.Unmarshal(options["include_usage"], &p.include) == nil
			}
		}
		if !ok {
			return nil
		}
	}
	if p.model == "" {
		return nil
	}
	if completion > 0 {
		p.maxTokens = completion
	}
	return p
}

func oracleInt(v json.RawMessage, least int64) (int64, bool) {
	if string(v) == "null" {
		return 0, true
	}
	var f float64
	if json.Unmarshal(v, &f) != nil || f != math.Trunc(f) || f > maxCount || f < float64(least) {
		return 0, false
	}
	return int64(f), true
}

// oracleMembers returns an object's members; false if it is none, or if one of the names is repeated or in other case.
func oracleMembers(object []byte, names []string) (map[string]json.RawMessage, bool) {
	if !json.Valid(object) {
		return nil, false
	}
	d := json.NewDecoder(bytes.NewReader(object))
	if open, err := d.Token(); err != nil || open != json.Delim('{') {
		return nil, false
	}
	members := map[string]json.RawMessage{}
	for d.More() {
		token, err := d.Token()
		if err != nil {
			return nil, false
		}
		key := token.(string)
		for _, name := range names {
			if strings.EqualFold(key, name) && (key != name || members[name] != nil) {
				return nil, false
			}
		}
		var v json.RawMessage
		if d.Decode(&v) != nil {
			return nil, false
		}
		members[key] = v
	}
	return members, true
}

// oracleRest is all of a body but what patching may change.
func oracleRest(t *testing.T, body []byte) string {
	members, ok := oracleMembers(body, nil)
	if !ok {
		t.Fatalf("%q is no object", body)
	}
	delete(members, "model")
	options, _ := oracleMembers(members["stream_options"], nil)
	delete(options, "include_usage")
	delete(members, "stream_options")
	return fmt.Sprintf("%q %q", members, options)
}

func depthOf(b []byte) int {
	d := json.NewDecoder(bytes.NewReader(b))
	depth, deepest := 0, 0
	for {
		token, err := d.Token()
		if err != nil {
			return deepest
		}
		switch token {
		case json.Delim('{'), json.Delim('['):
			depth++
			deepest = max(deepest, depth)
		case json.Delim('}'), json.Delim(']'):
			depth--
		}
	}
}

// TestPeekCountsChoices counts all that a request has generated, for the bound on its answer holds for each of them.
func TestPeekCountsChoices(t *testing.T) {
	for body, want := range map[string]int64{
		`{"model":"m","prompt":"x"}`:                                       1,
		`{"model":"m","prompt":["x","y","z"],"n":2}`:                       6,
		`{"model":"m","prompt":[1,2,3],"n":2}`:                             2,
		`{"model":"m","prompt":[[1,2],[3]]}`:                               2,
		`{"model":"m","prompt":[],"best_of":null}`:                         1,
		`{"model":"m","prompt":["x","y"],"n":2,"best_of":5}`:               10,
		`{"model":"m","prompt":["x","y"],"n":1000000000000}`:               maxCount,
		`{"model":"m","messages":[],"prompt":["x","y"],"best_of":3}`:       1,
		`{"model":"m","prompt":["x","y"],"best_of":3,"messages":[],"n":2}`: 2,
	} {
		if r, err := peek([]byte(body)); err != nil || r.N != want {
			t.Errorf("%s: %d, %v, want %d", body, r.N, err, want)
		}
	}
}
