package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"llmhub/config"
	"llmhub/secret"
	"llmhub/store"
)

// otherServer is a model server that speaks another API than OpenAI's. It keeps the last request.
type otherServer struct {
	*httptest.Server
	mu     sync.Mutex
	path   string
	header http.Header
	body   map[string]any
	answer http.HandlerFunc
}

func startOther(t *testing.T) *otherServer {
	s := &otherServer{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		s.mu.Lock()
		s.path, s.header, s.body = r.URL.RequestURI(), r.Header, nil
		_ = json.Unmarshal(body, &s.body)
		answer := s.answer
		s.mu.Unlock()
		answer(w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

// say sets what is answered from now on.
func (s *otherServer) say(status int, contentType, body string) {
	s.answerWith(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	})
}

func (s *otherServer) answerWith(f http.HandlerFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = f
}

// got returns the last request, its body as JSON with sorted members.
func (s *otherServer) got() (path string, header http.Header, body string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b, _ := json.Marshal(s.body)
	return s.path, s.header, string(b)
}

// upstream returns the settings of an upstream of a kind at the server.
func (s *otherServer) upstream(name, kind, path string) config.Upstream {
	u := config.DefaultUpstream()
	base, _ := url.Parse(s.URL + path)
	u.Name, u.Kind, u.BaseURL, u.APIKey, u.Auth = name, kind, base, secret.New("upstream-key"), config.AuthKey
	u.Headers = []config.Header{{Name: "X-Title", Value: secret.New("my hub")}}
	if kind == config.KindAnthropic {
		u.APIVersion = "2023-06-01"
	}
	return u
}

func at(upstream, model string) config.Deployment {
	d := config.DefaultDeployment()
	d.Upstream, d.Model = upstream, model
	return d
}

// kindsHub has the models claude (anthropic), either (openai, then anthropic), or (anthropic, then openai), gpt (azure v1)
// and gpt-classic.
func kindsHub(t *testing.T) (*hub, *otherServer) {
	other := startOther(t)
	h := startHub(t, nil, func(cfg *config.Config) {
		classic := other.upstream("classic", config.KindAzure, "")
		classic.APIVersion = "2024-10-21"
		cfg.Upstreams = append(cfg.Upstreams, other.upstream("anthropic", config.KindAnthropic, "/v1"), other.upstream("azure", config.KindAzure, ""), classic)
		add := func(name string, deployments ...config.Deployment) {
			m := config.DefaultModel()
			m.Name = name
			for i := range deployments {
				deployments[i].Priority = i
			}
			m.Deployments = deployments
			m.Retries.Attempts = 1
			cfg.Models = append(cfg.Models, m)
		}
		add("claude", at("anthropic", "claude-there"))
		add("either", at("cancel", "either"), at("anthropic", "claude-there"))
		add("or", at("anthropic", "claude-there"), at("cancel", "or"))
		add("gpt", at("azure", "my-gpt"))
		add("gpt-classic", at("classic", "my gpt"))
	})
	return h, other
}

const (
	messageAnswer = `{"id":"msg_1","type":"message","role":"assistant","model":"claude-there","content":[{"type":"text","text":"It rains."}],"stop_reason":"end_turn",` +
		`"usage":{"input_tokens":3,"cache_creation_input_tokens":100,"cache_read_input_tokens":1000,"output_tokens":9}}`
	messageStart  = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\",\"content\":[],\"usage\":{\"input_tokens\":3,\"cache_creation_input_tokens\":100,\"cache_read_input_tokens\":1000,\"output_tokens\":1}}}\n\n"
	messageText   = "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\nevent: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"It rains.\"}}\n\nevent: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n"
	messageEnd    = "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":9}}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"
	messageError  = `{"type":"error","error":{"type":"overloaded_error","message":"Busy"}}`
	weatherPrompt = `"messages":[{"role":"system","content":"Be brief."},{"role":"user","content":[{"type":"text","text":"Weather?"},{"type":"image_url","image_url":{"url":"data:image/png;base64,iVBORw0KGgo="}}]}]`
	weatherTool   = `"tools":[{"type":"function","function":{"name":"w","parameters":{"type":"object","properties":{"c":{"type":"string"}}}}}]`
)

