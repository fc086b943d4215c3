package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"llmhub/limit"
)

// limitedKey is a key with its limits.
type limitedKey struct {
	ID    string `json:"id"`
	Key   string `json:"key"`
	rules limit.Rules
}

// keySet is a number of keys that are used together.
type keySet []limitedKey

func (s keySet) secrets() []string {
	all := make([]string, len(s))
	for i := range s {
		all[i] = s[i].Key
	}
	return all
}

// keysOfSubscription bounds the keys of one subscription.
const keysOfSubscription = 100

// createKeys makes so many keys with limits, in subscriptions of their own.
func (h *hub) createKeys(ctx context.Context, name string, n int, limits func(int) limit.Rules) (keySet, error) {
	tenant, err := h.command(ctx, "tenant", "create", "--name", name)
	if err != nil {
		return nil, err
	}
	set, subscription := make(keySet, n), ""
	for i := range set {
		if i%keysOfSubscription == 0 {
			if subscription, err = h.command(ctx, "subscription", "create", "--tenant", tenant, "--product", "llm-hub"); err != nil {
				return nil, err
			}
		}
		k := &set[i]
		k.rules = limits(i)
		ask := map[string]any{"subscription_id": subscription, "name": name + "-" + strconv.Itoa(i), "limits": k.rules}
		if err := h.api(ctx, http.MethodPost, "/keys", ask, k); err != nil {
			return nil, err
		}
	}
	return set, nil
}

// api calls the management API and reads the answer.
func (h *hub) api(ctx context.Context, method, path string, ask, answer any) error {
	var body io.Reader
	if ask != nil {
		text, err := json.Marshal(ask)
		if err != nil {
			return err
		}
		body = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://"+h.addr+"/api/v1"+path, body)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+adminToken)
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode >= http.StatusMultipleChoices {
		return fmt.Errorf("%s %s gives %s: %.500s", method, path, resp.Status, text)
	}
	return json.Unmarshal(text, answer)
}

// served is a request in the ledger.
type served struct {
	At         time.Time `json:"at"`
	DurationMS int64     `json:"duration_ms"`
	Input      int64     `json:"input_tokens"`
	Output     int64     `json:"output_tokens"`
}

// arrived is when the request came, to a millisecond.
func (e served) arrived() time.Time {
	return e.At.Add(-time.Duration(e.DurationMS) * time.Millisecond)
}

// events reads all requests of a key.
func (h *hub) events(ctx context.Context, key string) (all []served, err error) {
	query := url.Values{"limit": {"1000"}}
	for {
		var page struct {
			Data []served
			Next string
		}
		if err := h.api(ctx, http.MethodGet, "/keys/"+key+"/events?"+query.Encode(), nil, &page); err != nil {
			return nil, err
		}
		all = append(all, page.Data...)
		if page.Next == "" {
			return all, nil
		}
		query.Set("cursor", page.Next)
	}
}

// overshoot is how limits were kept, as shares of the limits: 0.01 is 1 % too much.
type overshoot struct {
	rate, budget               float64
	fullestRate, fullestBudget float64
	// rates and budgets count the keys that have used all of theirs; of a budget so much that no request fits.
	rates, budgets int
	requests       int64
}

// overshoot compares what the ledger has of keys with their limits.
func (h *hub) overshoot(ctx context.Context, keys keySet) (o overshoot, err error) {
	for _, k := range keys {
		events, err := h.events(ctx, k.ID)
		if err != nil {
			return o, err
		}
		o.add(k.rules, events)
	}
	return o, nil
}

func (o *overshoot) add(rules limit.Rules, events []served) {
	o.requests += int64(len(events))
	tokens := int64(0)
	for _, e := range events {
		tokens += e.Input + e.Output
	}
	most := mostInMinute(events)
	rate, budget := float64(most)/float64(rules.RequestsPerMinute), float64(tokens)/float64(rules.MonthlyTokens)
	o.fullestRate, o.fullestBudget = max(o.fullestRate, rate), max(o.fullestBudget, budget)
	o.rate, o.budget = max(o.rate, rate-1), max(o.budget, budget-1)
	if most >= rules.RequestsPerMinute {
		o.rates++
	}
	if tokens+2*(promptTokens+limitsWords) > rules.MonthlyTokens {
		o.budgets++
	}
}

// minute is what rates are over, less what the ledger's times leave open.
const minute = time.Minute - 2*time.Millisecond

// mostInMinute returns the most requests that came within any minute.
func mostInMinute(events []served) int64 {
	at := make([]time.Time, len(events))
	for i, e := range events {
		at[i] = e.arrived()
	}
	slices.SortFunc(at, time.Time.Compare)
	most, first := 0, 0
	for i := range at {
		for at[i].Sub(at[first]) >= minute {
			first++
		}
		most = max(most, i-first+1)
	}
	return int64(most)
}
