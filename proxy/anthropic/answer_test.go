package anthropic

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"testing/iotest"

	"llmhub/proxy/openai"
)

var options = AnswerOptions{Model: "claude", Created: 7, Limit: 1 << 20}

func TestAnswer(t *testing.T) {
	const head = `{"id":"msg_1","type":"message","role":"assistant","model":"claude-x","stop_sequence":null,`
	for _, c := range []struct{ name, in, message, reason, usage string }{
		{"text", `"content":[{"type":"text","text":"Hi"},{"type":"text","text":" <you>"}],"stop_reason":"end_turn","usage":{"input_tokens":3,"output_tokens":2}`,
			`"content":"Hi <you>","refusal":null`, "stop", `"prompt_tokens":3,"completion_tokens":2,"total_tokens":5,"prompt_tokens_details":{"cached_tokens":0,"cache_creation_tokens":0}`},
		{"caches", `"content":[{"type":"text","text":"x"}],"stop_reason":"max_tokens","usage":{"input_tokens":3,"cache_creation_input_tokens":100,"cache_read_input_tokens":1000,"output_tokens":2}`,
			`"content":"x","refusal":null`, "length", `"prompt_tokens":1103,"completion_tokens":2,"total_tokens":1105,"prompt_tokens_details":{"cached_tokens":1000,"cache_creation_tokens":100}`},
		{"tools", `"content":[{"type":"thinking","thinking":"Hm.","signature":"s"},{"type":"redacted_thinking","data":"x"},{"type":"tool_use","id":"toolu_1","name":"w","input":{"c": "Bonn"}},{"type":"tool_use","id":"toolu_2","name":"now","input":{}}],"stop_reason":"tool_use","usage":{"input_tokens":3,"output_tokens":2}`,
			`"content":null,"reasoning_content":"Hm.","refusal":null,"tool_calls":[{"id":"toolu_1","type":"function","function":{"name":"w","arguments":"{\"c\":\"Bonn\"}"}},{"id":"toolu_2","type":"function","function":{"name":"now","arguments":"{}"}}]`,
			"tool_calls", `"prompt_tokens":3,"completion_tokens":2,"total_tokens":5,"prompt_tokens_details":{"cached_tokens":0,"cache_creation_tokens":0}`},
		{"nothing, and numbers that are none", `"content":[],"stop_reason":"refusal","usage":{"input_tokens":-3,"output_tokens":"many"}`,
			`"content":"","refusal":null`, "content_filter", `"prompt_tokens":0,"completion_tokens":0,"total_tokens":0,"prompt_tokens_details":{"cached_tokens":0,"cache_creation_tokens":0}`},
	} {
		want := `{"id":"chatcmpl-1","object":"chat.completion","created":7,"model":"claude","choices":[{"index":0,"message":{"role":"assistant",` + c.message +
			`},"finish_reason":"` + c.reason + `","logprobs":null}],"usage":{` + c.usage + `}}`
		for name, r := range readers([]byte(head + c.in + "}")) {
			got, err := io.ReadAll(NewAnswer(r, options))
			if err != nil || !same(t, got, want) {
				t.Errorf("%s, %s: %v\n got %s\nwant %s", c.name, name, err, got, want)
			}
		}
	}
}

func readers(b []byte) map[string]io.Reader {
	return map[string]io.Reader{
		"at once": bytes.NewReader(b), "byte by byte": iotest.OneByteReader(bytes.NewReader(b)), "with the end": iotest.DataErrReader(bytes.NewReader(b)),
	}
}

