package subscription

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"llmhub/fault"
	"llmhub/identity"
	"llmhub/store"
	"llmhub/store/local"
)

// admin is who acts where a test says nothing of it.
var admin = identity.Administrator()

func openStore(t testing.TB) *local.Store {
	t.Helper()
	d, err := local.Open(t.TempDir(), local.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

// fixture is a service on a real store with a running gate.
type fixture struct {
	*Service
	t       *testing.T
	store   *local.Store
	gate    *Gate
	tenants *identity.Tenants
	clock   time.Time

	mu      sync.Mutex
	revoked map[string][]error
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	h := NewHasher([]byte("a pepper for tests"))
	f := &fixture{
		t: t, store: openStore(t), gate: NewGate(h), revoked: map[string][]error{},
		clock: time.Date(2026, 11, 1, 12, 0, 0, 500, time.UTC),
	}
	f.gate.OnRevoke(func(id string, why error) {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.revoked[id] = append(f.revoked[id], why)
	})
	follow(t, f.gate, f.store)
	f.tenants = identity.NewTenants(f.store, identity.NewAudit(f.store), func() time.Time { return f.clock })
	f.Service = NewService(Options{
		Documents: f.store, Hasher: h, Gate: f.gate, Profiles: newProfiles(f.store), Now: func() time.Time { return f.clock },
	})
	return f
}

// follow runs the gate until the test ends or the returned function is called.
func follow(t testing.TB, g *Gate, d store.Documents) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- g.Run(ctx, d) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("Run: %v", err)
		}
	})
	t.Cleanup(stop)
	<-g.Ready()
	return stop
}

func (f *fixture) tenant() string {
	f.t.Helper()
	tenant, err := f.tenants.Create(f.t.Context(), identity.Administrator(), "Tenant")
	if err != nil {
		f.t.Fatal(err)
	}
	return tenant.ID
}

func (f *fixture) subscribe(models ...string) Subscription {
	f.t.Helper()
	sub, err := f.CreateSubscription(f.t.Context(), admin, CreateSubscription{TenantID: f.tenant(), ProductID: "llm-hub", Models: models})
	if err != nil {
		f.t.Fatal(err)
	}
	return sub
}

func (f *fixture) key(sub, name string, models ...string) (Key, Secret) {
	f.t.Helper()
	key, secret, err := f.CreateKey(f.t.Context(), admin, CreateKey{SubscriptionID: sub, Name: name, Models: models})
	if err != nil {
		f.t.Fatal(err)
	}
	return key, secret
}

// refused insists on why the gate refuses a key; nil means that it must not.
func (f *fixture) refused(s Secret, why error) *Grant {
	f.t.Helper()
	grant, err := f.gate.Authenticate([]byte(s.Reveal()), f.clock)
	if !errors.Is(err, why) || (err == nil) != (why == nil) || (grant == nil) != (err != nil) {
		f.t.Fatalf("Authenticate gives %v, %v; want error %v", grant, err, why)
	}
	return grant
}

// suspend sets the state of a tenant, which the operator does elsewhere, and waits for the gate.
func (f *fixture) setTenantState(id string, state identity.TenantState) {
	f.t.Helper()
	c := store.NewCollection[identity.Tenant](f.store, identity.TenantKind, nil)
	r, err := c.Get(f.t.Context(), id)
	if err != nil {
		f.t.Fatal(err)
	}
	r.Value.State = state
	w, err := c.Write(id, r.Version, r.Value)
	if err != nil {
		f.t.Fatal(err)
	}
	f.put(w)
}

func (f *fixture) put(w ...store.Write) {
	f.t.Helper()
	v, err := f.store.Put(f.t.Context(), w...)
	if err == nil {
		err = f.gate.WaitVersion(f.t.Context(), v)
	}
	if err != nil {
		f.t.Fatal(err)
	}
}

// revocations returns what OnRevoke has been called with for a key.
func (f *fixture) revocations(key string) []error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.revoked[key]
}

func isFault(t *testing.T, err error, kind fault.Kind, field string) {
	t.Helper()
	var e *fault.Error
	if !errors.As(err, &e) || e.Kind != kind || e.Field != field || e.Message == "" {
		t.Errorf("got %v, want a fault of kind %d about %q", err, kind, field)
	}
}
