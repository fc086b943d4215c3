package drain

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"llmhub/fault"
	"llmhub/identity"
	"llmhub/store"
	"llmhub/store/local"
)

// newService returns a service with a store of its own.
func newService(t *testing.T) (*Service, *identity.Audit) {
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
	audit := identity.NewAudit(d)
	exists := func(string) bool { return true }
	return NewService(Options{Documents: d, Audit: audit, Exists: exists, Now: time.Now}), audit
}

// actions returns what the audit has of deployments, newest first.
func actions(t *testing.T, audit *identity.Audit) string {
	t.Helper()
	page, _, err := audit.List(t.Context(), identity.AuditQuery{}, "", 100)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, c := range page {
		all = append(all, c.Action+" "+c.ObjectID)
	}
	return strings.Join(all, ", ")
}

func TestSet(t *testing.T) {
	s, audit := newService(t)
	by, long := identity.Administrator(), "u/"+strings.Repeat("m", 300)
	last := map[string]store.Version{}
	for _, c := range []struct {
		deployment string
		on         bool
		changes    bool
	}{{"u/m", false, false}, {"u/m", true, true}, {"u/m", true, false}, {long, true, true}, {"u/m", false, true}, {"u/m", false, false}} {
		v, err := s.Set(t.Context(), by, c.deployment, c.on)
		if before := last[c.deployment]; err != nil || v > before != c.changes || v < before {
			t.Errorf("%.10s %v: version %d after %d, %v, want a change: %v", c.deployment, c.on, v, before, err, c.changes)
		}
		last[c.deployment] = v
	}
	if got, want := actions(t, audit), "upstream.resume u/m, upstream.drain "+long+", upstream.drain u/m"; got != want {
		t.Errorf("the audit has %s, want %s", got, want)
	}
	found := map[string]bool{}
	ctx, cancel := context.WithCancel(t.Context())
	err := s.o.Documents.Watch(ctx, 0, func(docs []store.Document) error {
		for _, d := range docs {
			if d.Kind != Kind {
				continue
			}
			r, err := s.Read(d)
			if err != nil {
				return err
			}
			found[r.Deployment] = r.Draining
		}
		return nil
	}, func(store.Version) { cancel() })
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if on, known := found["u/m"]; !known || on || !found[long] || len(found) != 2 {
		t.Errorf("the watch has found %v", found)
	}
}

func TestOperatorsOnly(t *testing.T) {
	s, audit := newService(t)
	for _, by := range []identity.Actor{{}, {Kind: identity.Customer, ID: "usr_1", TenantID: "ten_1", Rights: []identity.Right{identity.Reports}}} {
		_, err := s.Set(t.Context(), by, "u/m", true)
		var f *fault.Error
		if !errors.As(err, &f) || f.Kind != fault.Forbidden {
			t.Errorf("%+v: %v", by, err)
		}
	}
	if got := actions(t, audit); got != "" {
		t.Errorf("the audit has %s", got)
	}
}

// What is not there cannot be drained; that it is drained still can be ended, once.
func TestNoDeployment(t *testing.T) {
	s, audit := newService(t)
	by, there := identity.Administrator(), true
	s.o.Exists = func(string) bool { return there }
	if _, err := s.Set(t.Context(), by, "u/m", true); err != nil {
		t.Fatal(err)
	}
	there = false
	for _, c := range []struct {
		on   bool
		want error
	}{{true, ErrNoDeployment}, {false, nil}, {false, ErrNoDeployment}, {true, ErrNoDeployment}} {
		if _, err := s.Set(t.Context(), by, "u/m", c.on); !errors.Is(err, c.want) {
			t.Errorf("draining %v: %v, want %v", c.on, err, c.want)
		}
	}
	if got := actions(t, audit); got != "upstream.resume u/m, upstream.drain u/m" {
		t.Errorf("the audit has %s", got)
	}
}

// Of several who drain at once, one does.
func TestAtOnce(t *testing.T) {
	s, audit := newService(t)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if _, err := s.Set(t.Context(), identity.Administrator(), "u/m", true); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if got := actions(t, audit); got != "upstream.drain u/m" {
		t.Errorf("the audit has %s", got)
	}
}
