package openai

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestMeterUsage(t *testing.T) {
	for _, c := range []struct {
		name   string
		events []string
		want   Usage
		ok     bool
	}{
		{"none", []string{`{"choices":[]}`}, Usage{}, false},
		{"null", []string{`{"usage":null}`}, Usage{}, false},
		{"empty object", []string{`{"usage":{}}`}, Usage{}, false},
		{"zero is a report", []string{`{"usage":{"prompt_tokens":0,"completion_tokens":0}}`}, Usage{}, true},
		{"OpenAI", []string{`{"usage":{"prompt_tokens":100,"completion_tokens":50,"total_tokens":150,` +
			`"prompt_tokens_details":{"cached_tokens":60,"audio_tokens":1},"completion_tokens_details":{"reasoning_tokens":20}}}`}, Usage{100, 60, 50, 20, 0}, true},
		{"responses style", []string{`{"usage":{"input_tokens":100,"output_tokens":50,"total_tokens":150,` +
			`"input_tokens_details":{"cached_tokens":60},"output_tokens_details":{"reasoning_tokens":20}}}`}, Usage{100, 60, 50, 20, 0}, true},
		{"DeepSeek", []string{`{"usage":{"prompt_tokens":100,"prompt_cache_hit_tokens":64,"prompt_cache_miss_tokens":36,"completion_tokens":5}}`}, Usage{100, 64, 5, 0, 0}, true},
		{"details go before the cache hit", []string{`{"usage":{"prompt_tokens":100,"prompt_cache_hit_tokens":64,"prompt_tokens_details":{"cached_tokens":60}}}`}, Usage{100, 60, 0, 0, 0}, true},
		{"details null", []string{`{"usage":{"prompt_tokens":3,"completion_tokens":4,"prompt_tokens_details":null,"completion_tokens_details":[]}}`}, Usage{3, 0, 4, 0, 0}, true},
		{"embeddings", []string{`{"usage":{"prompt_tokens":8,"total_tokens":8}}`}, Usage{8, 0, 0, 0, 0}, true},
		{"total alone", []string{`{"usage":{"total_tokens":8}}`}, Usage{8, 0, 0, 0, 0}, true},
		{"total and completion", []string{`{"usage":{"total_tokens":8,"completion_tokens":3}}`}, Usage{5, 0, 3, 0, 0}, true},
		{"reasoning apart", []string{`{"usage":{"prompt_tokens":10,"completion_tokens":5,"total_tokens":115,"completion_tokens_details":{"reasoning_tokens":100}}}`}, Usage{10, 0, 105, 100, 0}, true},
		{"total unexplained", []string{`{"usage":{"prompt_tokens":10,"completion_tokens":5,"total_tokens":99,"completion_tokens_details":{"reasoning_tokens":3}}}`}, Usage{10, 0, 5, 3, 0}, true},
		{"cached and reasoning beyond the whole", []string{`{"usage":{"prompt_tokens":10,"completion_tokens":5,"prompt_tokens_details":{"cached_tokens":11},"completion_tokens_details":{"reasoning_tokens":6}}}`}, Usage{10, 10, 5, 5, 0}, true},
		{"integral floats", []string{`{"usage":{"prompt_tokens":12.0,"completion_tokens":1.2e1}}`}, Usage{12, 0, 12, 0, 0}, true},
		{"not believed", []string{`{"usage":{"prompt_tokens":-1,"completion_tokens":1e13}}`, `{"usage":{"prompt_tokens":"7","completion_tokens":1.5}}`}, Usage{}, false},
		{"not believed does not replace", []string{`{"usage":{"prompt_tokens":7,"completion_tokens":8}}`, `{"usage":{"prompt_tokens":-1,"completion_tokens":null}}`}, Usage{7, 0, 8, 0, 0}, true},
		{"continuous: the last wins", []string{
			`{"choices":[{"index":0,"delta":{"content":"a"}}],"usage":{"prompt_tokens":9,"completion_tokens":1}}`,
			`{"choices":[{"index":0,"delta":{"content":"b"}}],"usage":{"prompt_tokens":9,"completion_tokens":2}}`,
			`{"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":3}}`}, Usage{9, 0, 3, 0, 0}, true},
		{"later null keeps", []string{`{"usage":{"prompt_tokens":9,"completion_tokens":3}}`, `{"usage":null}`}, Usage{9, 0, 3, 0, 0}, true},
		{"split over chunks", []string{`{"usage":{"input_tokens":9,"input_tokens_details":{"cached_tokens":4}}}`, `{"usage":{"output_tokens":3}}`}, Usage{9, 4, 3, 0, 0}, true},
		{"given twice", []string{`{"usage":{"prompt_tokens":9,"completion_tokens":3},"usage":null}`, `{"choices":[]}`, `{"usage":`}, Usage{9, 0, 3, 0, 0}, true},
		{"broken chunk does not count", []string{`{"usage":{"prompt_tokens":9,"completion_tokens":3}}`, `{"usage":{"prompt_tokens":1,"completion_tokens":1}`}, Usage{9, 0, 3, 0, 0}, true},
		{"usage elsewhere does not count", []string{`{"x":{"usage":{"prompt_tokens":9}},"choices":[{"usage":{"prompt_tokens":9}}]}`}, Usage{}, false},
		{"escaped key", []string{`{"us\u0061ge":{"prompt_t\u006fkens":9}}`}, Usage{9, 0, 0, 0, 0}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			var m Meter
			for _, e := range c.events {
				m.Event([]byte(e))
			}
			if got, ok := m.Usage(); got != c.want || ok != c.ok {
				t.Errorf("got %+v, %v, want %+v, %v", got, ok, c.want, c.ok)
			}
		})
	}
}

