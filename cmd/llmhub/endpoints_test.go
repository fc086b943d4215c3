package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"mime/multipart"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"

	"llmhub/config"
	"llmhub/proxy"
	"llmhub/proxy/proxytest"
	"llmhub/store"
)

// fixture is a request to an endpoint, whose model is "gateway", and what the ledger must say of it.
type fixture struct {
	path string
	// fields are those of a form, name and value in turn, with a file behind them; else body is JSON.
	fields []string
	body   string
	script proxytest.Script
	answer string // content type of the answer
	// provenance is 0 where nothing may be recorded.
	provenance store.Provenance
	tokens     store.Tokens
	quantities store.Quantities
}

const (
	jsonAnswer  = "application/json"
	eventAnswer = "text/event-stream; charset=utf-8"
)

var (
	inAndOut  = store.Tokens{Input: 20, Output: 8}
	twentyIn  = proxytest.Script{PromptTokens: 20}
	billUnits = proxytest.Script{ByUnit: true}
)

func counts(u store.Unit, n int64) store.Quantities { return store.Quantities{{Unit: u, N: n}} }

var fixtures = []fixture{
	{path: "/chat/completions", body: `"messages":[{"role":"user","content":"hello"}]`, script: twentyIn, answer: jsonAnswer, provenance: store.FromUpstream, tokens: inAndOut},
	{path: "/chat/completions", body: `"messages":[{"role":"user","content":"hello"}],"stream":true`, script: twentyIn, answer: eventAnswer, provenance: store.FromUpstream, tokens: inAndOut},
	{path: "/completions", body: `"prompt":"hello"`, script: twentyIn, answer: jsonAnswer, provenance: store.FromUpstream, tokens: inAndOut},
	{path: "/embeddings", body: `"input":"hello"`, script: twentyIn, answer: jsonAnswer, provenance: store.FromUpstream, tokens: store.Tokens{Input: 20}},
	{path: "/responses", body: `"input":"hello"`, script: twentyIn, answer: jsonAnswer, provenance: store.FromUpstream, tokens: inAndOut},
	{path: "/responses", body: `"input":"hello","stream":true`, script: twentyIn, answer: eventAnswer, provenance: store.FromUpstream, tokens: inAndOut},
	{path: "/images/generations", body: `"prompt":"a bird","n":2,"size":"1024x1536"`, script: twentyIn, answer: jsonAnswer,
		provenance: store.FromUpstream, tokens: store.Tokens{Input: 20, Output: 16}, quantities: counts(store.UnitImageTall, 2)},
	{path: "/images/generations", body: `"prompt":"a bird","stream":true`, script: twentyIn, answer: eventAnswer,
		provenance: store.FromUpstream, tokens: inAndOut, quantities: counts(store.UnitImage1024, 1)},
	{path: "/images/generations", body: `"prompt":"a bird","n":3,"size":"512x512"`, script: billUnits, answer: jsonAnswer,
		provenance: store.FromUpstream, quantities: counts(store.UnitImage512, 3)},
	{path: "/images/edits", fields: []string{"prompt", "a bird", "size", "256x256"}, script: twentyIn, answer: jsonAnswer,
		provenance: store.FromUpstream, tokens: inAndOut, quantities: counts(store.UnitImage256, 1)},
	{path: "/images/variations", fields: []string{"n", "2"}, script: billUnits, answer: jsonAnswer,
		provenance: store.FromUpstream, quantities: counts(store.UnitImage1024, 2)},
	{path: "/audio/speech", body: `"input":"grüß dich","voice":"alloy"`, script: twentyIn, answer: "audio/mpeg",
		provenance: store.FromUpstream, quantities: counts(store.UnitCharacter, 9)},
	{path: "/audio/speech", body: `"input":"grüß dich","voice":"alloy","stream_format":"sse"`, script: twentyIn, answer: eventAnswer,
		provenance: store.FromUpstream, tokens: inAndOut, quantities: counts(store.UnitCharacter, 9)},
	{path: "/audio/transcriptions", script: twentyIn, answer: jsonAnswer, provenance: store.FromUpstream, tokens: inAndOut},
	{path: "/audio/transcriptions", fields: []string{"stream", "true"}, script: twentyIn, answer: eventAnswer, provenance: store.FromUpstream, tokens: inAndOut},
	{path: "/audio/transcriptions", script: billUnits, answer: jsonAnswer, provenance: store.FromUpstream, quantities: counts(store.UnitAudioMillisecond, 2000)},
	{path: "/audio/transcriptions", fields: []string{"response_format", "text"}, script: billUnits, answer: "text/plain; charset=utf-8",
		provenance: store.FromEstimate, tokens: store.Tokens{Output: 9, Estimated: 9}},
	{path: "/audio/translations", fields: []string{"response_format", "verbose_json"}, script: billUnits, answer: jsonAnswer,
		provenance: store.FromUpstream, quantities: counts(store.UnitAudioMillisecond, 2000)},
	{path: "/moderations", body: `"input":"hello"`, answer: jsonAnswer, provenance: store.FromEstimate, tokens: store.Tokens{Input: 1, Estimated: 1}},
	{path: "/rerank", body: `"query":"hello","documents":["one","two"]`, script: twentyIn, answer: jsonAnswer,
		provenance: store.FromUpstream, tokens: store.Tokens{Input: 20}},
	{path: "/rerank", body: `"query":"hello","documents":["one","two"]`, script: proxytest.Script{Usage: proxytest.UsageNever}, answer: jsonAnswer,
		provenance: store.FromUpstream, quantities: counts(store.UnitSearch, 1)},
	{path: "/rerank", body: `"query":"hello","documents":["one","two"]`, script: billUnits, answer: jsonAnswer,
		provenance: store.FromUpstream, quantities: counts(store.UnitSearch, 1)},
	{path: "/messages", body: `"max_tokens":64,"messages":[{"role":"user","content":"hello"}]`, script: twentyIn, answer: jsonAnswer, provenance: store.FromUpstream, tokens: inAndOut},
	{path: "/messages", body: `"max_tokens":64,"messages":[{"role":"user","content":"hello"}],"stream":true`, script: twentyIn, answer: eventAnswer,
		provenance: store.FromUpstream, tokens: inAndOut},
	{path: "/messages/count_tokens", body: `"messages":[{"role":"user","content":"hello"}]`, script: twentyIn, answer: jsonAnswer},
}