func TestAnswerThatIsNone(t *testing.T) {
	for in, want := range map[string]string{
		``: ``, `{`: ``, `<html>`: ``, `[]`: ``, `{"type":"completion"}`: ``, `{"type":"message","content":5}`: ``,
		`{"type":"error","error":{"type":"overloaded_error","message":"Busy"}}`: `{"error":{"code":529,"message":"Busy","param":null,"type":"overloaded_error"}}`,
		`{"type":"error","error":"x"}`:                                          `{"error":{"code":500,"message":"","param":null,"type":"api_error"}}`,
	} {
		got, err := io.ReadAll(NewAnswer(strings.NewReader(in), options))
		if err != nil || string(got) != want {
			t.Errorf("%s: %v\n got %s\nwant %s", in, err, got, want)
		}
	}
	o := options
	o.Limit = 10
	if _, err := io.ReadAll(NewAnswer(strings.NewReader(`{"type":"message"}`), o)); !errors.Is(err, ErrTooLarge) {
		t.Errorf("too large: %v", err)
	}
}

// event is one of Anthropic's, as it is on the wire.
func event(data string) string {
	var e struct{ Type string }
	_ = json.Unmarshal([]byte(data), &e)
	return "event: " + e.Type + "\ndata: " + data + "\n\n"
}

var (
	start    = event(`{"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","content":[],"usage":{"input_tokens":3,"cache_creation_input_tokens":100,"cache_read_input_tokens":1000,"output_tokens":1}}}`)
	textOf   = event(`{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}`) + event(`{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hi"}}`)
	stop0    = event(`{"type":"content_block_stop","index":0}`)
	finished = event(`{"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":9}}`)
	stopped  = event(`{"type":"message_stop"}`)
	ping     = event(`{"type":"ping"}`)
)

// chunk is one of chat completions, as it is on the wire.
func chunk(delta string) string {
	return `data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":7,"model":"claude","choices":[{"index":0,"delta":{` + delta + `},"finish_reason":null,"logprobs":null}]}` + "\n\n"
}

func finish(reason string, output string) string {
	return `data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":7,"model":"claude","choices":[{"index":0,"delta":{},"finish_reason":"` + reason + `","logprobs":null}]}` + "\n\n" + total(output)
}

func total(output string) string {
	return `data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":7,"model":"claude","choices":[],"usage":{"prompt_tokens":1103,"completion_tokens":` + output +
		`,"total_tokens":` + map[string]string{"9": "1112", "1": "1104"}[output] + `,"prompt_tokens_details":{"cached_tokens":1000,"cache_creation_tokens":100}}}` + "\n\n"
}

const done = "data: [DONE]\n\n"

var opened = chunk(`"role":"assistant","content":""`)

