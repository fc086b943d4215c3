package main

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"llmhub/config"
	"llmhub/identity"
	"llmhub/proxy/proxytest"
	"llmhub/store"
	"llmhub/subscription"
)

// storedHub serves models at two model servers: "here" and "either" (in two tiers) at the first and the second, "same" at the
// first under another name, "there" at the second only.
func storedHub(t *testing.T) (h *hub, second *proxytest.Provider) {
	second, err := proxytest.Start(proxytest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { second.Close() })
	return startHub(t, nil, func(cfg *config.Config) {
		u := config.DefaultUpstream()
		u.Name = "second"
		u.BaseURL, _ = url.Parse(second.URL())
		cfg.Upstreams = append(cfg.Upstreams, u)
		cfg.Models = append(cfg.Models, tiers("here", "cancel/m"), tiers("same", "cancel/n"), tiers("there", "second/m"), tiers("either", "cancel/e", "second/e"))
		falling := tiers("falling", "cancel/f")
		falling.Fallbacks = []string{"there"}
		cfg.Models = append(cfg.Models, falling)
	}), second
}

// response is what the tests read of one.
type response struct {
	ID       string
	Previous *string `json:"previous_response_id"`
	Deleted  bool
	Error    *struct{ Message, Code, Param string }
}

func (h *hub) response(t *testing.T, key, method, path, body string, status int) (r response) {
	t.Helper()
	got, text := h.page(t, key, method, path, body)
	if err := json.Unmarshal([]byte(text), &r); err != nil || got != status {
		t.Fatalf("%s %s: %d %s, want %d", method, path, got, text, status)
	}
	return r
}

// respond makes a response and returns its ID.
func (h *hub) respond(t *testing.T, key, model, more string) string {
	t.Helper()
	r := h.response(t, key, http.MethodPost, "/v1/responses", `{"model":"`+model+`","input":"hello"`+more+`}`, http.StatusOK)
	if !strings.HasPrefix(r.ID, "resp_") || !strings.Contains(r.ID, "_lh") {
		t.Fatalf("the ID %q is not sealed", r.ID)
	}
	return r.ID
}

// otherKey makes a key of another subscription of the same tenant.
func (h *hub) otherKey(t *testing.T) string {
	t.Helper()
	sub, err := h.server.service.CreateSubscription(t.Context(), identity.Administrator(), subscription.CreateSubscription{TenantID: h.sub.TenantID, ProductID: "llm-hub"})
	if err != nil {
		t.Fatal(err)
	}
	_, text, err := h.server.service.CreateKey(t.Context(), identity.Administrator(), subscription.CreateKey{SubscriptionID: sub.ID, Name: "other"})
	if err != nil {
		t.Fatal(err)
	}
	return text.Reveal()
}

// TestStoredResponses does all that can be done with a stored response, at the model server that made it.
func TestStoredResponses(t *testing.T) {
	h, _ := storedHub(t)
	a := h.account("stored")
	for _, model := range []string{"here", "there"} {
		id := h.respond(t, a.text, model, "")
		path := "/v1/responses/" + id
		if r := h.response(t, a.text, http.MethodGet, path+"?include[]=message.output_text.logprobs&unknown=1", "", http.StatusOK); r.ID != id {
			t.Errorf("asked for %s, got %s", id, r.ID)
		}
		if _, text := h.page(t, a.text, http.MethodGet, path+"/input_items?limit=5", ""); !strings.Contains(text, `"text":"hello"`) {
			t.Errorf("input items: %s", text)
		}
		if r := h.response(t, a.text, http.MethodPost, path+"/cancel", "", http.StatusBadRequest); !strings.Contains(r.Error.Message, "synchronous") {
			t.Errorf("cancelled: %+v", r.Error)
		}
		if r := h.response(t, a.text, http.MethodGet, path+"?stream=true", "", http.StatusBadRequest); r.Error.Param != "stream" {
			t.Errorf("streamed: %+v", r.Error)
		}
		if r := h.response(t, a.text, http.MethodDelete, path, "", http.StatusOK); r.ID != id || !r.Deleted {
			t.Errorf("deleted: %+v", r)
		}
		if r := h.response(t, a.text, http.MethodGet, path, "", http.StatusNotFound); r.Error.Code != "response_not_found" || !strings.Contains(r.Error.Message, id) {
			t.Errorf("gone: %+v", r.Error)
		}
		body := `{"model":"` + model + `","input":"and?","previous_response_id":"` + id + `"}`
		if r := h.response(t, a.text, http.MethodPost, "/v1/responses", body, http.StatusBadRequest); !strings.Contains(r.Error.Message, id) {
			t.Errorf("gone on from what is gone: %+v", r.Error)
		}
	}
	a.settled(t, 2)
}