// isForm says whether the endpoint takes forms with a file.
func (f *fixture) isForm() bool { return f.body == "" }

// request returns the request's body and its content type.
func (f *fixture) request(model string) (body []byte, contentType string) {
	if !f.isForm() {
		return []byte(`{"model":"` + model + `",` + f.body + `}`), jsonAnswer
	}
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	_ = w.WriteField("model", model)
	for i := 0; i < len(f.fields); i += 2 {
		_ = w.WriteField(f.fields[i], f.fields[i+1])
	}
	field := "file"
	if strings.HasPrefix(f.path, "/images/") {
		field = "image"
	}
	file, _ := w.CreateFormFile(field, "a.bin")
	_, _ = file.Write(bytes.Repeat([]byte("\x00\xff--\r\n"), 20_000))
	_ = w.Close()
	return b.Bytes(), w.FormDataContentType()
}

// endpointsHub serves the model "gateway", which is "there" at the scripted provider.
func endpointsHub(t *testing.T) *hub {
	return startHub(t, nil, func(cfg *config.Config) { cfg.Models = append(cfg.Models, tiers("gateway", "cancel/there")) })
}

// post sends a body and returns the answer, read whole.
func (h *hub) post(t *testing.T, key, path, contentType string, body []byte, header ...string) (*http.Response, []byte) {
	t.Helper()
	r := h.request(t.Context(), key, path, bytes.NewReader(body))
	r.Header.Set("Content-Type", contentType)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := h.client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, answer
}

// TestEndpoints sends a request to every endpoint, and fails for one without a fixture.
func TestEndpoints(t *testing.T) {
	for _, path := range proxy.Endpoints() {
		if !slices.ContainsFunc(fixtures, func(f fixture) bool { return f.path == path }) {
			t.Errorf("the endpoint %s has no fixture", path)
		}
	}
	h := endpointsHub(t)
	for i := range fixtures {
		f := &fixtures[i]
		for _, prefix := range []string{"/v1", "/v2"} {
			t.Run(prefix+f.path, func(t *testing.T) { h.playFixture(t, f, prefix) })
		}
	}
	h.idle()
}

