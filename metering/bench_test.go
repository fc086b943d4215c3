package metering

import (
	"fmt"
	"testing"
	"time"

	"llmhub/store"
	"llmhub/store/local"
)

// usedLedger returns a ledger in which each of n keys has used a model or two on each of the days up to today, all of it
// folded.
func usedLedger(b *testing.B, n, days int, today store.Day) (*local.Store, []string) {
	b.Helper()
	dir := b.TempDir()
	l, err := local.Open(dir, local.Options{})
	if err != nil {
		b.Fatal(err)
	}
	source, err := l.NewSource(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	keys := make([]string, n)
	for i := range keys {
		keys[i] = fmt.Sprintf("key_%016d", i)
	}
	batch, id := store.Batch{Source: source}, uint64(0)
	flush := func() {
		batch.Seq++
		if err := l.Commit(b.Context(), batch); err != nil {
			b.Fatal(err)
		}
		batch.Events = batch.Events[:0]
	}
	noon := time.Unix(int64(today)*86400, 0).UTC().Add(12 * time.Hour)
	for d := days - 1; d >= 0; d-- {
		for i, key := range keys {
			for m := range 1 + i%2 {
				id++
				batch.Events = append(batch.Events, store.Event{
					ID: store.NewRequestID(source, id), Key: key, Model: fmt.Sprint("model-", m), Deployment: "up/m",
					At: noon.AddDate(0, 0, -d), Provenance: store.FromUpstream,
					Tokens: store.Tokens{Input: int64(1000 + i), CachedInput: 500, Output: int64(100 + d)},
				})
				if len(batch.Events) == store.MaxBatchEvents {
					flush()
				}
			}
		}
	}
	flush()
	if err := l.Close(); err != nil {
		b.Fatal(err)
	}
	if l, err = local.Open(dir, local.Options{}); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { l.Close() })
	return l, keys
}

func benchPrices(b *testing.B) PriceList {
	p, err := ParseAmount("0.15")
	if err != nil {
		b.Fatal(err)
	}
	list := []Price{{InputPerMillion: p, OutputPerMillion: p}}
	return PriceList{"model-0": list, "model-1": list}
}

// BenchmarkConsume measures the page of a subscription of 5,000 keys near the end of a month: first, and again.
func BenchmarkConsume(b *testing.B) {
	month, err := store.ParseMonth("2026-10")
	if err != nil {
		b.Fatal(err)
	}
	today := month.First() + 28
	l, keys := usedLedger(b, 5000, 60, today)
	prices := benchPrices(b)
	q := ConsumptionQuery{Keys: keys, From: month.First(), To: (month + 1).First(), GroupBy: ByKey, Top: 7, Today: today}
	consume := func(b *testing.B, u Usage) {
		if c, err := Consume(b.Context(), u, prices, q); err != nil || len(c.Keys) != len(keys) {
			b.Fatal(len(c.Keys), err)
		}
	}
	b.Run("first", func(b *testing.B) {
		for b.Loop() {
			consume(b, NewCache(l))
		}
	})
	b.Run("again", func(b *testing.B) {
		cache := NewCache(l)
		consume(b, cache)
		for b.Loop() {
			consume(b, cache)
		}
		b.ReportMetric(float64(cache.rows), "cached-rows")
	})
}

// BenchmarkTenants measures the report on all tenants with 100,000 keys.
func BenchmarkTenants(b *testing.B) {
	month, err := store.ParseMonth("2026-10")
	if err != nil {
		b.Fatal(err)
	}
	l, _ := usedLedger(b, 100_000, 1, month.First())
	prices := benchPrices(b)
	tenantOf := func(key string) (string, bool) { return key[len(key)-3:], true }
	b.Run("read", func(b *testing.B) {
		for b.Loop() {
			if m, err := NewTenants(l, tenantOf, time.Now).Month(b.Context(), month, prices); err != nil || len(m.Tenants) != 1000 {
				b.Fatal(len(m.Tenants), err)
			}
		}
	})
}