// TestStoredQuery passes on what is known of the query, and nothing else.
func TestStoredQuery(t *testing.T) {
	h, _ := storedHub(t)
	a := h.account("query")
	id := h.respond(t, a.text, "here", "")
	h.page(t, a.text, http.MethodGet, "/v2/responses/"+id+"/input_items?limit=5&after=a%20b%26c&unknown=1", "")
	all := h.provider.Requests()
	upstream, _, _ := strings.Cut(id, "_lh")
	if got := all[len(all)-1]; got.Path != "/v1/responses/"+upstream+"/input_items?after=a+b%26c&limit=5" {
		t.Errorf("asked for %s", got.Path)
	}
}

// TestResponsesGoOn goes on from stored responses: at the model server that has them, also with another model, and also where
// a fall-back made them.
func TestResponsesGoOn(t *testing.T) {
	h, second := storedHub(t)
	h.provider.Script("e", proxytest.Script{Status: http.StatusServiceUnavailable})
	h.provider.Script("f", proxytest.Script{Status: http.StatusServiceUnavailable})
	for _, c := range []struct{ first, next, deployment string }{
		{"here", "here", "cancel/m"},
		{"here", "same", "cancel/n"},
		{"there", "there", "second/m"},
		{"either", "either", "second/e"},
		{"falling", "falling", "second/m"},
	} {
		t.Run(c.first+"-"+c.next, func(t *testing.T) {
			a := h.account(t.Name())
			id := h.respond(t, a.text, c.first, "")
			if c.first == "either" {
				h.provider.Script("e", proxytest.Script{}) // it is the first choice again, but has not made the response
			}
			r := h.response(t, a.text, http.MethodPost, "/v1/responses", `{"model":"`+c.next+`","input":"and?","previous_response_id":"`+id+`"}`, http.StatusOK)
			if r.Previous == nil || *r.Previous != id {
				t.Errorf("goes on from %v, want %s", r.Previous, id)
			}
			if e := a.settled(t, 2)[0]; e.Deployment != c.deployment || e.Model != c.next || e.Provenance != store.FromUpstream {
				t.Errorf("entry %+v", e)
			}
		})
	}
	a := h.account("elsewhere")
	id := h.respond(t, a.text, "here", "")
	r := h.response(t, a.text, http.MethodPost, "/v1/responses", `{"model":"there","input":"and?","previous_response_id":"`+id+`"}`, http.StatusNotFound)
	if r.Error.Code != "previous_response_not_found" || !strings.Contains(r.Error.Message, "does not serve") {
		t.Errorf("with a model of another model server: %+v", r.Error)
	}
	if second.Totals().All.Requests == 0 {
		t.Error("the second model server was not asked")
	}
}