func (h *hub) playFixture(t *testing.T, f *fixture, prefix string) {
	h.provider.Script("there", f.script)
	a := h.account(t.Name())
	body, contentType := f.request("gateway")
	resp, answer := h.post(t, a.text, prefix+f.path, contentType, body, "Anthropic-Version", "2023-06-01", "X-Api-Key", a.text)
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != f.answer || resp.Header.Get("X-Request-Id") == "" {
		t.Fatalf("%d %v %.300s", resp.StatusCode, resp.Header, answer)
	}
	sent, _ := h.provider.LastSent("there")
	want := sent.Visible
	if len(want) == 0 {
		want = sent.Wire
	}
	if f.path != "/responses" && !bytes.Equal(answer, want) {
		t.Errorf("the client saw %.300q, sent were %.300q", answer, want)
	}
	h.wantForwarded(t, f, a, body)
	if f.provenance == 0 {
		a.wantNothing(t)
		return
	}
	events := a.settled(t, 1)
	if e := events[0]; e.Provenance != f.provenance || e.Tokens != f.tokens || !reflect.DeepEqual(e.Quantities, f.quantities) || e.Model != "gateway" || e.Deployment != "cancel/there" {
		t.Errorf("entry %+v, want %v %+v %+v", e, f.provenance, f.tokens, f.quantities)
	}
}

// wantForwarded checks that the last request has reached the provider as it is but for the model, and without the client's key.
func (h *hub) wantForwarded(t *testing.T, f *fixture, a *account, body []byte) {
	t.Helper()
	all := h.provider.Requests()
	got := all[len(all)-1]
	want := bytes.Replace(body, []byte("gateway"), []byte("there"), 1)
	asked := bytes.Replace(got.Body, []byte(`,"stream_options":{"include_usage":true}`), nil, 1)
	if got.Path != "/v1"+f.path || !bytes.Equal(asked, want) {
		t.Errorf("%s came as %.300q, want %.300q", got.Path, got.Body, want)
	}
	version := false
	for _, line := range got.Header {
		if strings.Contains(line.Value, a.text) {
			t.Errorf("the client's key went on in %s", line.Name)
		}
		version = version || strings.EqualFold(line.Name, "anthropic-version") && line.Value == "2023-06-01"
	}
	if strings.HasPrefix(f.path, "/messages") && !version {
		t.Error("anthropic-version was not passed on")
	}
}

// errorOf reads an error in the form of a path, and returns its code.
func errorOf(t *testing.T, path string, body []byte) string {
	t.Helper()
	var e struct {
		Type  string `json:"type"`
		Error struct{ Message, Type, Code string }
	}
	if err := json.Unmarshal(body, &e); err != nil || e.Error.Message == "" || e.Error.Type == "" {
		t.Fatalf("no error: %s", body)
	}
	if anthropic := strings.HasPrefix(path, "/messages"); anthropic != (e.Type == "error") {
		t.Errorf("%s answered in the wrong form: %s", path, body)
	}
	return e.Error.Code
}

// TestEndpointErrors refuses requests to every endpoint for each reason, in the endpoint's form and without an entry.
func TestEndpointErrors(t *testing.T) {
	h := endpointsHub(t)
	h.provider.Script("there", proxytest.Script{Status: http.StatusTooManyRequests, Header: []proxytest.Header{{Name: "Retry-After", Value: "7"}}})
	for i := range fixtures {
		f := &fixtures[i]
		t.Run(f.path, func(t *testing.T) {
			a := h.account(t.Name())
			body, contentType := f.request("gateway")
			unknown, unknownType := f.request("nothing")
			for _, c := range []struct {
				key, path, contentType string
				body                   []byte
				status                 int
				code                   string
			}{
				{"", f.path, contentType, body, http.StatusUnauthorized, "invalid_api_key"},
				{"sk-lh-wrong", f.path, contentType, body, http.StatusUnauthorized, "invalid_api_key"},
				{a.text, f.path, "text/plain", body, http.StatusUnsupportedMediaType, ""},
				{a.text, f.path, contentType, body[:len(body)/2], http.StatusBadRequest, ""},
				{a.text, f.path, unknownType, unknown, http.StatusNotFound, "model_not_found"},
				{a.text, f.path + "/nothing", contentType, body, http.StatusNotFound, "unknown_url"},
				{a.text, f.path, contentType, body, http.StatusTooManyRequests, ""},
			} {
				resp, answer := h.post(t, c.key, "/v1"+c.path, c.contentType, c.body)
				if code := errorOf(t, c.path, answer); resp.StatusCode != c.status || c.code != "" && code != c.code {
					t.Errorf("status %d, want %d %s: %s", resp.StatusCode, c.status, c.code, answer)
				}
				if c.status == http.StatusTooManyRequests && resp.Header.Get("Retry-After") != "7" {
					t.Errorf("Retry-After is %q", resp.Header.Get("Retry-After"))
				}
			}
			a.wantNothing(t)
		})
	}
}

