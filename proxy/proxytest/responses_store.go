package proxytest

import (
	"encoding/json"
	"net/http"
	"strings"
	"sync"
)

// maxStored bounds the responses that are kept; the oldest go first.
const maxStored = 1024

// storedAnswer is a response that can be asked for again.
type storedAnswer struct {
	body, input string
	background  bool
}

// responseStore keeps the responses that this provider made.
type responseStore struct {
	mu    sync.Mutex
	all   map[string]storedAnswer
	order []string
}

func (s *responseStore) put(id string, a storedAnswer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all == nil {
		s.all = map[string]storedAnswer{}
	}
	if len(s.order) >= maxStored {
		delete(s.all, s.order[0])
		s.order = s.order[1:]
	}
	s.all[id] = a
	s.order = append(s.order, id)
}

func (s *responseStore) get(id string) (storedAnswer, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, ok := s.all[id]
	return a, ok
}

func (s *responseStore) has(id string) bool {
	_, ok := s.get(id)
	return ok
}

func (s *responseStore) drop(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.all, id)
}

// storedResponse answers requests for a response that was made before. They cost nothing and are not counted.
func (a *answer) storedResponse(rest string) error {
	a.p.journal.add(Request{ID: a.r.id, Method: a.r.method, Path: a.r.path, Header: a.r.header, Body: a.r.body})
	id, action, _ := strings.Cut(rest, "/")
	s, ok := a.p.stored.get(id)
	if !ok {
		return a.plain(http.StatusNotFound, "application/json", `{"error":{"message":"Response with id '`+safe(id)+
			`' not found.","type":"invalid_request_error","param":null,"code":null}}`)
	}
	answer := func(body string) error { return a.plain(http.StatusOK, "application/json", body) }
	switch a.r.method + " " + action {
	case "GET ":
		return answer(s.body)
	case "GET input_items":
		return answer(s.input)
	case "DELETE ":
		a.p.stored.drop(id)
		return answer(`{"id":"` + id + `","object":"response","deleted":true}`)
	case "POST cancel":
		if !s.background {
			return a.fail(http.StatusBadRequest, "invalid_request_error", "", "Cannot cancel a synchronous response.")
		}
		return answer(strings.Replace(s.body, `"status":"completed"`, `"status":"cancelled"`, 1))
	}
	return a.fail(http.StatusNotFound, "invalid_request_error", "", "Invalid URL ("+a.r.method+" "+a.r.path+")")
}

// inputItems returns the list of the request's input items.
func (a *answer) inputItems() string {
	var items []json.RawMessage
	var text string
	if json.Unmarshal(a.ask.Input, &text) == nil {
		items = []json.RawMessage{json.RawMessage(`{"id":"` + a.itemID("in", 0) + `","type":"message","status":"completed","content":[{"type":"input_text","text":` +
			quote(text) + `}],"role":"user"}`)}
	} else if json.Unmarshal(a.ask.Input, &items) != nil {
		items = nil
	}
	texts := make([]string, len(items))
	for i := range items {
		texts[i] = string(items[i])
	}
	return `{"object":"list","data":[` + strings.Join(texts, ",") + `],"first_id":"` + a.itemID("in", 0) + `","last_id":"` +
		a.itemID("in", max(0, len(items)-1)) + `","has_more":false}`
}
