package choice

import (
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

var breaker5 = Breaker{Failures: 1, Window: time.Minute, Open: 10 * time.Second}

// waiters joins n to a target's queue in turn and says how each came out of it.
func waiters(target *Target, n int, wake <-chan struct{}) (wait func() []string) {
	var mu sync.Mutex
	var wg sync.WaitGroup
	var came []string
	for i := range n {
		ticket := target.join(time.Now())
		wg.Go(func() {
			slot, granted, woken := ticket.Wait(wake)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case granted:
				came = append(came, string(rune('a'+i)))
				slot.Release(time.Now(), Good)
			case woken:
				came = append(came, "woken")
			default:
				came = append(came, "sent away")
			}
		})
	}
	synctest.Wait()
	return func() []string { wg.Wait(); return came }
}

func TestQueue(t *testing.T) {
	settings := Settings{MaxConcurrency: 1, Queue: 3, QueueTimeout: time.Second, Breaker: breaker5}
	for _, c := range []struct {
		name string
		end  func(target *Target, s *Slot, wake chan struct{})
		want []string
	}{
		{"first come", func(_ *Target, s *Slot, _ chan struct{}) { s.Release(time.Now(), Good) }, []string{"a", "b", "c"}},
		{"out of patience", func(*Target, *Slot, chan struct{}) {}, []string{"sent away", "sent away", "sent away"}},
		{"woken", func(_ *Target, _ *Slot, wake chan struct{}) { close(wake) }, []string{"woken", "woken", "woken"}},
		{"breaker opens", func(_ *Target, s *Slot, _ chan struct{}) { s.Release(time.Now(), Bad) }, []string{"sent away", "sent away", "sent away"}},
		{"left alone", func(_ *Target, s *Slot, _ chan struct{}) { s.Aside(time.Now(), time.Second) }, []string{"sent away", "sent away", "sent away"}},
		{"drains", func(target *Target, _ *Slot, _ chan struct{}) {
			target.Configure(Settings{MaxConcurrency: 1, Draining: true})
		}, []string{"sent away", "sent away", "sent away"}},
		{"drained by hand", func(target *Target, _ *Slot, _ chan struct{}) { target.Drain(true) }, []string{"sent away", "sent away", "sent away"}},
		{"more slots", func(target *Target, _ *Slot, _ chan struct{}) { target.Configure(Settings{MaxConcurrency: 2}) }, []string{"a", "b", "c"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				target, wake := NewTarget(settings), make(chan struct{})
				s, _ := target.acquire(time.Now(), false)
				wait := waiters(target, 3, wake)
				if target.join(time.Now()) != nil {
					t.Error("a fourth may wait")
				}
				c.end(target, &s, wake)
				if got := wait(); !slices.Equal(got, c.want) {
					t.Errorf("%q, want %q", got, c.want)
				}
				s.Release(time.Now(), Good)
				if got := target.Status(time.Now()); got.InFlight != 0 || got.Queued != 0 {
					t.Errorf("left behind: %+v", got)
				}
			})
		})
	}
}

// TestWokenAsItIsGranted has both come at once: the slot is given to the next.
func TestWokenAsItIsGranted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for range 100 {
			target, wake := NewTarget(Settings{MaxConcurrency: 1, Queue: 1, QueueTimeout: time.Second}), make(chan struct{})
			s, _ := target.acquire(time.Now(), false)
			ticket := target.join(time.Now())
			s.Release(time.Now(), Good)
			close(wake)
			slot, granted, woken := ticket.Wait(wake)
			if granted == woken {
				t.Fatalf("granted %v, woken %v", granted, woken)
			}
			slot.Release(time.Now(), Good)
			if n := target.Status(time.Now()).InFlight; n != 0 {
				t.Fatalf("%d in flight", n)
			}
		}
	})
}