func TestMeterReported(t *testing.T) {
	var m Meter
	m.Event([]byte(`{"usage":{"prompt_tokens":9}}`))
	if in, out := m.Reported(); !in || out {
		t.Errorf("after the prompt's report: %v, %v", in, out)
	}
	m.Event([]byte(`{"usage":{"total_tokens":12}}`))
	if in, out := m.Reported(); !in || !out {
		t.Errorf("after the total's report: %v, %v", in, out)
	}
	if u, _ := m.Usage(); u.Output != 3 {
		t.Errorf("output %d, want 3", u.Output)
	}
}

// flags writes a chunk's findings as one letter each.
func flags(c Chunk) string {
	var s strings.Builder
	for _, f := range []struct {
		on   bool
		mark byte
	}{{c.Valid, 'v'}, {c.HasUsage, 'u'}, {c.UsageMember, 'm'}, {c.HasChoices, 'c'}, {c.EmptyChoices, 'e'}, {c.Finished, 'f'}, {c.HasContent, 't'}, {c.IsError, 'x'}, {c.Final, 'F'}, {c.HasIDs, 'i'}} {
		if f.on {
			s.WriteByte(f.mark)
		}
	}
	return s.String()
}

func TestMeterChunk(t *testing.T) {
	for _, c := range []struct{ data, want string }{
		{``, ""}, {`[]`, ""}, {`"x"`, ""}, {`{"choices":[}`, ""}, {`{"choices":[]}x`, ""}, {`[DONE]`, ""},
		{`{}`, "ve"}, {`{"choices":null}`, "ve"}, {`{"choices":7}`, "ve"},
		{`{"choices":[],"prompt_filter_results":[{}]}`, "ve"},
		{`{"choices":[],"usage":{"prompt_tokens":1}}`, "vume"},
		{`{"usage":{"prompt_tokens":1}}`, "vume"},
		{`{"choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}],"usage":null}`, "vmc"},
		{`{"choices":[{"index":0,"delta":{"content":"a"},"finish_reason":null}]}`, "vct"},
		{`{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":{"completion_tokens":1}}`, "vumcf"},
		{`{"choices":[{"delta":{"content":"a"},"finish_reason":""}]}`, "vct"},
		{`{"choices":[{"delta":{"content":"a"}},{"delta":null,"finish_reason":"length"}]}`, "vcft"},
		{`{"choices":[null,3,[]]}`, "vc"},
		{`{"choices":[{"text":"a"}]}`, "vct"},
		{`{"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{"}}]}}]}`, "vct"},
		{`{"choices":[{"delta":{"reasoning_content":"a"}}]}`, "vct"},
		{`{"error":{"message":"overloaded"}}`, "vx"}, {`{"error":"overloaded"}`, "vx"}, {`{"error":null}`, "ve"},
		{`{"object":"error","message":"bad"}`, "vx"},
		{`{"error":{"message":"overloaded"},"choices":[],"usage":{"prompt_tokens":1}}`, "vumx"},
		{`{"choices":[{"delta":{"content":"{\"error\":1}"}}]}`, "vct"},
	} {
		var m Meter
		if got := flags(m.Event([]byte(c.data))); got != c.want {
			t.Errorf("%s: got %q, want %q", c.data, got, c.want)
		}
	}
}

