package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"llmhub/config"
	"llmhub/identity"
	"llmhub/limit"
	"llmhub/metering"
	"llmhub/proxy/proxytest"
	"llmhub/store"
)

// Models of the tests of limits. Their prompts count ten tokens.
const (
	modelTalk  = "talk"  // 400 words
	modelLong  = "long"  // 4,000 words
	modelMuteU = "muteu" // 400 words, without usage
	modelFree  = "free"  // 400 words; the model has no price
	modelStuck = "stuck" // three words, then nothing more
)

func limitsHub(t *testing.T) *hub {
	t.Helper()
	all := []string{modelTalk, modelLong, modelMuteU, modelFree, modelStuck}
	h := startHub(t, all, func(c *config.Config) {
		for i := range c.Models {
			if c.Models[i].Name != modelFree {
				c.Models[i].Prices = []metering.Price{{InputPerMillion: money(t, "1"), OutputPerMillion: money(t, "2")}}
			}
		}
	})
	for _, m := range all {
		s := proxytest.Script{Words: 400, PromptTokens: 10}
		switch m {
		case modelLong:
			s.Words = 4000
		case modelMuteU:
			s.Usage = proxytest.UsageNever
		case modelStuck:
			s = proxytest.Script{Words: 8, PromptTokens: 10, Cut: proxytest.Cut{At: proxytest.CutBetween, After: 3, How: proxytest.CutStall}}
		}
		h.provider.Script(m, s)
	}
	return h
}

