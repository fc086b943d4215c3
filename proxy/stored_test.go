package proxy

import (
	"strings"
	"testing"

	"llmhub/proxy/upstream"
	"llmhub/subscription"
)

// storingProxy has a deployment that stores responses and returns its name.
func storingProxy(t testing.TB) (*Proxy, string) {
	client, err := upstream.New(upstream.Config{Name: "server", BaseURL: "http://127.0.0.1:1/v1"})
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{Options: Options{IDKey: []byte("an ID key of thirty-two bytes...")}}
	d := &Deployment{Client: client, Model: "m"}
	p.routes.Store(NewRoutes([]*Model{{Name: "m", Deployments: []*Deployment{d}}}))
	return p, d.Name()
}

// FuzzOpen finds what has been sealed, for its subscription alone, and nothing else.
func FuzzOpen(f *testing.F) {
	p, deployment := storingProxy(f)
	owner, other := &subscription.Grant{SubscriptionID: "sub_1"}, &subscription.Grant{SubscriptionID: "sub_2"}
	f.Add("resp_123")
	f.Add("")
	f.Add("resp_lhaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")
	f.Add("_lh_lh")
	f.Add(string(p.appendSealed(nil, "sub_1", "another/deployment", []byte("resp_123"))))
	f.Fuzz(func(t *testing.T, id string) {
		if _, _, ok := p.open(owner, []byte(id)); ok {
			t.Errorf("%q was never sealed", id)
		}
		sealed := p.appendSealed(nil, "sub_1", deployment, []byte(id))
		got, d, ok := p.open(owner, sealed)
		if !ok || got != id || d.Name() != deployment {
			t.Errorf("%q sealed as %q opens as %q %v", id, sealed, got, ok)
		}
		if _, _, ok := p.open(other, sealed); ok {
			t.Errorf("%q opens for another subscription", sealed)
		}
	})
}

// TestSealedIDs keeps the form of sealed IDs: short, and safe in a path.
func TestSealedIDs(t *testing.T) {
	p, deployment := storingProxy(t)
	sealed := string(p.appendSealed(nil, "sub_1", deployment, []byte("resp_123")))
	const want = "resp_123_lh"
	if !strings.HasPrefix(sealed, want) || len(sealed) != len(want)+34 || strings.Trim(sealed[len(want):], "abcdefghijklmnopqrstuvwxyz234567") != "" {
		t.Errorf("sealed as %q", sealed)
	}
	p.IDKey = []byte("another key")
	if _, _, ok := p.open(&subscription.Grant{SubscriptionID: "sub_1"}, []byte(sealed)); ok {
		t.Error("opened with another key")
	}
}

func BenchmarkSeal(b *testing.B) {
	p, deployment := storingProxy(b)
	dst := make([]byte, 0, 128)
	for b.Loop() {
		dst = p.appendSealed(dst[:0], "sub_1", deployment, []byte("resp_67ccd2bed1ec8190b14f964abc0542670bb6a6b452d3795b"))
	}
}
