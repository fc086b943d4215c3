package subscription

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"llmhub/identity"
	"llmhub/store"
)

// documents returns a tenant, a subscription and a key as a watch delivers them, and the key's text.
func documents(t testing.TB, h *Hasher) (docs []store.Document, token []byte) {
	t.Helper()
	token = tokenForm.New()
	sum := h.sum(token)
	c := newCollections(nil)
	tenants := store.NewCollection[identity.Tenant](nil, identity.TenantKind, nil)
	tenant, err1 := tenants.Write("ten_a", 0, identity.Tenant{ID: "ten_a", State: identity.TenantActive})
	sub, err2 := c.subscriptions.Write("sub_a", 0, Subscription{ID: "sub_a", TenantID: "ten_a", State: Active, Models: []string{"m1", "m2"}})
	id := keyID(tokenForm.PublicID(token))
	key, err3 := c.keys.Write(id, 0, Key{
		ID: id, SubscriptionID: "sub_a", TenantID: "ten_a", Name: "n", Hash: sum[:], Scheme: h.Scheme(), Models: []string{"m2", "m3"},
	})
	if err := errors.Join(err1, err2, err3); err != nil {
		t.Fatal(err)
	}
	for _, w := range []store.Write{tenant, sub, key} {
		docs = append(docs, store.Document{Kind: w.Kind, ID: w.ID, Version: 1, Body: w.Body})
	}
	return docs, token
}

// Tenant, subscription and key may come in any order, in one commit or in several: the key is refused until all are
// there, and again when one is deleted.
func TestGateOrder(t *testing.T) {
	h := NewHasher(nil)
	for _, order := range [][]int{{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}} {
		for deleted := range order {
			t.Run(fmt.Sprint(order, deleted), func(t *testing.T) {
				docs, token := documents(t, h)
				g := NewGate(h)
				f := newFollower(g, nil)
				for n, i := range order {
					if grant, err := g.Authenticate(token, testTime); grant != nil || err == nil {
						t.Fatalf("accepted after %d documents", n)
					}
					if revoked, err := f.apply(docs[i : i+1]); err != nil || len(revoked) != 0 {
						t.Fatalf("revoked %v, %v", revoked, err)
					}
				}
				grant, err := g.Authenticate(token, testTime)
				if err != nil || grant.SubscriptionID != "sub_a" || grant.TenantID != "ten_a" {
					t.Fatalf("%+v, %v", grant, err)
				}
				if grant.Allows("m1") || !grant.Allows("m2") || grant.Allows("m3") {
					t.Error("models are not those of both lists")
				}
				d := docs[deleted]
				tomb := store.Document{Kind: d.Kind, ID: d.ID, Version: 2, Deleted: true}
				revoked, err := f.apply([]store.Document{tomb, tomb})
				want := []error{ErrTenantSuspended, ErrSubscriptionCancelled, ErrBadKey}[deleted]
				if err != nil || len(revoked) != 1 || revoked[0].why != want {
					t.Errorf("revoked %v, %v; want one with %v", revoked, err, want)
				}
				if _, err := g.Authenticate(token, testTime); err != want {
					t.Errorf("refused with %v, want %v", err, want)
				}
				if revoked, err := f.apply([]store.Document{d}); err != nil || len(revoked) != 0 {
					t.Errorf("revoked %v, %v", revoked, err)
				}
				if _, err := g.Authenticate(token, testTime); err != nil {
					t.Errorf("refused although all is there again: %v", err)
				}
			})
		}
	}
}

func TestGateModels(t *testing.T) {
	for _, c := range []struct{ subscription, key, allowed, refused []string }{
		{nil, nil, []string{"a", "b"}, nil},
		{[]string{"a"}, nil, []string{"a"}, []string{"b", ""}},
		{nil, []string{"a"}, []string{"a"}, []string{"b"}},
		{[]string{"a", "b"}, []string{"b", "c"}, []string{"b"}, []string{"a", "c"}},
		{[]string{"a"}, []string{"b"}, nil, []string{"a", "b"}},
	} {
		g := &Grant{granted: newModelSet(c.subscription), own: newModelSet(c.key)}
		for _, m := range c.allowed {
			if !g.Allows(m) {
				t.Errorf("%v and %v refuse %q", c.subscription, c.key, m)
			}
		}
		for _, m := range c.refused {
			if g.Allows(m) {
				t.Errorf("%v and %v allow %q", c.subscription, c.key, m)
			}
		}
	}
}

// Every wrong key gets one and the same error, whatever is wrong with it.
func TestBadKeys(t *testing.T) {
	f := newFixture(t)
	_, secret := f.key(f.subscribe().ID, "one")
	token := []byte(secret.Reveal())
	wrongSecret := append([]byte(nil), token[:crcAt]...)
	wrongSecret[crcAt-1] = base32Digits[(wrongSecret[crcAt-1]-'a'+1)&7]
	if wrongSecret[crcAt-1] == token[crcAt-1] {
		t.Fatal("the secret has not been changed")
	}
	for name, bad := range map[string][]byte{
		"none": nil, "empty": {}, "short": token[:len(token)-1], "long": append(append([]byte(nil), token...), 'a'),
		"foreign": []byte("sk-proj-abcdefghijklmnopqrstuvwxyz"), "unknown": tokenForm.New(), "secret": appendChecksum(wrongSecret),
		"upper case": []byte("SK-LH-" + string(token[6:])), "space": append([]byte(" "), token[:len(token)-1]...),
	} {
		if grant, err := f.gate.Authenticate(bad, f.clock); grant != nil || err != ErrBadKey {
			t.Errorf("%s: %v, %v", name, grant, err)
		}
	}
	f.refused(secret, nil)
}