// TestIntegrationNamesEndpoints has every endpoint on the page that tells customers of them.
func TestIntegrationNamesEndpoints(t *testing.T) {
	h := endpointsHub(t)
	resp, err := h.client().Get(h.url + "/integration")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	page, _ := io.ReadAll(resp.Body)
	for _, path := range append(proxy.Endpoints(), "/realtime", "/models") {
		if !bytes.Contains(page, []byte(" "+path+",")) && !bytes.Contains(page, []byte(" "+path+"<")) && !bytes.Contains(page, []byte(" "+path+"?")) {
			t.Errorf("the page does not name %s", path)
		}
	}
}

// TestKeyHeaders has Anthropic's clients send their key in x-api-key, also with bodies that only a good key may send.
func TestKeyHeaders(t *testing.T) {
	h := endpointsHub(t)
	a := h.account("x-api-key")
	body := []byte(`{"model":"gateway","max_tokens":64,"messages":[{"role":"user","content":"` + strings.Repeat("hello ", 400_000) + `"}]}`)
	r := h.request(t.Context(), "", "/v1/messages", bytes.NewReader(body))
	r.Header.Del("Authorization")
	r.Header.Set("X-Api-Key", a.text)
	resp, err := h.client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Errorf("status %d", resp.StatusCode)
	}
	a.settled(t, 1)
}

// TestSpeechAsItComes gives audio on while the model server is still at work on the rest, already recorded.
func TestSpeechAsItComes(t *testing.T) {
	h := endpointsHub(t)
	h.provider.Script("there", proxytest.Script{Size: 100_000, Words: 4, Cut: proxytest.Cut{At: proxytest.CutBetween, After: 2, How: proxytest.CutStall}})
	a := h.account("speech")
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	r := h.request(ctx, a.text, "/v1/audio/speech", strings.NewReader(`{"model":"gateway","input":"hello","voice":"alloy"}`))
	resp, err := h.client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	half := make([]byte, 50_000)
	if _, err := io.ReadFull(resp.Body, half); err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%d, %v", resp.StatusCode, err)
	}
	events := h.settledEvents(a.id, 1)
	if e := events[0]; e.Provenance != store.FromUpstream || e.Quantities.Of(store.UnitCharacter) != 5 {
		t.Errorf("entry %+v", e)
	}
	leave()
	a.settled(t, 1)
	h.eventually("the model server still speaks", func() bool { return h.provider.Active() == 0 })
}

// TestSpeechCut ends a body that the model server broke off so that no client takes it for whole, and without a second entry.
func TestSpeechCut(t *testing.T) {
	h := endpointsHub(t)
	a := h.account("cut")
	for _, how := range []proxytest.CutHow{proxytest.CutClose, proxytest.CutReset} {
		h.provider.Script("there", proxytest.Script{Size: 100_000, Words: 4, Cut: proxytest.Cut{At: proxytest.CutBetween, After: 2, How: how}})
		r := h.request(t.Context(), a.text, "/v1/audio/speech", strings.NewReader(`{"model":"gateway","input":"hello","voice":"alloy"}`))
		resp, err := h.client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err == nil || len(body) >= 100_000 {
			t.Errorf("%d bytes, %v: the cut was not seen", len(body), err)
		}
		a.settled(t, 1)
	}
	h.provider.Script("there", proxytest.Script{Cut: proxytest.Cut{At: proxytest.CutAfterHeaders}})
	resp, answer := h.post(t, a.text, "/v1/audio/speech", jsonAnswer, []byte(`{"model":"gateway","input":"hello","voice":"alloy"}`))
	if code := errorOf(t, "/audio/speech", answer); resp.StatusCode != http.StatusBadGateway || code != "upstream_truncated" {
		t.Errorf("nothing but headers: %d %s", resp.StatusCode, answer)
	}
	a.settled(t, 0)
}