// cached are the tokens of the messages above.
var cached = store.Tokens{Input: 1103, CachedInput: 1000, Output: 9}

func (a *account) wantTokens(t *testing.T, deployment string, p store.Provenance, want store.Tokens) {
	t.Helper()
	e := a.settled(t, 1)[0]
	if e.Tokens != want || e.Provenance != p || e.Deployment != deployment {
		t.Errorf("entry %+v, want %s, %v, %+v", e, deployment, p, want)
	}
}

func TestAnthropicWhole(t *testing.T) {
	h, other := kindsHub(t)
	a := h.account("whole")
	other.say(200, "application/json", messageAnswer)
	status, text := h.page(t, a.text, http.MethodPost, "/v1/chat/completions", `{"model":"claude",`+weatherPrompt+`,`+weatherTool+`}`)
	if status != 200 || !strings.Contains(text, `"content":"It rains."`) || !strings.Contains(text, `"finish_reason":"stop"`) || !strings.Contains(text, `"model":"claude"`) {
		t.Fatalf("%d %s", status, text)
	}
	a.wantTokens(t, "anthropic/claude-there", store.FromUpstream, cached)
	path, header, body := other.got()
	if path != "/v1/messages" || header.Get("X-Api-Key") != "upstream-key" || header.Get("Authorization") != "" || header.Get("Anthropic-Version") != "2023-06-01" ||
		header.Get("X-Title") != "my hub" {
		t.Errorf("%s %v", path, header)
	}
	want := `{"max_tokens":4096,"messages":[{"content":[{"text":"Weather?","type":"text"},{"source":{"data":"iVBORw0KGgo=","media_type":"image/png","type":"base64"},"type":"image"}],"role":"user"}],` +
		`"model":"claude-there","system":[{"text":"Be brief.","type":"text"}],"tools":[{"input_schema":{"properties":{"c":{"type":"string"}},"type":"object"},"name":"w"}]}`
	if body != want {
		t.Errorf("sent %s\nwant %s", body, want)
	}
}

func TestAnthropicStream(t *testing.T) {
	h, other := kindsHub(t)
	a := h.account("stream")
	other.say(200, "text/event-stream", messageStart+messageText+messageEnd)
	for _, asked := range []bool{false, true} {
		body := fmt.Sprintf(`{"model":"claude","stream":true,"stream_options":{"include_usage":%v},%s}`, asked, weatherPrompt)
		status, text := h.page(t, a.text, http.MethodPost, "/v1/chat/completions", body)
		if status != 200 || !strings.Contains(text, `"delta":{"content":"It rains."}`) || !strings.HasSuffix(text, "data: [DONE]\n\n") || strings.Contains(text, `"usage":{`) != asked {
			t.Errorf("asked %v: %d %s", asked, status, text)
		}
		a.wantTokens(t, "anthropic/claude-there", store.FromUpstream, cached)
	}
	other.say(200, "text/event-stream", messageStart+messageText+"event: error\ndata: "+messageError+"\n\n")
	if _, text := h.streamed(t, a, "claude"); !strings.Contains(text, `"code":"overloaded_error"`) || strings.Contains(text, "[DONE]") {
		t.Errorf("late error: %s", text)
	}
	e := a.settled(t, 1)[0]
	if e.Provenance != store.FromPartial || e.Tokens.Input != cached.Input || e.Tokens.CachedInput != cached.CachedInput || e.Tokens.Output == 0 || e.Tokens.Estimated != e.Tokens.Output {
		t.Errorf("late error: %+v", e)
	}
}