// texts writes what the meter has gathered.
func texts(m *Meter) string {
	var s []string
	for x := range m.Texts() {
		kind := ""
		if x.Reasoning {
			kind = "reasoning "
		}
		s = append(s, fmt.Sprintf("%s%d:%s", kind, x.Choice, x.Bytes))
	}
	return strings.Join(s, "|")
}

func TestMeterTexts(t *testing.T) {
	for _, c := range []struct {
		name     string
		events   []string
		want     string
		deltas   int64
		finished bool
	}{
		{"nothing", nil, "", 0, false},
		{"pieces are joined", []string{
			`{"choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}`,
			`{"choices":[{"index":0,"delta":{"content":"he"}}]}`,
			`{"choices":[{"index":0,"delta":{"content":"ll\u00f6\n"},"finish_reason":"stop"}]}`}, "0:hellö\n", 2, true},
		{"choices interleave", []string{
			`{"choices":[{"index":0,"delta":{"content":"a"}}]}`, `{"choices":[{"index":1,"delta":{"content":"x"}}]}`,
			`{"choices":[{"delta":{"content":"b"},"index":0,"finish_reason":"stop"},{"delta":{"content":"y"},"index":1}]}`}, "0:ab|1:xy", 3, false},
		{"every choice has finished", []string{
			`{"choices":[{"index":0,"finish_reason":"stop"}]}`, `{"choices":[{"index":1,"finish_reason":"length"}]}`}, "", 0, true},
		{"tool calls", []string{
			`{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"call_1","type":"function","function":{"name":"weather","arguments":""}}]}}]}`,
			`{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{\"a\":"}},{"index":1,"function":{"name":"time"}}]}}]}`,
			`{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"1}"}}]},"finish_reason":"tool_calls"}]}`}, `0:weather{"a":1}|0:time`, 3, true},
		{"function call, refusal", []string{
			`{"choices":[{"delta":{"function_call":{"name":"f","arguments":"{}"}}},{"delta":{"refusal":"no"}}]}`}, "0:f{}|1:no", 1, false},
		{"reasoning", []string{
			`{"choices":[{"index":0,"delta":{"reasoning_content":"hm","content":null}}]}`,
			`{"choices":[{"index":0,"delta":{"reasoning":"m"}}]}`, `{"choices":[{"index":0,"delta":{"content":"ok"}}]}`}, "reasoning 0:hmm|0:ok", 3, false},
		{"reasoning under two names is meant once", []string{
			`{"choices":[{"delta":{"reasoning":"hm","reasoning_content":"hm"}}]}`, `{"choices":[{"delta":{"reasoning_content":null,"reasoning":"m"}}]}`}, "reasoning 0:hmm", 2, false},
		{"content in parts", []string{
			`{"choices":[{"delta":{"content":[{"type":"thinking","thinking":[{"type":"text","text":"hm"}]},{"type":"text","text":"ok"},"x",3]}}]}`}, "reasoning 0:hm|0:ok", 1, false},
		{"completions", []string{`{"choices":[{"text":"a","index":0}]}`, `{"choices":[{"text":"b","index":0,"finish_reason":"stop"}]}`}, "0:ab", 2, true},
		{"errors and broken chunks do not count", []string{
			`{"error":{"message":"long text"}}`, `{"choices":[{"delta":{"content":"a"}}]`, `: hb`, `{"choices":[{"delta":{"content":"b"`}, "", 0, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			var m Meter
			for range 2 { // the second time after a Reset
				for _, e := range c.events {
					m.Event([]byte(e))
				}
				if got := texts(&m); got != c.want || m.Deltas() != c.deltas || m.Finished() != c.finished {
					t.Errorf("got %q, %d deltas, finished %v\nwant %q, %d, %v", got, m.Deltas(), m.Finished(), c.want, c.deltas, c.finished)
				}
				m.Reset()
			}
		})
	}
}

