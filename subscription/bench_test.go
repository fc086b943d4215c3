package subscription

import (
	"fmt"
	"runtime"
	"testing"

	"llmhub/identity"
	"llmhub/store"
)

// filledGate returns a gate with n keys, a hundred in each subscription, and their texts.
func filledGate(b *testing.B, h *Hasher, n int) (*Gate, [][]byte) {
	b.Helper()
	g := NewGate(h)
	f := newFollower(g, nil)
	put := func(w store.Write, err error) {
		if err == nil {
			_, err = f.apply([]store.Document{{Kind: w.Kind, ID: w.ID, Version: 1, Body: w.Body}})
		}
		if err != nil {
			b.Fatal(err)
		}
	}
	tokens := make([][]byte, n)
	var sub, tenant string
	for i := range tokens {
		if i%100 == 0 {
			sub, tenant = identity.NewID("sub_"), identity.NewID("ten_")
			put(f.tenants.Write(tenant, 0, identity.Tenant{ID: tenant, State: identity.TenantActive}))
			put(f.subscriptions.Write(sub, 0, Subscription{ID: sub, TenantID: tenant, State: Active, Models: []string{"m1", "m2"}}))
		}
		tokens[i] = tokenForm.New()
		sum := h.sum(tokens[i])
		id := keyID(tokenForm.PublicID(tokens[i]))
		put(f.keys.Write(id, 0, Key{
			ID: id, SubscriptionID: sub, TenantID: tenant, Name: fmt.Sprint("key number ", i), Hash: sum[:], Scheme: h.Scheme(),
		}))
	}
	return g, tokens
}

func BenchmarkAuthenticate(b *testing.B) {
	for _, h := range []*Hasher{NewHasher([]byte("pepper")), NewHasher(nil)} {
		for _, n := range []int{1, 100_000} {
			g, tokens := filledGate(b, h, n)
			b.Run(fmt.Sprintf("%s/keys=%d", h.Scheme()[:6], n), func(b *testing.B) {
				b.ReportAllocs()
				for i := 0; b.Loop(); i++ {
					if _, err := g.Authenticate(tokens[i%n], testTime); err != nil {
						b.Fatal(err)
					}
				}
			})
			b.Run(fmt.Sprintf("%s/keys=%d/parallel", h.Scheme()[:6], n), func(b *testing.B) {
				b.RunParallel(func(p *testing.PB) {
					for i := 0; p.Next(); i++ {
						if _, err := g.Authenticate(tokens[i%n], testTime); err != nil {
							b.Error(err)
						}
					}
				})
			})
		}
	}
}

func BenchmarkAuthenticateMalformed(b *testing.B) {
	g, token := NewGate(NewHasher(nil)), tokenForm.New()
	token[10]++
	b.ReportAllocs()
	for b.Loop() {
		if _, err := g.Authenticate(token, testTime); err == nil {
			b.Fatal("accepted")
		}
	}
}

// BenchmarkGateMemory reports what a key costs in memory.
func BenchmarkGateMemory(b *testing.B) {
	const n = 100_000
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	for b.Loop() {
		before := heap()
		g, tokens := filledGate(b, NewHasher(nil), n)
		runtime.KeepAlive(tokens)
		tokens = nil
		b.ReportMetric(float64(heap()-before)/n, "B/key")
		runtime.KeepAlive(g)
	}
}