func money(t testing.TB, s string) metering.Amount {
	t.Helper()
	a, err := metering.ParseAmount(s)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// limitKey sets the limits of an account's key.
func (a *account) limit(rules limit.Rules) {
	a.h.t.Helper()
	if _, err := a.h.server.service.SetKeyLimits(a.h.t.Context(), identity.Administrator(), a.id, rules); err != nil {
		a.h.t.Fatal(err)
	}
}

// answer is what came for a request.
type limitedAnswer struct {
	status int
	header http.Header
	body   string
	// Error is of a refusal, or of the event that ended a stream.
	Error struct{ Type, Code, Message string }
}

// try sends a body and reads the answer to its end.
func (a *account) try(body string) (out limitedAnswer) {
	a.h.t.Helper()
	resp, err := a.h.client().Do(a.h.request(a.h.t.Context(), a.text, "/v1/chat/completions", strings.NewReader(body)))
	if err != nil {
		a.h.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	out.status, out.header, out.body = resp.StatusCode, resp.Header, string(text)
	if at := strings.LastIndex(out.body, `{"error":`); at >= 0 {
		if err := json.NewDecoder(strings.NewReader(out.body[at:])).Decode(&out); err != nil {
			a.h.t.Errorf("error of %q: %v", out.body[at:], err)
		}
	}
	return out
}

// wantRefused insists on a status and a code.
func (o limitedAnswer) wantRefused(t *testing.T, code string) {
	t.Helper()
	if o.status != http.StatusTooManyRequests || o.Error.Code != code {
		t.Errorf("%d %q, want 429 %s", o.status, o.body, code)
	}
	if final := o.header.Get("X-Should-Retry") == "false"; final == (o.header.Get("Retry-After") != "") {
		t.Errorf("%s: the client is told to try again: %v, and not to: %v", code, !final, final)
	}
}

func (o limitedAnswer) wantServed(t *testing.T) {
	t.Helper()
	if o.status != http.StatusOK || o.Error.Code != "" {
		t.Errorf("%d %.300q, want it served", o.status, o.body)
	}
}

// spent is what has been committed for the account.
func (a *account) spent() (total int64) {
	a.h.t.Helper()
	a.h.idle()
	events, _, err := a.h.server.store.Events(a.h.t.Context(), store.EventQuery{Key: a.id})
	if err != nil {
		a.h.t.Fatal(err)
	}
	for _, e := range events {
		total += e.Tokens.Total()
	}
	return total
}

// wantNothingHeld insists that nothing is reserved, and that the engine's sum is the ledger's.
func (a *account) wantNothingHeld() {
	a.h.t.Helper()
	a.h.eventually("something is still reserved", func() bool {
		b, err := a.h.server.engine.Budget(a.h.t.Context(), limit.Scope{ID: a.id})
		return err == nil && b.ReservedTokens == 0 && b.ReservedAmount.IsZero() && b.SpentTokens == a.spent()
	})
}

func TestRateOfRequests(t *testing.T) {
	h := limitsHub(t)
	a := h.account("a")
	a.limit(limit.Rules{RequestsPerMinute: 3, InputTokensPerMinute: 100_000})
	for i := range 3 {
		got := a.try(a.chat(modelTalk, i%2 == 0))
		got.wantServed(t)
		for name, want := range map[string]string{
			"X-Ratelimit-Limit-Requests": "3", "X-Ratelimit-Remaining-Requests": fmt.Sprint(2 - i), "X-Ratelimit-Limit-Tokens": "100000",
			"X-Ratelimit-Limit-Input-Tokens": "100000", "X-Ratelimit-Limit-Output-Tokens": "",
		} {
			if v := got.header.Get(name); v != want {
				t.Errorf("request %d: %s: %q, want %q", i, name, v, want)
			}
		}
		if d, err := time.ParseDuration(got.header.Get("X-Ratelimit-Reset-Requests")); err != nil || d < 59*time.Second || d > 61*time.Second {
			t.Errorf("reset %v, %v", d, err)
		}
	}
	got := a.try(a.chat(modelTalk, true))
	got.wantRefused(t, "rate_limit_exceeded")
	if s := got.header.Get("Retry-After"); s == "" || s == "0" || !strings.Contains(got.Error.Message, "3 requests a minute") {
		t.Errorf("Retry-After %q, message %q", s, got.Error.Message)
	}
	if h := got.header; h.Get("X-Ratelimit-Limit-Requests") != "3" || h.Get("X-Ratelimit-Remaining-Requests") != "0" || h.Get("X-Ratelimit-Reset-Requests") == "" {
		t.Errorf("a refusal's headers: %v", h)
	}
	other := h.account("b")
	if got := other.try(other.chat(modelTalk, false)); got.header.Get("X-Ratelimit-Limit-Requests") != "" {
		t.Error("a key without limits is told of some")
	}
	a.limit(limit.Rules{RequestsPerMinute: 4})
	a.try(a.chat(modelTalk, false)).wantServed(t)
	a.limit(limit.Rules{})
	a.try(a.chat(modelTalk, false)).wantServed(t)
	a.wantNothingHeld()
}

func TestRateOfTokens(t *testing.T) {
	h := limitsHub(t)
	a := h.account("a")
	a.limit(limit.Rules{InputTokensPerMinute: 80})
	a.try(a.chat(modelTalk, true)).wantServed(t)
	a.try(a.chat(modelTalk, false)).wantServed(t) // the estimates are corrected to ten tokens each
	a.limit(limit.Rules{InputTokensPerMinute: 50})
	a.try(a.chat(modelTalk, true)).wantRefused(t, "rate_limit_exceeded")

	a = h.account("b")
	a.limit(limit.Rules{OutputTokensPerMinute: 500})
	a.try(a.chat(modelTalk, true)).wantServed(t)
	a.try(a.chat(modelTalk, true)).wantRefused(t, "rate_limit_exceeded") // like the last answer, it would have 400
	got := a.try(`{"model":"talk","max_tokens":50,"messages":[{"role":"user","content":"Hello"}]}`)
	got.wantServed(t)
	if got.header.Get("X-Ratelimit-Remaining-Tokens") != "50" || got.header.Get("X-Ratelimit-Remaining-Output-Tokens") != "50" {
		t.Errorf("headers %v", got.header)
	}
	got = a.try(`{"model":"talk","max_tokens":501,"messages":[{"role":"user","content":"Hello"}]}`)
	got.wantRefused(t, "rate_limit_exceeded")
	if got.header.Get("Retry-After") != "" {
		t.Error("waiting is said to help where it does not")
	}
}

// TestConcurrencyIsReturned goes through the endings of a request: none keeps its place.
func TestConcurrencyIsReturned(t *testing.T) {
	h := limitsHub(t)
	h.provider.Script("cut", proxytest.Script{Words: 8, Cut: proxytest.Cut{At: proxytest.CutBetween, After: 3}})
	a := h.account("a")
	a.limit(limit.Rules{Concurrency: 1, MonthlyTokens: 1_000_000})
	held := a.ask(t, t.Context(), a.chat(modelStuck, true))
	readUntil(t, held.Body, events(2))
	got := a.try(a.chat(modelTalk, false))
	got.wantRefused(t, "rate_limit_exceeded")
	if got.header.Get("Retry-After") != "1" {
		t.Errorf("Retry-After %q", got.header.Get("Retry-After"))
	}
	held.Body.Close() // the client leaves
	h.idle()
	for _, body := range []string{
		a.chat(modelTalk, true), a.chat(modelTalk, false), a.chat(modelMuteU, true),
		`{"model":"talk","x_script":{"status":500},"messages":[]}`, `{"model":"talk","x_script":{"status":400},"messages":[]}`,
		`{"model":"talk","stream":true,"x_script":{"cut":"between","cut_after":3},"messages":[]}`,
		`{"model":"nothing","messages":[]}`, `{"model":"talk"`,
	} {
		a.try(body)
		h.idle()
	}
	a.try(a.chat(modelTalk, true)).wantServed(t)
	a.wantNothingHeld()
}

// TestBudgetEndsStreams has answers without any bound meet a budget: they end with an error and are recorded, and no
// more is recorded than the budget.
func TestBudgetEndsStreams(t *testing.T) {
	h := limitsHub(t)
	for _, model := range []string{modelLong, modelMuteU} {
		for _, rules := range []limit.Rules{{MonthlyTokens: 300}, {MonthlyAmount: "0.0006"}} {
			a := h.account(fmt.Sprintf("%s-%d", model, rules.MonthlyTokens))
			a.limit(rules)
			got := a.try(a.chat(model, true))
			if got.status != http.StatusOK || got.Error.Code != "budget_exceeded" || got.Error.Type != "insufficient_quota" || strings.Contains(got.body, "[DONE]") {
				t.Errorf("%s %+v: %d %.200q … %+v", model, rules, got.status, got.body, got.Error)
			}
			words := int64(strings.Count(got.body, `"content":" `))
			e := a.settled(t, 1)[0]
			if e.Provenance != store.FromPartial || e.Tokens.Total() > 300 || e.Tokens.Total() < 250 || e.Tokens.Output < words {
				t.Errorf("%s %+v: entry %+v, of %d words delivered", model, rules, e, words)
			}
			a.wantNothingHeld()
			next := a.try(a.chat(model, true))
			next.wantRefused(t, "budget_exceeded")
			if !strings.Contains(next.Error.Message, "renews on") || next.header.Get("Retry-After") != "" {
				t.Errorf("message %q", next.Error.Message)
			}
			a.wantNothingHeld()
		}
	}
}

// TestBudgetBoundsWholeAnswers has answers that come whole bounded at the model server.
func TestBudgetBoundsWholeAnswers(t *testing.T) {
	h := limitsHub(t)
	for _, bound := range []string{"", `"max_tokens":3000,`, `"n":2,`} {
		a := h.account("whole" + bound[:min(3, len(bound))])
		a.limit(limit.Rules{MonthlyTokens: 300})
		got := a.try(fmt.Sprintf(`{"model":"long",%s"messages":[{"role":"user","content":"Hello"}]}`, bound))
		got.wantServed(t)
		if !strings.Contains(got.body, `"finish_reason":"length"`) {
			t.Errorf("%s: %.300q", bound, got.body)
		}
		if n := a.spent(); n > 300 || n < 250 {
			t.Errorf("%s: %d tokens spent", bound, n)
		}
		a.wantNothingHeld()
	}
	a := h.account("small")
	a.limit(limit.Rules{MonthlyTokens: 300})
	a.try(`{"model":"long","max_tokens":20,"messages":[{"role":"user","content":"Hello"}]}`).wantServed(t)
	if n := a.spent(); n != 30 {
		t.Errorf("%d tokens spent", n)
	}
}

func TestBudgetOfMoneyWantsPrice(t *testing.T) {
	h := limitsHub(t)
	a := h.account("a")
	a.limit(limit.Rules{MonthlyAmount: "10"})
	got := a.try(a.chat(modelFree, true))
	if got.status != http.StatusForbidden || got.Error.Code != "price_unknown" {
		t.Errorf("%d %q", got.status, got.body)
	}
	a.try(a.chat(modelTalk, true)).wantServed(t)
}

func TestDryRun(t *testing.T) {
	h := limitsHub(t)
	a := h.account("a")
	a.limit(limit.Rules{RequestsPerMinute: 1, MonthlyTokens: 100, DryRun: true})
	a.try(a.chat(modelTalk, true)).wantServed(t)
	for _, stream := range []bool{true, false} {
		got := a.try(a.chat(modelTalk, stream))
		got.wantServed(t)
		if rule := got.header.Get("X-Llmhub-Would-Refuse"); rule != "requests_per_minute" {
			t.Errorf("would refuse because of %q", rule)
		}
	}
	a.limit(limit.Rules{MonthlyTokens: 100, DryRun: true})
	if got := a.try(a.chat(modelTalk, true)); got.header.Get("X-Llmhub-Would-Refuse") != "monthly_tokens" {
		t.Errorf("headers %v", got.header)
	}
	if got := h.metric(t, "llmhub_limit_dry_run_total", "rule=requests_per_minute"); got != 2 {
		t.Errorf("%v counted", got)
	}
	a.wantNothingHeld()
}

// TestLimitsOfSubscriptions has two keys share what their subscription and a model of it may use.
func TestLimitsOfSubscriptions(t *testing.T) {
	h := limitsHub(t)
	a, b := h.account("a"), h.account("b")
	set := func(model string, rules limit.Rules) {
		t.Helper()
		if _, err := h.server.service.SetSubscriptionLimits(t.Context(), identity.Administrator(), h.sub.ID, model, rules); err != nil {
			t.Fatal(err)
		}
	}
	a.try(a.chat(modelTalk, false)).wantServed(t) // before there is a budget
	set("", limit.Rules{MonthlyTokens: 1000})
	set(modelTalk, limit.Rules{RequestsPerMinute: 1})
	b.try(b.chat(modelTalk, false)).wantServed(t)
	a.try(a.chat(modelTalk, false)).wantRefused(t, "rate_limit_exceeded")
	if got := a.try(a.chat(modelMuteU, true)); got.Error.Code != "budget_exceeded" {
		t.Errorf("%.300q", got.body)
	}
	h.settledEvents(a.id, 2) // a stream that is cut is settled behind its last event
	a.wantNothingHeld()
	if n := a.spent() + b.spent(); n > 1000 || n < 900 {
		t.Errorf("%d tokens spent", n)
	}
	b.try(b.chat(modelLong, true)).wantRefused(t, "budget_exceeded")
	if got := h.metric(t, "llmhub_limit_refused_total", "rule=monthly_tokens"); got != 1 {
		t.Errorf("%v counted", got)
	}
}