var streams = []struct{ name, in, want string }{
	{"text", start + ping + textOf + stop0 + finished + stopped, opened + chunk("") + chunk(`"content":"Hi"`) + finish("stop", "9") + done},
	{"thinking", start + event(`{"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":""}}`) +
		event(`{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"Hm."}}`) +
		event(`{"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"s"}}`) + stop0 + finished + stopped,
		opened + chunk(`"reasoning_content":"Hm."`) + finish("stop", "9") + done},
	{"tools", start + event(`{"type":"content_block_start","index":1,"content_block":{"type":"tool_use","id":"toolu_1","name":"w","input":{}}}`) +
		event(`{"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":""}}`) +
		event(`{"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"{\"c\":"}}`) +
		event(`{"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"\"Bonn\"}"}}`) +
		event(`{"type":"content_block_stop","index":1}`) +
		event(`{"type":"content_block_start","index":2,"content_block":{"type":"tool_use","id":"toolu_2","name":"now","input":{}}}`) + event(`{"type":"content_block_stop","index":2}`) +
		event(`{"type":"content_block_start","index":3,"content_block":{"type":"tool_use","id":"toolu_3","name":"w","input":{"c":1}}}`) + event(`{"type":"content_block_stop","index":3}`) +
		event(`{"type":"message_delta","delta":{"stop_reason":"tool_use"},"usage":{"input_tokens":0,"output_tokens":9}}`) + stopped,
		opened + chunk(`"tool_calls":[{"index":0,"id":"toolu_1","type":"function","function":{"name":"w","arguments":""}}]`) +
			chunk(`"tool_calls":[{"index":0,"function":{"arguments":"{\"c\":"}}]`) + chunk(`"tool_calls":[{"index":0,"function":{"arguments":"\"Bonn\"}"}}]`) +
			chunk(`"tool_calls":[{"index":1,"id":"toolu_2","type":"function","function":{"name":"now","arguments":""}}]`) + chunk(`"tool_calls":[{"index":1,"function":{"arguments":"{}"}}]`) +
			chunk(`"tool_calls":[{"index":2,"id":"toolu_3","type":"function","function":{"name":"w","arguments":""}}]`) + chunk(`"tool_calls":[{"index":2,"function":{"arguments":"{\"c\":1}"}}]`) +
			finish("tool_calls", "9") + done},
	{"unknown events and blocks", start + event(`{"type":"content_block_start","index":0,"content_block":{"type":"server_tool_use","id":"x"}}`) +
		event(`{"type":"content_block_delta","index":0,"delta":{"type":"citations_delta"}}`) + stop0 + event(`{"type":"new_thing"}`) + ": comment\n\n" + textOf + finished + stopped + textOf,
		opened + chunk(`"content":"Hi"`) + finish("stop", "9") + done},
	{"cut in the middle", start + textOf, opened + chunk(`"content":"Hi"`)},
	{"cut within an event", start + textOf + stop0[:len(stop0)-5], opened + chunk(`"content":"Hi"`)},
	{"cut before the stop", start + textOf + finished, opened + chunk(`"content":"Hi"`) + finish("stop", "9")},
	{"nothing", "", ""},
	{"begun only", start, ""},
	{"early error", start + event(`{"type":"error","error":{"type":"overloaded_error","message":"Busy"}}`),
		`data: {"error":{"code":529,"message":"Busy","param":null,"type":"overloaded_error"}}` + "\n\n"},
	{"bare error", `{"type":"error","error":{"type":"rate_limit_error","message":"Slow"}}`, `data: {"error":{"code":429,"message":"Slow","param":null,"type":"rate_limit_error"}}` + "\n\n"},
	{"late error", start + textOf + event(`{"type":"error","error":{"type":"overloaded_error","message":"Busy"}}`) + finished + stopped,
		opened + chunk(`"content":"Hi"`) + `data: {"error":{"code":"overloaded_error","message":"Busy","param":null,"type":"overloaded_error"}}` + "\n\n"},
	{"bad event", start + textOf + "data: {\"type\":\n\n" + stopped,
		opened + chunk(`"content":"Hi"`) + `data: {"error":{"code":"api_error","message":"The model server sent an event that cannot be understood.","param":null,"type":"api_error"}}` + "\n\n"},
	{"usage in the middle", start + textOf + event(`{"type":"message_delta","delta":{"stop_reason":null},"usage":{"output_tokens":1}}`) +
		event(`{"type":"message_delta","delta":{"stop_reason":"pause_turn"},"usage":{"input_tokens":3,"output_tokens":null}}`) + stopped,
		opened + chunk(`"content":"Hi"`) + finish("stop", "1") + done},
	{"running totals", start + textOf + event(`{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":1}}`) + finished + stopped,
		opened + chunk(`"content":"Hi"`) + finish("stop", "1") + total("9") + done},
}

func TestStream(t *testing.T) {
	for _, c := range streams {
		for name, r := range readers([]byte(c.in)) {
			got, err := io.ReadAll(NewStream(r, options))
			if err != nil || string(got) != c.want {
				t.Errorf("%s, %s: %v\n got %s\nwant %s", c.name, name, err, got, c.want)
			}
		}
	}
}

// paused gives pieces, with an error that reading can go on behind between them.
type paused struct {
	pieces [][]byte
	waited bool
}

func (p *paused) Read(b []byte) (int, error) {
	if p.waited = !p.waited; p.waited {
		return 0, os.ErrDeadlineExceeded
	}
	if len(p.pieces) == 0 {
		return 0, io.EOF
	}
	n := copy(b, p.pieces[0])
	if p.pieces[0] = p.pieces[0][n:]; len(p.pieces[0]) == 0 {
		p.pieces = p.pieces[1:]
	}
	return n, nil
}

