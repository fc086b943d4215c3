package main

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"time"

	"llmhub/limit"
)

// TestLimitsHoldUnderLoad sends more with few keys than their limits allow, through a real gateway.
func TestLimitsHoldUnderLoad(t *testing.T) {
	var out, log bytes.Buffer
	args := []string{"limits", "--keys", "20", "--clients", "16", "--rate", "1000", "--duration", "3s", "--cost", "0", "--dir", t.TempDir()}
	if err := run(t.Context(), args, nil, &out, &log); err != nil {
		t.Fatalf("%v\n%s\n%s", err, out.String(), log.String())
	}
	for _, want := range []string{"| requests in any 60 s | 0.00 %", "| tokens a month | 0.00 %", "The ledger equals"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the report lacks %q:\n%s", want, out.String())
		}
	}
}

func TestBadArgumentsOfLimits(t *testing.T) {
	for _, args := range [][]string{{"--keys", "1"}, {"--keys", "5001"}, {"--rate", "0"}, {"--duration", "11m"}, {"--clients", "0"}, {"--cost", "-1s"}, {"more"}} {
		if err := runLimits(t.Context(), args, io.Discard, io.Discard); err == nil {
			t.Errorf("%q is accepted", args)
		}
	}
}

func TestOvershootIsFound(t *testing.T) {
	start := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	every := func(n int, d time.Duration) (all []served) {
		for i := range n {
			all = append(all, served{At: start.Add(time.Duration(i)*d + time.Second), DurationMS: 1000, Input: promptTokens, Output: limitsWords})
		}
		return all
	}
	rules := limit.Rules{RequestsPerMinute: 60, MonthlyTokens: 100 * (promptTokens + limitsWords)}
	for name, c := range map[string]struct {
		events []served
		want   overshoot
	}{
		"little":                {every(30, time.Second), overshoot{fullestRate: 0.5, fullestBudget: 0.3, requests: 30}},
		"as much as is allowed": {every(60, time.Second), overshoot{fullestRate: 1, fullestBudget: 0.6, rates: 1, requests: 60}},
		"the budget":            {every(100, time.Second), overshoot{fullestRate: 1, fullestBudget: 1, rates: 1, budgets: 1, requests: 100}},
		"too fast":              {every(75, 500*time.Millisecond), overshoot{rate: 0.25, fullestRate: 1.25, fullestBudget: 0.75, rates: 1, requests: 75}},
		"too much":              {every(150, 2*time.Second), overshoot{budget: 0.5, fullestRate: 0.5, fullestBudget: 1.5, budgets: 1, requests: 150}},
	} {
		var o overshoot
		o.add(rules, c.events)
		if o != c.want {
			t.Errorf("%s: %+v, want %+v", name, o, c.want)
		}
	}
}
