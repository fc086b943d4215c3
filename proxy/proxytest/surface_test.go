package proxytest

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"mime/multipart"
	"net/http"
	"strings"
	"testing"
)

// everyPart has each part a reply can have.
func everyPart() []Delta {
	all := append(Reason(2), Words(3)...)
	all = append(all, Call(0, "call_1", "f", 4, `{"a"`, `:1}`)...)
	return append(all, Call(1, "call_2", "g", 4, `{}`)...)
}

// names returns the names of a stream's events, and checks that each is the type of its data.
func names(t *testing.T, body string) []string {
	t.Helper()
	var all []string
	for e := range strings.SplitSeq(strings.TrimSuffix(body, "\n\n"), "\n\n") {
		name, data, ok := strings.Cut(strings.TrimPrefix(e, "event: "), "\ndata: ")
		var v struct{ Type string }
		if err := json.Unmarshal([]byte(data), &v); !ok || err != nil || v.Type != name {
			t.Fatalf("event %q: %v", e, err)
		}
		if len(all) == 0 || all[len(all)-1] != name {
			all = append(all, name)
		}
	}
	return all
}

func TestStreamsHaveTheirEventsInOrder(t *testing.T) {
	for _, c := range []struct{ name, path, body, want, usage string }{
		{"responses", "/responses", `{"model":"m","user":"u","stream":true,"input":"a"}`,
			"response.created response.in_progress " +
				"response.output_item.added response.reasoning_summary_part.added response.reasoning_summary_text.delta " +
				"response.reasoning_summary_text.done response.reasoning_summary_part.done response.output_item.done " +
				"response.output_item.added response.content_part.added response.output_text.delta " +
				"response.output_text.done response.content_part.done response.output_item.done " +
				"response.output_item.added response.function_call_arguments.delta response.function_call_arguments.done response.output_item.done " +
				"response.output_item.added response.function_call_arguments.delta response.function_call_arguments.done response.output_item.done " +
				"response.completed",
			`"usage":{"input_tokens":9,"input_tokens_details":{"cached_tokens":4},"output_tokens":13,"output_tokens_details":{"reasoning_tokens":2},"total_tokens":22}`},
		{"messages", "/messages", `{"model":"m","metadata":{"user_id":"u"},"stream":true,"messages":[]}`,
			"message_start ping content_block_start content_block_delta content_block_stop content_block_start content_block_delta content_block_stop " +
				"content_block_start content_block_delta content_block_stop content_block_start content_block_delta content_block_stop " +
				"message_delta message_stop",
			`"usage":{"input_tokens":3,"cache_creation_input_tokens":2,"cache_read_input_tokens":4,"output_tokens":1}`},
		{"images", "/images/generations", `{"model":"m","user":"u","stream":true,"partial_images":2,"prompt":"a"}`,
			"image_generation.partial_image image_generation.completed", `"output_tokens":13,"total_tokens":22`},
		{"speech", "/audio/speech", `{"model":"m","user":"u","stream_format":"sse","input":"äb"}`,
			"speech.audio.delta speech.audio.done", `"usage":{"input_tokens":9,"output_tokens":13,"total_tokens":22}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := start(t, Options{})
			p.Script("m", Script{Deltas: everyPart(), PromptTokens: 9, CachedTokens: 4, CacheWriteTokens: 2})
			status, body, err := post(t, p, c.path, c.body)
			if got := strings.Join(names(t, body), " "); status != 200 || err != nil || got != c.want {
				t.Errorf("%d %v\n got %s\nwant %s", status, err, got, c.want)
			}
			if !strings.Contains(body, c.usage) {
				t.Errorf("%s is not in %s", c.usage, body)
			}
			n := p.Totals().ByUser["u"]
			if u := n.HandedOut; n.Finished != 1 || u != n.FinishedUsage || u.Prompt != 9 || u.Output != 13 {
				t.Errorf("totals %+v", n)
			}
			if sent, _ := p.Sent(1); string(sent.Wire) != body || string(sent.Visible) != body || sent.Events[len(sent.Events)-1] != len(body) {
				t.Error("what was sent is not what is recorded")
			}
		})
	}
}

func TestWholeAnswers(t *testing.T) {
	p := start(t, Options{})
	p.Script("m", Script{Deltas: everyPart(), PromptTokens: 9, CachedTokens: 4})
	p.Script("u", Script{ByUnit: true})
	p.Script("long", Script{FinishReason: "length"})
	p.Script("bad", Script{FinishReason: "failed"})
	p.Script("529", Script{Status: 529})
	for _, c := range []struct {
		path, body, contains string
		status               int
	}{
		{"/responses", `{"model":"m","input":"a"}`, `"type":"function_call","status":"completed","arguments":"{\"a\":1}","call_id":"call_1","name":"f"`, 200},
		{"/responses", `{"model":"long","input":"a"}`, `"incomplete_details":{"reason":"max_output_tokens"}`, 200},
		{"/responses", `{"model":"bad","input":"a","stream":true}`, `event: response.failed`, 200},
		{"/responses", `{"model":"m","input":"a","previous_response_id":"resp_x"}`, `"code":"previous_response_not_found"`, 400},
		{"/messages", `{"model":"m","messages":[]}`, `{"type":"tool_use","id":"call_1","name":"f","input":{"a":1}}`, 200},
		{"/messages", `{"model":"529","messages":[]}`, `{"type":"error","error":{"type":"overloaded_error"`, 529},
		{"/messages/count_tokens", `{"model":"m","messages":[]}`, `{"input_tokens":9}`, 200},
		{"/images/generations", `{"model":"m","prompt":"a","n":2}`, `"total_tokens":35`, 200},
		{"/images/generations", `{"model":"u","prompt":"a","n":2,"size":"512x512"}`, `"size":"512x512"}`, 200},
		{"/moderations", `{"model":"m","input":["a","b"]}`, `"flagged":false`, 200},
		{"/rerank", `{"model":"m","query":"q","documents":["a","b"]}`, `"usage":{"total_tokens":9}`, 200},
		{"/rerank", `{"model":"u","query":"q","documents":["a","b"],"top_n":1}`, `"billed_units":{"search_units":1}`, 200},
	} {
		status, body, err := post(t, p, c.path, c.body)
		if status != c.status || err != nil || !strings.Contains(body, c.contains) {
			t.Errorf("%s %s: %d %s %v", c.path, c.body, status, body, err)
		}
	}
	if u := p.Totals().All.HandedOut; u.Images != 4 || u.Searches != 1 {
		t.Errorf("totals %+v", u)
	}
}

func do(t *testing.T, r *http.Request) (int, string, http.Header) {
	t.Helper()
	tr := &http.Transport{}
	defer tr.CloseIdleConnections()
	resp, err := (&http.Client{Transport: tr}).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b), resp.Header
}

func newRequest(t *testing.T, method, url, body string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestStoredResponsesAreKnownToTheirMakerOnly(t *testing.T) {
	p, other := start(t, Options{}), start(t, Options{})
	_, body, _ := post(t, p, "/responses", `{"model":"m","input":"a","stream":true}`)
	id := "resp_" + strings.SplitN(strings.SplitN(body, `"id":"resp_`, 2)[1], `"`, 2)[0]
	for _, c := range []struct {
		method, path, contains string
		status                 int
	}{
		{"GET", "/responses/" + id, `"status":"completed"`, 200},
		{"GET", "/responses/" + id + "/input_items", `"text":"a"`, 200},
		{"POST", "/responses/" + id + "/cancel", `Cannot cancel`, 400},
	} {
		if status, body, _ := do(t, newRequest(t, c.method, p.URL()+c.path, "")); status != c.status || !strings.Contains(body, c.contains) {
			t.Errorf("%s %s: %d %s", c.method, c.path, status, body)
		}
		if status, body, _ := do(t, newRequest(t, c.method, other.URL()+c.path, "")); status != 404 || !strings.Contains(body, "not found") {
			t.Errorf("another server: %d %s", status, body)
		}
	}
	again := `{"model":"m","input":"b","previous_response_id":"` + id + `"}`
	if status, _, _ := post(t, p, "/responses", again); status != 200 {
		t.Errorf("going on: %d", status)
	}
	if status, _, _ := post(t, other, "/responses", again); status != 400 {
		t.Errorf("going on at another server: %d", status)
	}
	if status, _, _ := do(t, newRequest(t, "DELETE", p.URL()+"/responses/"+id, "")); status != 200 {
		t.Errorf("delete: %d", status)
	}
	if status, _, _ := do(t, newRequest(t, "GET", p.URL()+"/responses/"+id, "")); status != 404 {
		t.Errorf("after delete: %d", status)
	}
}

// form returns the body of a form with a file, and its type.
func formOf(t *testing.T, file []byte, fields ...string) (string, string) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for i := 0; i < len(fields); i += 2 {
		if err := w.WriteField(fields[i], fields[i+1]); err != nil {
			t.Fatal(err)
		}
	}
	f, err := w.CreateFormFile("file", "a.wav")
	if err == nil {
		_, err = f.Write(file)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.String(), w.FormDataContentType()
}

func TestFormsAndAudio(t *testing.T) {
	p := start(t, Options{})
	p.Script("m", Script{Words: 2, PromptTokens: 9})
	p.Script("u", Script{Words: 2, ByUnit: true, AudioMilliseconds: 61500})
	file := noise(100_000)
	sum := sha256.Sum256(file)
	for _, c := range []struct{ path, model, format, contains string }{
		{"/audio/transcriptions", "m", "json", `{"text":" the of","usage":{"type":"tokens","input_tokens":9,"input_token_details":{"text_tokens":0,"audio_tokens":9},"output_tokens":2,"total_tokens":11}}`},
		{"/audio/transcriptions", "u", "json", `"usage":{"type":"duration","seconds":61.5}`},
		{"/audio/translations", "u", "verbose_json", `"duration":61.5`},
		{"/audio/translations", "u", "srt", `00:00:00,000 --> 00:01:01,500`},
		{"/audio/translations", "u", "vtt", `00:00:00.000 --> 00:01:01.500`},
		{"/audio/translations", "u", "text", " the of\n"},
		{"/images/edits", "m", "b64_json", `"usage":`},
	} {
		body, kind := formOf(t, file, "model", c.model, "user", "u", "response_format", c.format)
		r := newRequest(t, "POST", p.URL()+c.path, body)
		r.Header.Set("Content-Type", kind)
		status, answer, h := do(t, r)
		if status != 200 || !strings.Contains(answer, c.contains) || h.Get("X-File-SHA256") != hex.EncodeToString(sum[:]) {
			t.Errorf("%+v: %d %s %v", c, status, answer, h)
		}
	}
	if u := p.Totals().ByUser["u"].FinishedUsage; u.AudioMilliseconds != 5*61500 || u.Images != 1 {
		t.Errorf("totals %+v", u)
	}
	last := p.Requests()[6]
	if f := last.Files[0]; last.Model != "m" || f.Size != len(file) || f.Field != "file" || f.Name != "a.wav" {
		t.Errorf("request %+v", last.Files)
	}
	p.Script("s", Script{Size: 5000})
	if status, body, _ := post(t, p, "/audio/speech", `{"model":"s","input":"äöü","user":"s"}`); status != 200 || body != string(noise(5000)) {
		t.Errorf("speech: %d, %d bytes", status, len(body))
	}
	if u := p.Totals().ByUser["s"].FinishedUsage; u != (Usage{Characters: 3}) {
		t.Errorf("totals %+v", u)
	}
}

func TestKeysInTheHeadersOfEachAPI(t *testing.T) {
	p := start(t, Options{APIKey: "k"})
	azure := p.Origin() + "/openai/deployments/m/chat/completions"
	for _, c := range []struct {
		url, header, value string
		status             int
	}{
		{p.URL() + "/messages", "x-api-key", "k", 200},
		{p.URL() + "/messages", "Authorization", "Bearer k", 200},
		{p.URL() + "/messages", "x-api-key", "l", 401},
		{p.URL() + "/chat/completions", "x-api-key", "k", 401},
		{azure + "?api-version=2024-10-21", "api-key", "k", 200},
		{azure + "?api-version=2024-10-21", "api-key", "l", 401},
		{azure, "Authorization", "Bearer k", 404},
	} {
		r := newRequest(t, "POST", c.url, `{"messages":[]}`)
		r.Header.Set(c.header, c.value)
		if status, body, _ := do(t, r); status != c.status {
			t.Errorf("%s %s: %d %s", c.url, c.header, status, body)
		}
	}
	for _, r := range p.Requests() {
		if strings.HasPrefix(r.Path, "/openai") && r.Model != "m" {
			t.Errorf("the model of %s is %q", r.Path, r.Model)
		}
	}
}
