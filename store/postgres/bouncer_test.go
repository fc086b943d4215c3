package postgres

import (
	"testing"

	"llmhub/secret"
	"llmhub/store"
	"llmhub/store/storetest"
)

// The whole suite by way of PgBouncer in transaction mode, whose few connections all share. LISTEN does nothing there,
// unless the listen URL leads past it.
func TestThroughPgBouncer(t *testing.T) {
	bouncer, err := server.Bouncer(3)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := bouncer.Stop(); err != nil {
			t.Error(err)
		}
	}()
	t.Run("Documents", func(t *testing.T) {
		storetest.Documents(t, func(t *testing.T) store.Documents {
			database, direct := newDatabase(t)
			return openTest(t, secret.New(bouncer.URL(database)), Options{ListenURL: direct})
		})
	})
	t.Run("Ledger", func(t *testing.T) {
		o := Options{Location: berlin(t)}
		storetest.Ledger(t, func(t testing.TB) (store.Ledger, func() store.Ledger) {
			database, _ := newDatabase(t)
			url := secret.New(bouncer.URL(database))
			s := openTest(t, url, o)
			return s, func() store.Ledger {
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
				s = openTest(t, url, o)
				return s
			}
		}, o.Location)
	})
	t.Run("Retention", func(t *testing.T) {
		storetest.Retention(t, openRetaining(t, func() secret.Text {
			database, _ := newDatabase(t)
			return secret.New(bouncer.URL(database))
		}), berlin(t))
	})
}