// streamed sends a request for a stream and reads what comes of it, cut or not.
func (h *hub) streamed(t *testing.T, a *account, model string) (int, string) {
	t.Helper()
	r := h.request(t.Context(), a.text, "/v1/chat/completions", strings.NewReader(`{"model":"`+model+`","stream":true,`+weatherPrompt+`}`))
	answer, err := h.client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, _ := io.ReadAll(answer.Body) // an answer that is broken off ends in an error
	return answer.StatusCode, string(text)
}

// TestAnthropicTruncated: an answer that is not finished does not look so, and is charged the input that was reported.
func TestAnthropicTruncated(t *testing.T) {
	h, other := kindsHub(t)
	a := h.account("cut")
	other.say(200, "text/event-stream", messageStart+messageText)
	status, text := h.streamed(t, a, "claude")
	if status != 200 || strings.Contains(text, "[DONE]") || strings.Contains(text, `"finish_reason":"`) || !strings.Contains(text, `"code":"upstream_truncated"`) {
		t.Errorf("%d %s", status, text)
	}
	if e := a.settled(t, 1)[0]; e.Provenance != store.FromPartial || e.Tokens.Input != cached.Input || e.Tokens.CachedInput != cached.CachedInput {
		t.Errorf("%+v", e)
	}
}

func TestAnthropicErrors(t *testing.T) {
	h, other := kindsHub(t)
	a := h.account("errors")
	body := `{"model":"claude",` + weatherPrompt + `}`
	for _, c := range []struct {
		status     int
		answer     string
		want       int
		code, text string
	}{
		{400, `{"type":"error","error":{"type":"invalid_request_error","message":"max_tokens: too large"},"request_id":"req_1"}`, 400, `"code":null`, "max_tokens: too large"},
		{401, `{"type":"error","error":{"type":"authentication_error","message":"invalid x-api-key upstream-key"}}`, 502, `"code":"upstream_auth"`, "refused its credentials"},
		{429, `{"type":"error","error":{"type":"rate_limit_error","message":"Slow down"}}`, 429, `"type":"rate_limit_error"`, "Slow down"},
		{529, messageError, 529, `"code":"upstream_unavailable"`, "Busy"},
		{200, messageError, 503, `"code":"upstream_unavailable"`, "Busy"},
		{200, `{"type":"completion"}`, 502, `"code":"upstream_invalid"`, "cannot be understood"},
	} {
		other.say(c.status, "application/json", c.answer)
		status, text := h.page(t, a.text, http.MethodPost, "/v1/chat/completions", body)
		if status != c.want || !strings.Contains(text, c.code) || !strings.Contains(text, c.text) || strings.Contains(text, "upstream-key") {
			t.Errorf("%d %s: got %d %s", c.status, c.answer, status, text)
		}
	}
	other.say(200, "text/event-stream", messageStart+"event: error\ndata: "+messageError+"\n\n")
	if status, text := h.streamed(t, a, "claude"); status != 503 || !strings.Contains(text, "Busy") {
		t.Errorf("early error of a stream: %d %s", status, text)
	}
	if status, text := h.page(t, a.text, http.MethodPost, "/v1/chat/completions", `{"model":"claude","n":2,`+weatherPrompt+`}`); status != 400 || !strings.Contains(text, `"param":"n"`) {
		t.Errorf("n: %d %s", status, text)
	}
	if status, text := h.page(t, a.text, http.MethodPost, "/v1/embeddings", `{"model":"claude","input":"x"}`); status != 404 || !strings.Contains(text, `"code":"endpoint_not_supported"`) {
		t.Errorf("embeddings: %d %s", status, text)
	}
	a.settled(t, 0)
}

// TestAnthropicClientLeaves: what was delivered is charged, with the input that was reported.
func TestAnthropicClientLeaves(t *testing.T) {
	h, other := kindsHub(t)
	a := h.account("leaver")
	gone := make(chan struct{})
	other.answerWith(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, messageStart+messageText)
		w.(http.Flusher).Flush()
		<-r.Context().Done()
		close(gone)
	})
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	answer, err := h.client().Do(h.request(ctx, a.text, "/v1/chat/completions", strings.NewReader(`{"model":"claude","stream":true,`+weatherPrompt+`}`)))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	for lines := bufio.NewScanner(answer.Body); lines.Scan(); {
		if strings.Contains(lines.Text(), "It rains.") {
			break
		}
	}
	leave()
	<-gone
	e := a.settled(t, 1)[0]
	if e.Provenance != store.FromPartial || e.Tokens.Input != cached.Input || e.Tokens.CachedInput != cached.CachedInput || e.Tokens.Output == 0 || e.Tokens.Estimated != e.Tokens.Output {
		t.Errorf("%+v", e)
	}
}

