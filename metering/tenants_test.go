package metering

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"llmhub/store"
)

// countedHistory counts what is read of each month.
type countedHistory struct {
	mu      sync.Mutex
	version uint64
	reads   map[store.Month]int
}

func (h *countedHistory) Usage(_ context.Context, q store.UsageQuery) ([]store.Sum, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.reads[q.From.Month()]++
	return nil, nil
}

func (h *countedHistory) UsageVersion(context.Context, store.Day, store.Day) (uint64, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.version, nil
}

// The reports of a year are read before anybody asks, and again when something was used; nobody who asks waits for one.
func TestTenantsAreKeptAtHand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &countedHistory{reads: map[store.Month]int{}}
		tenants := NewTenants(h, func(string) (string, bool) { return "", false }, time.Now)
		today := store.DayOf(time.Now(), time.UTC)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			tenants.KeepRecent(ctx, func() store.Day { return today }, func() PriceList { return nil })
		}()
		check := func(months, times int) {
			t.Helper()
			synctest.Wait()
			h.mu.Lock()
			defer h.mu.Unlock()
			if len(h.reads) != months {
				t.Errorf("%d months were read, want %d", len(h.reads), months)
			}
			for m, n := range h.reads {
				if n != times {
					t.Errorf("%s was read %d times, want %d", m, n, times)
				}
			}
		}
		check(tenantsRecent, 1)
		for m := today.Month(); m > today.Month()-tenantsRecent; m-- {
			if _, err := tenants.Month(t.Context(), m, nil); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(tenantsEvery)
		check(tenantsRecent, 1) // nothing has been used
		h.mu.Lock()
		h.version++
		h.mu.Unlock()
		time.Sleep(tenantsEvery)
		check(tenantsRecent, 2)
		cancel()
		<-ended
	})
}
