package identity

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"llmhub/fault"
)

// waits returns how long an attempt has to wait; 0 if it may be made.
func waits(t *testing.T, err error) time.Duration {
	t.Helper()
	if err == nil {
		return 0
	}
	var e *fault.Error
	if !errors.As(err, &e) || e.Kind != fault.TooMany || e.RetryAfter <= 0 {
		t.Fatalf("refused with %v", err)
	}
	return e.RetryAfter
}

func TestThrottleOfAnAccount(t *testing.T) {
	f := newFixture(t)
	attempt := func(i int) time.Duration {
		// Each from another address: only the account counts.
		address := fmt.Sprintf("192.0.2.%d", i)
		wait := waits(t, f.throttle.Check("ann", address))
		if wait == 0 {
			f.throttle.Failed("ann", address)
		}
		return wait
	}
	for i := range freeFailures {
		if wait := attempt(i); wait != 0 {
			t.Fatalf("attempt %d waits %v", i, wait)
		}
	}
	want := time.Second
	for i := range 15 {
		if got := attempt(100 + i); got != want {
			t.Errorf("failure %d is followed by %v, want %v", freeFailures+i, got, want)
		}
		f.pass(want - time.Millisecond)
		if got := attempt(100 + i); got != time.Millisecond {
			t.Errorf("just before: %v", got)
		}
		f.pass(time.Millisecond)
		if got := attempt(100 + i); got != 0 {
			t.Errorf("after the wait: %v", got)
		}
		want = min(2*want, 15*time.Minute)
	}
	if wait := waits(t, f.throttle.Check("bob", "192.0.2.1")); wait != 0 {
		t.Errorf("another account waits %v", wait)
	}
	f.pass(24 * time.Hour)
	for i := range freeFailures {
		if wait := attempt(200 + i); wait != 0 {
			t.Errorf("a day later attempt %d waits %v", i, wait)
		}
	}
}

func TestThrottleSucceededAndUndo(t *testing.T) {
	f := newFixture(t)
	for i := range 200 {
		if err := f.throttle.Check("ann", "192.0.2.1"); err != nil {
			t.Fatalf("success %d: %v", i, err)
		}
		f.throttle.Succeeded("ann", "192.0.2.1")
		if err := f.throttle.Check("bob", "192.0.2.1"); err != nil {
			t.Fatalf("outage %d: %v", i, err)
		}
		f.throttle.Undo("bob", "192.0.2.1")
	}
	for range freeFailures - 1 {
		if err := f.throttle.Check("ann", "192.0.2.1"); err != nil {
			t.Fatal(err)
		}
		f.throttle.Failed("ann", "192.0.2.1")
	}
	for range freeFailures {
		if err := f.throttle.Check("ann", "192.0.2.1"); err != nil {
			t.Fatal(err)
		}
		f.throttle.Succeeded("ann", "192.0.2.1") // forgets the failures
	}
}

func TestThrottleOfAnAddress(t *testing.T) {
	for _, c := range []struct {
		name, first, second string
		same                bool
	}{
		{"IPv4", "192.0.2.1", "192.0.2.1", true},
		{"IPv4 neighbour", "192.0.2.1", "192.0.2.2", false},
		{"IPv4 in IPv6", "192.0.2.1", "::ffff:192.0.2.1", true},
		{"IPv6 neighbour", "2001:db8:1:2::1", "2001:db8:1:2:ffff::9", true},
		{"IPv6 zone", "fe80::1%eth0", "fe80::2%eth1", true},
		{"IPv6 of another customer", "2001:db8:1:2::1", "2001:db8:1:3::1", false},
		{"unknown", "", "", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFixture(t)
			for i := range addressFailures {
				account := fmt.Sprint("user", i)
				if err := f.throttle.Check(account, c.first); err != nil {
					t.Fatalf("attempt %d: %v", i, err)
				}
				f.throttle.Failed(account, c.first)
				f.pass(time.Second)
			}
			want := time.Duration(0)
			if c.same {
				want = 10*time.Minute - addressFailures*time.Second
			}
			if got := waits(t, f.throttle.Check("another", c.second)); got != want {
				t.Errorf("waits %v, want %v", got, want)
			}
			f.pass(want)
			if got := waits(t, f.throttle.Check("another", c.second)); got != 0 {
				t.Errorf("after the wait: %v", got)
			}
		})
	}
}

// Attempts made at once do not pass beside each other.
func TestThrottleAtOnce(t *testing.T) {
	f := newFixture(t)
	var passed atomic.Int32
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			if f.throttle.Check("ann", "192.0.2.1") == nil {
				passed.Add(1)
			}
		})
	}
	wg.Wait()
	if passed.Load() != freeFailures {
		t.Errorf("%d attempts pass", passed.Load())
	}
}

func TestThrottleIsBounded(t *testing.T) {
	f := newFixture(t)
	for i := range maxThrottled + 10 {
		_ = f.throttle.Check(fmt.Sprint("user", i), fmt.Sprintf("10.%d.%d.%d", i>>16, i>>8&255, i&255))
	}
	for _, kept := range []failures{f.throttle.accounts, f.throttle.addresses} {
		if len(kept.byOrigin) != maxThrottled || kept.recent.Len() != maxThrottled {
			t.Errorf("%d and %d are remembered", len(kept.byOrigin), kept.recent.Len())
		}
		if kept.byOrigin[hashed("user0")] != nil || kept.byOrigin[network("10.0.0.0")] != nil {
			t.Error("the longest unused is remembered")
		}
	}
}

// TestThrottleOfAnAddressAlone guesses what belongs to no account, from addresses of one IPv6 network.
func TestThrottleOfAnAddressAlone(t *testing.T) {
	f := newFixture(t)
	for i := range addressFailures {
		address := fmt.Sprintf("2001:db8::%x", i)
		if wait := waits(t, f.throttle.CheckAddress(address)); wait != 0 {
			t.Fatalf("attempt %d waits %v", i, wait)
		}
		f.throttle.FailedAddress(address)
		f.pass(time.Second)
	}
	if wait, want := waits(t, f.throttle.CheckAddress("2001:db8::ffff")), addressWindow-addressFailures*time.Second; wait != want {
		t.Errorf("after %d failures the wait is %v, want %v", addressFailures, wait, want)
	}
	if wait := waits(t, f.throttle.CheckAddress("2001:db8:0:1::1")); wait != 0 {
		t.Errorf("another network waits %v", wait)
	}
	f.pass(addressWindow - addressFailures*time.Second)
	if wait := waits(t, f.throttle.CheckAddress("2001:db8::1")); wait != 0 {
		t.Errorf("after the window: %v", wait)
	}
}
