package local

import (
	"errors"
	"flag"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"llmhub/store"
	"llmhub/store/storetest"
)

var errCrash = errors.New("crash")

// TestMain makes fewer random runs than rapid's usual 100, since each opens a database several times. The flag on the
// command line wins.
func TestMain(m *testing.M) {
	if err := flag.Set("rapid.checks", "10"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// openTest opens a folder and closes it at the end of the test.
func openTest(t testing.TB, dir string, o Options) *Store {
	t.Helper()
	s, err := Open(dir, o)
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
	storetest.Documents(t, func(t *testing.T) store.Documents { return openTest(t, t.TempDir(), Options{}) })
}

// TestLedger runs the suite with folds at different times: at their usual distance, as often as possible, and only at
// the end or not at all, so that the log is replayed.
func TestLedger(t *testing.T) {
	for _, c := range []struct {
		name  string
		every time.Duration
		crash bool
	}{
		{"usual", 0, false},
		{"often", 200 * time.Microsecond, false},
		{"at the end", -1, false},
		{"often, crashing", 200 * time.Microsecond, true},
		{"never", -1, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := Options{Location: berlin(t), foldEvery: c.every, SegmentBytes: 4096}
			storetest.Ledger(t, ledgerOpener(o, c.crash), o.Location)
		})
	}
}

// ledgerOpener opens ledgers whose folds work until they are closed; with crash, what the fold at the end would do is
// left to the next opening.
func ledgerOpener(o Options, crash bool) storetest.OpenLedger {
	return func(t testing.TB) (store.Ledger, func() store.Ledger) {
		var crashing atomic.Bool
		o.foldFault = func() error {
			if crashing.Load() {
				return errCrash
			}
			return nil
		}
		dir := t.TempDir()
		s := openTest(t, dir, o)
		return s, func() store.Ledger {
			crashing.Store(crash)
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			crashing.Store(false)
			s = openTest(t, dir, o)
			return s
		}
	}
}