// TestErrorsInMidStream breaks off streams of every form, behind what has come.
func TestErrorsInMidStream(t *testing.T) {
	h := endpointsHub(t)
	h.provider.Script("there", proxytest.Script{PromptTokens: 20, Cut: proxytest.Cut{At: proxytest.CutBetween, After: 3}})
	for _, c := range []struct{ path, body, start, end string }{
		{"/chat/completions", `"messages":[{"role":"user","content":"hello"}]`, "data: {\"error\":{\"message\":", "\"}}\n\n"},
		{"/responses", `"input":"hello"`, "event: error\ndata: {\"type\":\"error\",", "}\n\n"},
		{"/messages", `"max_tokens":64,"messages":[{"role":"user","content":"hello"}]`, "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"api_error\",", "}\n\n"},
	} {
		t.Run(c.path, func(t *testing.T) {
			a := h.account(t.Name())
			r := h.request(t.Context(), a.text, "/v1"+c.path, strings.NewReader(`{"model":"gateway","stream":true,`+c.body+`}`))
			resp, err := h.client().Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			body, err := io.ReadAll(resp.Body)
			if err == nil {
				t.Error("the end of the body is a polite one")
			}
			events := strings.SplitAfter(string(body), "\n\n")
			last := events[len(events)-2]
			if !strings.HasPrefix(last, c.start) || !strings.HasSuffix(last, c.end) || !strings.Contains(last, "before it was finished") {
				t.Errorf("the last event is %q", last)
			}
			if e := a.settled(t, 1)[0]; e.Provenance != store.FromPartial || e.Tokens.Output == 0 {
				t.Errorf("entry %+v", e)
			}
		})
	}
}

// TestBehindTheEnd passes on a [DONE] behind an event that ends the stream by itself, and nothing else.
func TestBehindTheEnd(t *testing.T) {
	other := startOther(t)
	h := startHub(t, nil, func(cfg *config.Config) {
		cfg.Upstreams = append(cfg.Upstreams, other.upstream("other", config.KindOpenAI, "/v1"))
		cfg.Models = append(cfg.Models, tiers("m", "other/m"))
	})
	a := h.account("behind")
	whole := messageStart + messageText + messageEnd
	for _, c := range []struct{ sent, want string }{
		{whole, whole},
		{whole + "data: [DONE]\n\n", whole + "data: [DONE]\n\n"},
		{whole + "data: [DONE]", whole + "data: [DONE]"},
		{whole + messageText, whole},
	} {
		other.say(200, "text/event-stream", c.sent)
		status, text := h.page(t, a.text, http.MethodPost, "/v1/messages", `{"model":"m","stream":true,"max_tokens":9,"messages":[{"role":"user","content":"hello"}]}`)
		if status != http.StatusOK || text != c.want {
			t.Errorf("%d %q, want %q", status, text, c.want)
		}
		a.wantTokens(t, "other/m", store.FromUpstream, cached)
	}
	whole = strings.TrimSuffix(whole, messageEnd)
	other.answerWith(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, whole+messageEnd)
		w.(http.Flusher).Flush()
		<-r.Context().Done() // the server goes on for ever; the client need not
	})
	if _, text := h.page(t, a.text, http.MethodPost, "/v1/messages", `{"model":"m","stream":true,"max_tokens":9,"messages":[{"role":"user","content":"hello"}]}`); text != whole+messageEnd {
		t.Errorf("%q", text)
	}
	a.settled(t, 1)
}

// TestRefusals are those that belong to some endpoints alone.
func TestRefusals(t *testing.T) {
	h := endpointsHub(t)
	a := h.account("refusals")
	for _, c := range []struct{ path, body, names string }{
		{"/responses", `{"model":"gateway","input":"hello","background":true}`, "background"},
		{"/responses", `{"model":"gateway","input":"hello","conversation":"conv_1"}`, "conversation"},
		{"/embeddings", `{"model":"gateway","input":"hello","stream":true}`, "stream"},
	} {
		resp, answer := h.post(t, a.text, "/v1"+c.path, jsonAnswer, []byte(c.body))
		errorOf(t, c.path, answer)
		if resp.StatusCode != http.StatusBadRequest || !strings.Contains(string(answer), c.names) {
			t.Errorf("%s: %d %s", c.path, resp.StatusCode, answer)
		}
	}
	// Before the body is read, too, the form is that of the path.
	for _, c := range []struct {
		path, header string
		status       int
	}{
		{"/messages", "X-Api-Key: " + a.text, http.StatusRequestEntityTooLarge},
		{"/messages", authorization("sk-lh-wrong"), http.StatusUnauthorized},
		{"/responses", authorization(a.text), http.StatusRequestEntityTooLarge},
	} {
		got := h.exchange(t, 1, "POST /v1"+c.path+" HTTP/1.1\r\nHost: hub\r\n"+strings.TrimSpace(c.header)+"\r\nContent-Type: application/json\r\nContent-Length: 999999999\r\n\r\n")
		if len(got) != 1 || got[0].status != c.status {
			t.Fatalf("%s: %+v", c.path, got)
		}
		errorOf(t, c.path, got[0].body)
	}
	a.wantNothing(t)
}
