package subscription

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"llmhub/fault"
)

// While keys are being made, the subscription is cancelled: no key may be usable afterwards, however close the race.
func TestCreateAgainstCancel(t *testing.T) {
	f := newFixture(t)
	for round := range 15 {
		sub := f.subscribe()
		var mu sync.Mutex
		var made []Secret
		var wg sync.WaitGroup
		for w := range 4 {
			wg.Go(func() {
				for n := 0; ; n++ {
					_, secret, err := f.CreateKey(t.Context(), admin, CreateKey{SubscriptionID: sub.ID, Name: fmt.Sprint("k", w, "-", n)})
					if err != nil {
						isFault(t, err, fault.State, "")
						return
					}
					mu.Lock()
					made = append(made, secret)
					mu.Unlock()
				}
			})
		}
		wg.Go(func() {
			for range round * 2 { // let some keys be made first
				if _, err := f.GetSubscription(t.Context(), admin, sub.ID); err != nil {
					t.Error(err)
				}
			}
			if _, err := f.CancelSubscription(t.Context(), admin, sub.ID, ""); err != nil {
				t.Error(err)
			}
		})
		wg.Wait()
		for _, s := range made {
			f.refused(s, ErrSubscriptionCancelled)
		}
		cancelled, err := f.GetSubscription(t.Context(), admin, sub.ID)
		if err != nil {
			t.Fatal(err)
		}
		f.allDeactivated(cancelled, len(made))
	}
}

// allDeactivated insists on n keys, none of which is active or newer than the cancellation.
func (f *fixture) allDeactivated(sub Subscription, n int) {
	f.t.Helper()
	stored, _, err := f.keys.List(f.t.Context(), "subscription", sub.ID, "", 1000)
	if err != nil || len(stored) != n {
		f.t.Fatalf("%d keys are stored, %d were returned, %v", len(stored), n, err)
	}
	subscription, err := f.subscriptions.Get(f.t.Context(), sub.ID)
	if err != nil {
		f.t.Fatal(err)
	}
	for _, k := range stored {
		if k.Version > subscription.Version {
			f.t.Errorf("key %s was made at version %d, the subscription cancelled at %d", k.ID, k.Version, subscription.Version)
		}
		if KeyState(k.Value, sub, f.clock) != KeyDeactivated {
			f.t.Errorf("key %s is active", k.ID)
		}
	}
	for _, k := range stored {
		if why := f.revocations(k.ID); len(why) != 1 || why[0] != ErrSubscriptionCancelled {
			f.t.Errorf("key %s was revoked with %v", k.ID, why)
		}
	}
}

// Of those who want one name at once, one gets it.
func TestSameNameAtOnce(t *testing.T) {
	f := newFixture(t)
	sub := f.subscribe()
	var wg sync.WaitGroup
	results := make(chan error, 8)
	for range cap(results) {
		wg.Go(func() {
			_, _, err := f.CreateKey(t.Context(), admin, CreateKey{SubscriptionID: sub.ID, Name: "same"})
			results <- err
		})
	}
	wg.Wait()
	close(results)
	made := 0
	for err := range results {
		if err == nil {
			made++
			continue
		}
		isFault(t, err, fault.Conflict, "name")
	}
	if made != 1 {
		t.Errorf("%d keys have the name", made)
	}
}

// Of those who deactivate or cancel at once, one does it; the key is revoked once.
func TestDeactivateAtOnce(t *testing.T) {
	f := newFixture(t)
	for range 5 {
		sub := f.subscribe()
		key, secret := f.key(sub.ID, "one")
		var wg sync.WaitGroup
		deactivated, cancelled := make([]error, 3), make([]error, 3)
		for i := range 3 {
			wg.Go(func() { _, deactivated[i] = f.DeactivateKey(t.Context(), admin, key.ID) })
			wg.Go(func() { _, cancelled[i] = f.CancelSubscription(t.Context(), admin, sub.ID, "") })
		}
		wg.Wait()
		count := func(errs []error) (n int) {
			for _, err := range errs {
				if err == nil {
					n++
				} else {
					isFault(t, err, fault.State, "")
				}
			}
			return n
		}
		if count(cancelled) != 1 || count(deactivated) > 1 {
			t.Errorf("deactivated %v, cancelled %v", deactivated, cancelled)
		}
		if why := f.revocations(key.ID); len(why) != 1 {
			t.Errorf("revoked with %v", why)
		}
		if _, err := f.gate.Authenticate([]byte(secret.Reveal()), f.clock); err == nil {
			t.Error("the key can be used")
		}
	}
}

// Readers authenticate all the time while keys come and go: what a call has returned holds at once for everybody.
func TestGateUnderWrites(t *testing.T) {
	f := newFixture(t)
	sub := f.subscribe()
	_, steady := f.key(sub.ID, "steady")
	stop := make(chan struct{})
	var readers, writers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if _, err := f.gate.Authenticate([]byte(steady.Reveal()), f.clock); err != nil {
					t.Errorf("the steady key is refused: %v", err)
					return
				}
			}
		})
	}
	for w := range 3 {
		writers.Go(func() {
			for n := range 15 {
				key, secret, err := f.CreateKey(t.Context(), admin, CreateKey{SubscriptionID: sub.ID, Name: fmt.Sprint(w, "-", n)})
				if err != nil {
					t.Error(err)
					return
				}
				if _, err := f.gate.Authenticate([]byte(secret.Reveal()), f.clock); err != nil {
					t.Errorf("a new key is refused: %v", err)
				}
				if _, err := f.DeactivateKey(t.Context(), admin, key.ID); err != nil {
					t.Error(err)
				}
				if _, err := f.gate.Authenticate([]byte(secret.Reveal()), f.clock); !errors.Is(err, ErrKeyDeactivated) {
					t.Errorf("a deactivated key gives %v", err)
				}
				if why := f.revocations(key.ID); len(why) != 1 {
					t.Errorf("revoked with %v", why)
				}
			}
		})
	}
	writers.Wait()
	close(stop)
	readers.Wait()
	if n := f.gate.Revocations(); n != 45 {
		t.Errorf("%d revocations", n)
	}
	// A gate that starts now sees the same.
	late := NewGate(f.hasher)
	follow(t, late, f.store)
	if _, err := late.Authenticate([]byte(steady.Reveal()), f.clock); err != nil || late.Revocations() != 0 {
		t.Errorf("a new gate: %v, %d revocations", err, late.Revocations())
	}
}
