package subscription

import (
	"fmt"
	"runtime"
	"testing"
	"time"

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

// storedKeys returns a service with 100,000 keys in 1,000 subscriptions, the first of which has 5,000.
func storedKeys(b *testing.B) (s *Service, large string) {
	b.Helper()
	const subscriptions, keys, many = 1000, 100_000, 5000
	d := openStore(b)
	h := NewHasher(nil)
	c := newCollections(d)
	tenants := store.NewCollection[identity.Tenant](d, identity.TenantKind, nil)
	var writes []store.Write
	put := func(w store.Write, err error) {
		if writes = append(writes, w); err == nil && len(writes) >= 500 {
			_, err = d.Put(b.Context(), writes...)
			writes = nil
		}
		if err != nil {
			b.Fatal(err)
		}
	}
	ids := make([]string, subscriptions)
	for i := range ids {
		ids[i] = identity.NewID("sub_")
		tenant := fmt.Sprint("ten_", i/2)
		if i%2 == 0 {
			put(tenants.Write(tenant, 0, identity.Tenant{ID: tenant, Name: "Tenant", State: identity.TenantActive}))
		}
		put(c.subscriptions.Write(ids[i], 0, Subscription{ID: ids[i], TenantID: tenant, ProductName: "LLM Hub", State: Active}))
	}
	for i := range keys {
		of := 0
		if i >= many {
			of = 1 + i%(subscriptions-1)
		}
		token := tokenForm.New()
		sum := h.sum(token)
		id := keyID(tokenForm.PublicID(token))
		put(c.keys.Write(id, 0, Key{
			ID: id, SubscriptionID: ids[of], TenantID: fmt.Sprint("ten_", of/2), Name: fmt.Sprint("Key number ", i*7919%keys),
			Hash: sum[:], Scheme: h.Scheme(), CreatedAt: testTime.Add(time.Duration(i) * time.Second),
		}))
	}
	if _, err := d.Put(b.Context(), writes...); err != nil {
		b.Fatal(err)
	}
	g := NewGate(h)
	follow(b, g, d)
	return NewService(Options{Documents: d, Hasher: h, Gate: g, Now: func() time.Time { return testTime }}), ids[0]
}

// BenchmarkPages measures a page of 50 of 5,000 keys, and of 1,000 subscriptions, among 100,000 keys.
func BenchmarkPages(b *testing.B) {
	s, large := storedKeys(b)
	for name, q := range map[string]KeyQuery{
		"newest": {SubscriptionID: large}, "name": {SubscriptionID: large, Sort: ByName}, "search": {SubscriptionID: large, Search: "number 77"},
	} {
		b.Run("keys/"+name, func(b *testing.B) {
			for b.Loop() {
				if p, err := s.KeyPage(b.Context(), admin, q); err != nil || len(p.Keys) == 0 {
					b.Fatal(p, err)
				}
			}
		})
	}
	b.Run("subscriptions", func(b *testing.B) {
		for b.Loop() {
			if p, err := s.SubscriptionPage(b.Context(), admin, SubscriptionQuery{}); err != nil || len(p.Rows) != defaultPerPage {
				b.Fatal(p, err)
			}
		}
	})
	b.Run("names", func(b *testing.B) {
		for b.Loop() {
			if n, err := s.KeysOf(b.Context(), admin, KeyFilter{SubscriptionID: large}); err != nil || len(n) != 5000 {
				b.Fatal(len(n), err)
			}
		}
	})
}