// TestOtherKindTakesOver: deployments of one model can be of several kinds.
func TestOtherKindTakesOver(t *testing.T) {
	h, other := kindsHub(t)
	a := h.account("failover")
	other.say(529, "application/json", messageError)
	if status, text := h.page(t, a.text, http.MethodPost, "/v1/chat/completions", a.chat("or", false)); status != 200 {
		t.Errorf("to openai: %d %s", status, text)
	}
	a.wantExact(t, 1)
	if status, text := h.page(t, a.text, http.MethodPost, "/v1/chat/completions", strings.Replace(a.chat("or", false), "{", `{"logprobs":true,`, 1)); status != 200 {
		t.Errorf("what the first kind cannot do: %d %s", status, text)
	}
	a.wantExact(t, 1)
	h.provider.Close()
	other.say(200, "text/event-stream", messageStart+messageText+messageEnd)
	if status, text := h.streamed(t, a, "either"); status != 200 || !strings.Contains(text, "It rains.") {
		t.Errorf("to anthropic: %d %s", status, text)
	}
	a.wantTokens(t, "anthropic/claude-there", store.FromUpstream, cached)
}

func TestAzure(t *testing.T) {
	h, other := kindsHub(t)
	a := h.account("azure")
	const filter = `data: {"choices":[],"created":0,"id":"","model":"","object":"","prompt_filter_results":[{"prompt_index":0,"content_filter_results":{"hate":{"filtered":false,"severity":"safe"}}}]}` + "\n\n"
	const end = `data: {"choices":[{"index":0,"delta":{"content":"Hi"},"finish_reason":null}],"usage":null}` + "\n\n" + `data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":null}` + "\n\n" +
		`data: {"choices":[],"usage":{"prompt_tokens":5,"completion_tokens":2,"total_tokens":7}}` + "\n\ndata: [DONE]\n\n"
	other.say(200, "text/event-stream", filter+end)
	for model, c := range map[string]struct{ path, deployment, model string }{
		"gpt":         {"/openai/v1/chat/completions", "azure/my-gpt", "my-gpt"},
		"gpt-classic": {"/openai/deployments/my%20gpt/chat/completions?api-version=2024-10-21", "classic/my gpt", "my gpt"},
	} {
		status, text := h.streamed(t, a, model)
		if status != 200 || !strings.HasPrefix(text, filter) || strings.Contains(text, "usage") || !strings.HasSuffix(text, "[DONE]\n\n") {
			t.Errorf("%s: %d %s", model, status, text)
		}
		a.wantTokens(t, c.deployment, store.FromUpstream, store.Tokens{Input: 5, Output: 2})
		path, header, body := other.got()
		if path != c.path || header.Get("Api-Key") != "upstream-key" || header.Get("Authorization") != "" || !strings.Contains(body, `"model":"`+c.model+`"`) || !strings.Contains(body, `"include_usage":true`) {
			t.Errorf("%s: %s %v %s", model, path, header, body)
		}
	}
	other.say(400, "application/json", `{"error":{"message":"The response was filtered","type":null,"param":"prompt","code":"content_filter","status":400,"innererror":{"code":"ResponsibleAIPolicyViolation"}}}`)
	if status, text := h.streamed(t, a, "gpt"); status != 400 || !strings.Contains(text, `"code":"content_filter"`) || !strings.Contains(text, "The response was filtered") {
		t.Errorf("content filter: %d %s", status, text)
	}
	a.settled(t, 0)
}