// readOn reads all, going on behind deadlines, and insists on whole events.
func readOn(t *testing.T, r io.Reader, size int) []byte {
	t.Helper()
	var all []byte
	for b := make([]byte, size); ; {
		n, err := r.Read(b)
		all = append(all, b[:n]...)
		switch {
		case err == io.EOF:
			return all
		case errors.Is(err, os.ErrDeadlineExceeded):
			if len(all) > 0 && !bytes.HasSuffix(all, []byte("\n\n")) {
				t.Fatalf("waits within an event: %s", all)
			}
		case err != nil:
			t.Fatal(err)
		}
	}
}

// TestStreamSplit cuts the streams at each byte, and has the reader wait there.
func TestStreamSplit(t *testing.T) {
	for _, c := range streams {
		for at := range len(c.in) {
			s := NewStream(&paused{pieces: [][]byte{[]byte(c.in[:at]), []byte(c.in[at:])}}, options)
			if got := readOn(t, s, 7); string(got) != c.want {
				t.Fatalf("%s, cut at %d:\n got %s\nwant %s", c.name, at, got, c.want)
			}
		}
	}
}

// TestStarted: the usage of the input is known when a stream begins, and counts as that of the input only.
func TestStarted(t *testing.T) {
	var m openai.Meter
	o := options
	o.Started = func(chunk []byte) { m.Event(chunk) }
	if _, err := io.ReadAll(NewStream(strings.NewReader(start+textOf), o)); err != nil {
		t.Fatal(err)
	}
	u, _ := m.Usage()
	if in, out := m.Reported(); u.Input != 1103 || u.CachedInput != 1000 || !in || out {
		t.Errorf("%+v, input %v, output %v", u, in, out)
	}
}

func TestEventTooLarge(t *testing.T) {
	o := options
	o.Limit = 4 << 10
	if _, err := io.ReadAll(NewStream(strings.NewReader("data: "+strings.Repeat("x", 64<<10)), o)); !errors.Is(err, openai.ErrEventTooLarge) {
		t.Errorf("%v", err)
	}
}

func FuzzAnswer(f *testing.F) {
	f.Add([]byte(`{"id":"msg_1","type":"message","content":[{"type":"text","text":"Hi"},{"type":"tool_use","id":"t","name":"f","input":{"a":[1]}}],"stop_reason":"end_turn","usage":{"input_tokens":3,"output_tokens":2}}`))
	f.Add([]byte(`{"type":"error","error":{"type":"overloaded_error","message":"Busy"}}`))
	f.Fuzz(func(t *testing.T, in []byte) {
		got, err := io.ReadAll(NewAnswer(bytes.NewReader(in), options))
		if err != nil || len(got) > 0 && !json.Valid(got) {
			t.Errorf("%v\n%s", err, got)
		}
	})
}

func FuzzStream(f *testing.F) {
	for _, c := range streams {
		f.Add([]byte(c.in), uint16(len(c.in)/2))
	}
	f.Fuzz(func(t *testing.T, in []byte, at uint16) {
		cut := min(int(at), len(in))
		whole := readOn(t, NewStream(bytes.NewReader(in), options), 512)
		parts := readOn(t, NewStream(&paused{pieces: [][]byte{in[:cut:cut], in[cut:]}}, options), 512)
		if !bytes.Equal(whole, parts) {
			t.Errorf("cut at %d:\n%s\n%s", cut, whole, parts)
		}
		for _, e := range bytes.Split(bytes.TrimSuffix(whole, []byte("\n\n")), []byte("\n\n")) {
			data, ok := bytes.CutPrefix(e, []byte("data: "))
			if len(whole) > 0 && (!ok || string(data) != "[DONE]" && !json.Valid(data)) {
				t.Errorf("event %q", e)
			}
		}
	})
}