func TestMeterWhole(t *testing.T) {
	for _, c := range []struct{ name, body, flags, texts string }{
		{"chat with usage", `{"choices":[{"index":0,"message":{"role":"assistant","content":"hi"},"finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":1}}`, "vumcft", ""},
		{"chat without usage", `{"choices":[{"message":{"content":"hi","tool_calls":[{"function":{"name":"f","arguments":"{}"}},{"function":{"name":"g"}}]},"finish_reason":"stop"},{"message":{"content":"ho"},"finish_reason":"stop"}]}`, "vcft", "0:hi|0:f{}|0:g|1:ho"},
		{"completions without usage", `{"choices":[{"text":"hi","index":0,"finish_reason":"stop"}],"usage":null}`, "vmcft", "0:hi"},
		{"embeddings", `{"object":"list","data":[{"embedding":[0.1,-2e-3],"index":0}],"usage":{"prompt_tokens":5,"total_tokens":5}}`, "vume", ""},
		{"error", `{"error":{"message":"no"}}`, "vx", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			var m Meter
			chunk, err := m.Whole([]byte(c.body))
			if got := flags(chunk); err != nil || got != c.flags || texts(&m) != c.texts {
				t.Errorf("got %q, %q, %v", got, texts(&m), err)
			}
		})
	}
	for _, body := range []string{``, `[]`, `<html>`, `{"choices":[{"message":{"content":"cut`} {
		var m Meter
		_, err := m.Whole([]byte(body))
		var e *Error
		if !errors.As(err, &e) || e.Status != 502 {
			t.Errorf("%q: got %v, want an *Error with status 502", body, err)
		}
	}
}

func TestMeterIsBounded(t *testing.T) {
	var m Meter
	chunk := []byte(`{"choices":[{"delta":{"content":"` + strings.Repeat("x", 1<<20) + `"}}]}`)
	for range 6 {
		m.Event(chunk)
	}
	kept := 0
	for x := range m.Texts() {
		kept += len(x.Bytes)
	}
	if kept > maxText || int64(kept)+m.Unkept() != 6<<20 {
		t.Errorf("kept %d bytes, %d unkept", kept, m.Unkept())
	}
	m.Reset()
	if m.Unkept() != 0 {
		t.Error("Reset keeps the count of bytes not kept")
	}
	for i := range 10_000 {
		m.Event(fmt.Appendf(nil, `{"choices":[{"index":%d,"delta":{"content":"ab"}}]}`, i))
	}
	if len(m.texts) > maxLanes || len(m.choices) > maxLanes || m.Unkept() != 2*(10_000-maxLanes) {
		t.Errorf("%d texts, %d choices, %d bytes unkept", len(m.texts), len(m.choices), m.Unkept())
	}
}

func TestAppendWithoutUsage(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"data: {\"a\":1}\n\n", "data: {\"a\":1}\n\n"},
		{"data: {\"a\":1,\"usage\":null}\n\n", "data: {\"a\":1}\n\n"},
		{"data:{ \"usage\" : {\"prompt_tokens\":1} , \"a\" : 1 }\r\n\r\n", "data:{ \"a\" : 1 }\r\n\r\n"},
		{"id: 7\ndata: {\"a\":1 , \"usage\":{\"x\":[{}]} ,\"b\":\"usage\"}\nretry: 1\n\n", "id: 7\ndata: {\"a\":1  ,\"b\":\"usage\"}\nretry: 1\n\n"},
		{"data: {\"usage\":null}\n\n", "data: {}\n\n"},
		{"data: {\"us\\u0061ge\":null,\"a\":1}\n\n", "data: {\"a\":1}\n\n"},
		{"data: {\"usage\":1,\"a\":1,\"usage\":2,\"usage\":3}\n\n", "data: {\"a\":1}\n\n"},
		{"data: {\"usage\":1,\"usage\":2}\n\n", "data: {}\n\n"},
		{": c\ndata: {\ndata: \"a\":1,\ndata: \"usage\":\ndata: null}\nid: 1\n\n", ": c\ndata: {\ndata: \"a\":1}\nid: 1\n\n"},
		{"data: {\ndata: \"usage\":null,\r\ndata: \"a\":1}\n\n", "data: {\ndata: \"a\":1}\n\n"},
		{"{\"usage\":null,\n\"a\":1}", "{\"a\":1}"},
		{"data: {\"x\":{\"usage\":1}}\n\n", "data: {\"x\":{\"usage\":1}}\n\n"},
		{"data: {\"usage\":null,}\n\n", "data: {\"usage\":null,}\n\n"},
	} {
		s := NewScanner(0)
		if _, err := s.Fill(strings.NewReader(c.in)); err != nil {
			t.Fatal(err)
		}
		ev, ok := s.Next()
		if !ok {
			t.Fatalf("%q: no event", c.in)
		}
		var m Meter
		if got := AppendWithoutUsage(nil, ev, m.Event(ev.Data)); string(got) != c.want {
			t.Errorf("%q\ngot  %q\nwant %q", c.in, got, c.want)
		}
		s.Release()
	}
}

