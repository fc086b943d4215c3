package proxytest

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
)

func TestOtherEndpoints(t *testing.T) {
	p := start(t, Options{})
	p.Script("m", Script{PromptTokens: 4, Words: 2})
	for _, c := range []struct {
		path, body string
		status     int
		contains   string
	}{
		{"/embeddings", `{"model":"m","input":["a","b"]}`, 200, `"index":1`},
		{"/embeddings", `{"model":"m","input":[1,2]}`, 200, `"usage":{"prompt_tokens":4,"total_tokens":4}`},
		{"/completions", `{"model":"m","prompt":"a"}`, 200, `"text":" the of"`},
		{"/completions", `{"model":"m","prompt":"a","stream":true}`, 200, `"text":" of"`},
		{"/nothing", `{}`, 404, `"error"`},
		{"/chat/completions", `{`, 400, `"error"`},
	} {
		status, body, err := post(t, p, c.path, c.body)
		if status != c.status || err != nil || !strings.Contains(body, c.contains) {
			t.Errorf("%s %s: %d %s %v", c.path, c.body, status, body, err)
		}
	}
	resp, err := http.Get(p.URL() + "/models")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if b, err := io.ReadAll(resp.Body); err != nil || !strings.Contains(string(b), `"id":"m"`) {
		t.Errorf("models: %s %v", b, err)
	}
	http.DefaultClient.CloseIdleConnections()
}

// TestPlayerLeaves plays the cases in which the client does not stay, with the provider in the gateway's place.
func TestPlayerLeaves(t *testing.T) {
	for _, c := range Pathologies() {
		if c.Leave == Stay && !c.Revoke {
			continue
		}
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			p := start(t, Options{})
			p.Script(c.Model, c.Script)
			tr := &http.Transport{}
			defer tr.CloseIdleConnections()
			revoked := 0
			player := Player{BaseURL: p.URL(), Key: "k", Client: &http.Client{Transport: tr}, Provider: p, Revoke: func() error {
				revoked++
				p.DropConnections()
				return nil
			}}
			seen, err := player.Play(t.Context(), &c)
			if err != nil {
				t.Fatal(err)
			}
			waitFor(t, func() bool { return p.Active() == 0 })
			sent, ok := p.LastSent(c.Model)
			if !ok || p.Calls(c.Model) != 1 || !strings.HasPrefix(string(sent.Wire), string(seen.Body)) {
				t.Errorf("saw %q, sent %q", seen.Body, sent.Wire)
			}
			if c.Leave == LeaveAtEnd && !ended(seen.Body) {
				t.Errorf("left at %q", seen.Body)
			}
			if c.Leave == LeaveAfter && countEvents(seen.Body) < c.LeaveEvents {
				t.Errorf("left after %d events", countEvents(seen.Body))
			}
			if c.Revoke != (revoked == 1) || c.Revoke && seen.Err == nil {
				t.Errorf("revoked %d times, end of body %v", revoked, seen.Err)
			}
		})
	}
}

func TestPlayerReportsWhatCannotBePlayed(t *testing.T) {
	p := start(t, Options{})
	player := Player{BaseURL: p.URL(), Client: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}, Provider: p}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := player.Play(ctx, &Case{Name: "a", Path: "/chat/completions", Body: "{}"}); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	c := Case{Name: "b", Model: "b", Path: "/nothing", Body: "{}", Leave: LeaveWaiting}
	if _, err := player.Play(t.Context(), &c); err == nil {
		t.Error("a client that could not leave is no error")
	}
}
