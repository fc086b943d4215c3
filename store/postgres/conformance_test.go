package postgres

import (
	"flag"
	"fmt"
	"os"
	"testing"
	"time"

	"llmhub/secret"
	"llmhub/store"
	"llmhub/store/postgres/pgtest"
	"llmhub/store/storetest"
)

// server is the database server of all tests that leave it running.
var server *pgtest.Server

// TestMain makes fewer random runs than rapid's usual 100, since each makes a database. The flag on the command line
// wins.
func TestMain(m *testing.M) {
	if err := flag.Set("rapid.checks", "10"); err != nil {
		panic(err)
	}
	os.Exit(run(m))
}

func run(m *testing.M) int {
	var err error
	if server, err = pgtest.New(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	code := m.Run()
	if err := server.Remove(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

// newDatabase returns the name and URL of an empty database.
func newDatabase(t testing.TB) (name string, url secret.Text) {
	t.Helper()
	name, text, err := server.Database()
	if err != nil {
		t.Fatal(err)
	}
	return name, secret.New(text)
}

// openTest opens a database and closes it at the end of the test.
func openTest(t testing.TB, url secret.Text, o Options) *Store {
	t.Helper()
	s, err := Open(t.Context(), url, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return s
}

func berlin(t testing.TB) *time.Location {
	t.Helper()
	loc, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	return loc
}

func TestDocuments(t *testing.T) {
	storetest.Documents(t, func(t *testing.T) store.Documents {
		_, url := newDatabase(t)
		return openTest(t, url, Options{})
	})
}

func TestLedger(t *testing.T) {
	o := Options{Location: berlin(t), noListen: true}
	storetest.Ledger(t, func(t testing.TB) (store.Ledger, func() store.Ledger) {
		_, url := newDatabase(t)
		s := openTest(t, url, o)
		return s, func() store.Ledger {
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			s = openTest(t, url, o)
			return s
		}
	}, o.Location)
}
