package limit

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"llmhub/metering"
	"llmhub/store"
)

// idleLedger takes everything and has nothing.
type idleLedger struct{ metering.Ledger }

func (idleLedger) Commit(context.Context, store.Batch) error { return nil }

func (idleLedger) Usage(context.Context, store.UsageQuery) ([]store.Sum, error) { return nil, nil }

// benchScopes are those of so many keys with all kinds of rules, each in a subscription with rules of its own.
func benchScopes(n int) [][]Scope {
	all := make([][]Scope, n)
	for i := range all {
		key := &Rules{RequestsPerMinute: 1e9, InputTokensPerMinute: 1e12, OutputTokensPerMinute: 1e12, Concurrency: 1e6, MonthlyTokens: 1e15, MonthlyAmount: "1000000000"}
		sub := &Rules{RequestsPerMinute: 1e9, MonthlyTokens: 1e15, MonthlyAmount: "1000000000"}
		all[i] = []Scope{{fmt.Sprintf("key_%d.1", i), key}, {fmt.Sprintf("sub_%d", i), sub}}
	}
	return all
}

func benchEngine() (*Engine, metering.Ledger) {
	prices := metering.PriceList{"flat": {{InputPerMillion: amount("1"), OutputPerMillion: amount("3")}}}
	subs := map[string]string{}
	for i := range 1000 {
		key := fmt.Sprintf("key_%d.1", i)
		subs[key] = subOf(key)
	}
	e := New(Options{
		Ledger: idleLedger{}, Location: time.UTC, Prices: func() metering.PriceList { return prices },
		KeysOf:         func(sub string) []string { return []string{"key_" + strings.TrimPrefix(sub, "sub_") + ".1"} },
		SubscriptionOf: func(key string) string { return subs[key] },
	})
	return e, e.Ledger(idleLedger{})
}

// oneRequest is all that a request costs: admitted, grown, settled and committed with others.
func oneRequest(b *testing.B, e *Engine, l metering.Ledger, scopes []Scope, id store.RequestID, events *[]store.Event) {
	now := time.Now()
	a := Ask{Model: "flat", Scopes: scopes, InputTokens: 1000, Generates: true, Growing: true}
	r, refusal := e.Admit(now, &a)
	if refusal != nil {
		b.Fatalf("%+v", refusal)
	}
	r.Grow(100)
	use := store.Tokens{Input: 250, Output: 100}
	r.Settled(id, use, nil)
	*events = append(*events, store.Event{ID: id, Key: scopes[0].ID, Model: "flat", At: now, Tokens: use})
	if len(*events) == 64 {
		if err := l.Commit(context.Background(), store.Batch{Events: *events}); err != nil {
			b.Fatal(err)
		}
		*events = (*events)[:0]
	}
}

func BenchmarkRequest(b *testing.B) {
	e, l := benchEngine()
	scopes := benchScopes(1000)
	var events []store.Event
	b.ReportAllocs()
	for i := range b.N {
		oneRequest(b, e, l, scopes[i%1000], store.RequestID(i+1), &events)
	}
}

func BenchmarkRequestParallel(b *testing.B) {
	e, l := benchEngine()
	scopes := benchScopes(1000)
	var n atomic.Uint64
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		var events []store.Event
		for pb.Next() {
			i := n.Add(1)
			oneRequest(b, e, l, scopes[i%1000], store.RequestID(i), &events)
		}
	})
}

// BenchmarkWithoutRules is what a request costs whose key and subscription have no rules.
func BenchmarkWithoutRules(b *testing.B) {
	e, _ := benchEngine()
	now, a := time.Now(), &Ask{}
	for b.Loop() {
		if r, refusal := e.Admit(now, a); r != nil || refusal != nil {
			b.Fatal(r, refusal)
		}
	}
}