// TestStoredElsewhere refuses IDs that are another subscription's, of models that the key may not use, or tampered with.
func TestStoredElsewhere(t *testing.T) {
	h, _ := storedHub(t)
	a := h.account("owner")
	id := h.respond(t, a.text, "here", "")
	sealed := strings.LastIndex(id, "_lh") + len("_lh")
	flipped := func(at int) string {
		b := []byte(id)
		b[at] = map[bool]byte{true: 'b', false: 'a'}[b[at] == 'a']
		return string(b)
	}
	restricted, _ := h.limitedKey("restricted", "there")
	for name, c := range map[string]struct{ key, id, model string }{
		"another subscription": {h.otherKey(t), id, "here"},
		"another model":        {restricted, id, "there"},
		"another server":       {a.text, id, "there"},
		"no seal":              {a.text, id[:sealed-len("_lh")], "here"},
		"changed ID":           {a.text, flipped(6), "here"},
		"changed tag":          {a.text, flipped(sealed), "here"},
		"changed MAC":          {a.text, flipped(sealed + 12), "here"},
		"changed end":          {a.text, flipped(len(id) - 1), "here"},
		"cut off":              {a.text, id[:len(id)-1], "here"},
		"cut within the tag":   {a.text, id[:sealed+3], "here"},
		"never made":           {a.text, "resp_123", "here"},
		"another ID, sealed":   {a.text, "resp_123" + id[sealed-3:], "here"},
	} {
		t.Run(name, func(t *testing.T) {
			body := `{"model":"` + c.model + `","input":"and?","previous_response_id":"` + c.id + `"}`
			r := h.response(t, c.key, http.MethodPost, "/v1/responses", body, http.StatusNotFound)
			if r.Error.Code != "previous_response_not_found" || !strings.HasPrefix(r.Error.Message, "Previous response with id '"+c.id+"' not found.") {
				t.Errorf("refused with %+v", r.Error)
			}
			if name == "another server" {
				return // the response is the subscription's own
			}
			for _, path := range []string{"", "/input_items"} {
				h.response(t, c.key, http.MethodGet, "/v1/responses/"+c.id+path, "", http.StatusNotFound)
			}
			h.response(t, c.key, http.MethodPost, "/v1/responses/"+c.id+"/cancel", "", http.StatusNotFound)
			h.response(t, c.key, http.MethodDelete, "/v1/responses/"+c.id, "", http.StatusNotFound)
		})
	}
	h.response(t, a.text, http.MethodGet, "/v1/responses/"+id, "", http.StatusOK)
	h.response(t, "sk-lh-wrong", http.MethodGet, "/v1/responses/"+id, "", http.StatusUnauthorized)
	a.settled(t, 1)
}

// TestStoredStream finds the ID that the events of a stream carry again.
func TestStoredStream(t *testing.T) {
	h, _ := storedHub(t)
	a := h.account("stream")
	status, text := h.page(t, a.text, http.MethodPost, "/v1/responses", `{"model":"here","input":"hello","stream":true}`)
	if status != http.StatusOK {
		t.Fatal(text)
	}
	ids := map[string]int{}
	for _, part := range strings.Split(text, `"response":{"id":"`)[1:] {
		id, _, _ := strings.Cut(part, `"`)
		ids[id]++
	}
	if len(ids) != 1 {
		t.Fatalf("IDs %v in %s", ids, text)
	}
	for id, n := range ids {
		if n < 3 || strings.Count(text, id) != strings.Count(text, strings.SplitN(id, "_lh", 2)[0]) {
			t.Errorf("an ID without its seal in %s", text)
		}
		if r := h.response(t, a.text, http.MethodGet, "/v1/responses/"+id, "", http.StatusOK); r.ID != id {
			t.Errorf("got %s", r.ID)
		}
	}
}

// TestStoredOverRestart finds a response again by its ID when another process has the data folder.
func TestStoredOverRestart(t *testing.T) {
	h, _ := storedHub(t)
	a := h.account("restart")
	id := h.respond(t, a.text, "there", "")
	h.halt(t)
	ctx, stop := context.WithCancel(t.Context())
	next, err := newServer(ctx, h.server.cfg, h.server.log)
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	stopped := make(chan error, 1)
	go func() { stopped <- next.run(ctx, ln) }()
	defer func() {
		stop()
		if err := <-stopped; err != nil {
			t.Error(err)
		}
	}()
	h.url = "http://" + ln.Addr().String()
	if r := h.response(t, a.text, http.MethodGet, "/v1/responses/"+id, "", http.StatusOK); r.ID != id {
		t.Errorf("got %s", r.ID)
	}
	h.response(t, a.text, http.MethodPost, "/v1/responses", `{"model":"there","input":"and?","previous_response_id":"`+id+`"}`, http.StatusOK)
}