func FuzzChunk(f *testing.F) {
	for _, s := range []string{
		string(deltaChunk), string(nullUsageChunk), `{"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2.0,"total_tokens":3}}`,
		`{"usage":{"prompt_tokens":10,"completion_tokens":5,"total_tokens":18,"completion_tokens_details":{"reasoning_tokens":3}},"a":1}`,
		`{"choices":[{"index":1,"delta":{"content":"\ud83d\ude00","reasoning":"a"},"finish_reason":"stop"},{"text":"b"}]}`,
		`{"choices":[{"delta":{"tool_calls":[{"index":2,"function":{"name":"a","arguments":"\u00e9"}}],"function_call":{"name":"x"}}}]}`,
		`{"choices":[{"delta":{"content":[{"text":"a"},{"thinking":[{"text":"b"}]}]}}]}`, `{"error":"x"}`, `{"object":"error"}`,
		`{ "us\u0061ge" : null , "usage":1}`, `{"usage":{"input_tokens":1e2,"prompt_cache_hit_tokens":7}}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		var m Meter
		got := m.Event(in)
		valid := json.Valid(in) && depthOf(in) <= maxDepth
		members, object := oracleMembers(in, nil)
		if got.Valid != (valid && object) {
			t.Fatalf("%q: Valid is %v", in, got.Valid)
		}
		if !got.Valid {
			return
		}
		stripped := AppendWithoutUsage(nil, Event{Raw: in, Data: in, Kind: PlainJSON}, got)
		left, ok := oracleMembers(stripped, nil)
		if _, has := left["usage"]; !ok || has || len(stripped) > len(in) {
			t.Fatalf("%q without usage is %q", in, stripped)
		}
		if _, has := members["usage"]; has != got.UsageMember {
			t.Fatalf("%q: UsageMember is %v", in, got.UsageMember)
		}
		delete(members, "usage")
		if fmt.Sprintf("%q", left) != fmt.Sprintf("%q", members) {
			t.Fatalf("%q without usage is %q", in, stripped)
		}
		if !repeats(in) {
			compareWithOracle(t, in, &m, got)
		}
	})
}

// A released meter keeps what it has counted, and whoever gets its workspace finds nothing in it.
func TestRelease(t *testing.T) {
	var m Meter
	m.Event([]byte(`{"choices":[{"index":0,"delta":{"content":"secret"},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":2}}`))
	usage, _ := m.Usage()
	w := m.workspace
	m.Release()
	if again, ok := m.Usage(); !ok || again != usage || m.Deltas() != 1 || m.TextBytes() != 6 || !m.Finished() {
		t.Errorf("released, it has %+v, %d deltas, %d bytes, finished %v", again, m.Deltas(), m.TextBytes(), m.Finished())
	}
	for x := range m.Texts() {
		t.Errorf("released, it has the text %q", x.Bytes)
	}
	next := Meter{workspace: w}
	next.Event([]byte(`{"choices":[{"index":0,"delta":{"content":"x"}}]}`))
	if usage, ok := next.Usage(); ok || next.Finished() {
		t.Errorf("the next one begins with %+v, finished %v", usage, next.Finished())
	}
	for x := range next.Texts() {
		if string(x.Bytes) != "x" {
			t.Errorf("the next one has the text %q", x.Bytes)
		}
	}
	m.Release()
	if m.Event([]byte(`{"choices":[{"index":0,"delta":{"content":"more"}}]}`)); m.Deltas() != 2 {
		t.Errorf("used on, it has %d deltas", m.Deltas())
	}
}