func TestGateDamage(t *testing.T) {
	for name, body := range map[string]string{"broken": `{`, "short hash": `{"id":"key_a","scheme":"sha256","hash":"AA=="}`} {
		d := openStore(t)
		if _, err := d.Put(t.Context(), store.Write{Kind: kindKey, ID: "key_a", Body: []byte(body)}); err != nil {
			// An engine may find out by itself what is no JSON.
			continue
		}
		if err := NewGate(NewHasher(nil)).Run(t.Context(), d); !errors.Is(err, store.ErrDamaged) {
			t.Errorf("%s: Run gives %v", name, err)
		}
	}
}

func TestWaitVersion(t *testing.T) {
	d := openStore(t)
	g := NewGate(NewHasher(nil))
	stop := follow(t, g, d)
	ctx, cancel := context.WithCancel(t.Context())
	waited := make(chan error, 2)
	go func() { waited <- g.WaitVersion(ctx, 1000) }()
	cancel()
	if err := <-waited; !errors.Is(err, context.Canceled) {
		t.Errorf("WaitVersion gives %v when its context ends", err)
	}
	go func() { waited <- g.WaitVersion(context.Background(), 1000) }()
	stop()
	if err := <-waited; !errors.Is(err, context.Canceled) {
		t.Errorf("WaitVersion gives %v when Run has ended", err)
	}
	if err := g.WaitVersion(context.Background(), 0); err != nil {
		t.Errorf("WaitVersion gives %v for what is in force", err)
	}
}

// A change that cannot come into force because the gate has stopped is an error, not a wait without end.
func TestServiceWithoutGate(t *testing.T) {
	d := openStore(t)
	h := NewHasher(nil)
	g := NewGate(h)
	follow(t, g, d)()
	tenant, err := identity.NewTenants(d, identity.NewAudit(d), time.Now).Create(t.Context(), identity.Administrator(), "T")
	if err != nil {
		t.Fatal(err)
	}
	s := NewService(Options{Documents: d, Hasher: h, Gate: g, Now: time.Now})
	if _, err := s.CreateSubscription(t.Context(), admin, CreateSubscription{TenantID: tenant.ID, ProductID: "p"}); err == nil {
		t.Error("no error")
	}
}

func TestAuthenticateAllocatesNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector makes pools forget")
	}
	for _, h := range []*Hasher{NewHasher(nil), NewHasher([]byte("pepper"))} {
		docs, token := documents(t, h)
		g := NewGate(h)
		if _, err := newFollower(g, nil).apply(docs); err != nil {
			t.Fatal(err)
		}
		n := testing.AllocsPerRun(1000, func() {
			if grant, err := g.Authenticate(token, testTime); err != nil || !grant.Allows("m2") {
				t.Error(err)
			}
		})
		if n != 0 {
			t.Errorf("%s: %v allocations", h.Scheme(), n)
		}
	}
}

// A gate that has followed a random history must agree with one that sees only its end.
func TestGateFollowsRandomHistory(t *testing.T) {
	h := NewHasher(nil)
	r := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		a, tokenA := documents(t, h)
		b, tokenB := documents(t, h)
		pool := append(a, b[2])
		last := map[string]store.Document{}
		g := NewGate(h)
		f := newFollower(g, nil)
		usable := map[string]bool{}
		for range 12 {
			var commit []store.Document
			for _, i := range r.Perm(len(pool))[:1+r.IntN(2)] {
				d := pool[i]
				d.Deleted = r.IntN(3) == 0
				commit = append(commit, d)
				last[d.ID] = d
			}
			revoked, err := f.apply(commit)
			if err != nil {
				t.Fatal(err)
			}
			now := map[string]bool{}
			for _, token := range [][]byte{tokenA, tokenB} {
				_, err := g.Authenticate(token, testTime)
				now[keyID(tokenForm.PublicID(token))] = err == nil
			}
			gone := map[string]bool{}
			for _, v := range revoked {
				if gone[v.keyID] || !usable[v.keyID] || now[v.keyID] {
					t.Fatalf("%s revoked wrongly", v.keyID)
				}
				gone[v.keyID] = true
			}
			for id := range now {
				if usable[id] && !now[id] && !gone[id] {
					t.Fatalf("%s has become unusable without a revocation", id)
				}
			}
			usable = now
		}
		fresh := NewGate(h)
		var all []store.Document
		for _, d := range last {
			all = append(all, d)
		}
		if _, err := newFollower(fresh, nil).apply(all); err != nil {
			t.Fatal(err)
		}
		for _, token := range [][]byte{tokenA, tokenB} {
			_, err1 := g.Authenticate(token, testTime)
			_, err2 := fresh.Authenticate(token, testTime)
			if err1 != err2 {
				t.Fatalf("after a history %v, from its end alone %v", err1, err2)
			}
		}
	}
}
