package subscription

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"llmhub/fault"
	"llmhub/identity"
	"llmhub/store"
)

var testTime = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

func TestKeyLife(t *testing.T) {
	f := newFixture(t)
	sub := f.subscribe("m1", "m2")
	key, secret := f.key(sub.ID, "  ci  ", "m1")
	grant := f.refused(secret, nil)
	if key.Name != "ci" || grant.KeyName != "ci" || grant.KeyID != key.ID || grant.SubscriptionID != sub.ID ||
		grant.TenantID != sub.TenantID || !grant.ExpiresAt.IsZero() {
		t.Errorf("key %+v gives grant %+v", key, grant)
	}
	if !grant.Allows("m1") || grant.Allows("m2") || grant.Allows("m3") {
		t.Error("the key does not allow m1 alone")
	}
	if key.ID != "key_"+string(tokenForm.PublicID([]byte(secret.Reveal()))) || !strings.HasPrefix(secret.Reveal(), key.Prefix) {
		t.Errorf("ID %s, prefix %s", key.ID, key.Prefix)
	}
	other, otherSecret := f.key(sub.ID, "other")
	f.clock = f.clock.Add(time.Hour)
	gone, err := f.DeactivateKey(t.Context(), admin, key.ID)
	if err != nil || !gone.DeactivatedAt.Equal(f.clock.Truncate(time.Second)) {
		t.Fatalf("deactivated at %v, %v", gone.DeactivatedAt, err)
	}
	f.refused(secret, ErrKeyDeactivated)
	f.refused(otherSecret, nil)
	if why := f.revocations(key.ID); len(why) != 1 || why[0] != ErrKeyDeactivated || f.gate.Revocations() != 1 {
		t.Errorf("revocations %v, %d in all", why, f.gate.Revocations())
	}
	_, err = f.DeactivateKey(t.Context(), admin, key.ID)
	isFault(t, err, fault.State, "")
	keys, next, err := f.ListKeys(t.Context(), admin, KeyFilter{SubscriptionID: sub.ID}, "", 0)
	if err != nil || next != "" || len(keys) != 2 {
		t.Fatalf("keys %v, %q, %v", keys, next, err)
	}
	for _, k := range keys {
		if want := map[string]string{key.ID: KeyDeactivated, other.ID: KeyActive}[k.ID]; KeyState(k, sub, f.clock) != want {
			t.Errorf("%s is %s", k.Name, KeyState(k, sub, f.clock))
		}
	}
}

// The text of a key must be nowhere in what is stored.
func TestOnlyAHashIsStored(t *testing.T) {
	f := newFixture(t)
	_, secret := f.key(f.subscribe().ID, "ci")
	token := secret.Reveal()
	ctx, cancel := context.WithCancel(t.Context())
	found := 0
	err := f.store.Watch(ctx, 0, func(docs []store.Document) error {
		for _, d := range docs {
			found++
			for i := secretAt; i+8 <= crcAt; i++ {
				if strings.Contains(string(d.Body)+d.ID, token[i:i+8]) {
					t.Errorf("%s %s holds a part of the key", d.Kind, d.ID)
				}
			}
		}
		return nil
	}, func(store.Version) { cancel() })
	if !errors.Is(err, context.Canceled) || found != 7 {
		t.Errorf("%d documents, %v", found, err)
	}
}

func TestCancelSubscription(t *testing.T) {
	f := newFixture(t)
	sub, other := f.subscribe(), f.subscribe()
	k1, s1 := f.key(sub.ID, "one")
	k2, s2 := f.key(sub.ID, "two")
	_, s3 := f.key(other.ID, "one")
	f.clock = f.clock.Add(time.Minute)
	if _, err := f.DeactivateKey(t.Context(), admin, k1.ID); err != nil {
		t.Fatal(err)
	}
	f.clock = f.clock.Add(time.Minute)
	cancelled, err := f.CancelSubscription(t.Context(), admin, sub.ID, "")
	if err != nil || cancelled.State != Cancelled || !cancelled.CancelledAt.Equal(f.clock.Truncate(time.Second)) {
		t.Fatalf("%+v, %v", cancelled, err)
	}
	f.refused(s1, ErrKeyDeactivated)
	f.refused(s2, ErrSubscriptionCancelled)
	f.refused(s3, nil)
	if w1, w2 := f.revocations(k1.ID), f.revocations(k2.ID); len(w1) != 1 || len(w2) != 1 || w2[0] != ErrSubscriptionCancelled {
		t.Errorf("revocations %v and %v", w1, w2)
	}
	for id, at := range map[string]time.Time{k1.ID: f.clock.Add(-time.Minute), k2.ID: f.clock} {
		k, err := f.GetKey(t.Context(), admin, id)
		if err != nil || k.DeactivatedAt == nil || !k.DeactivatedAt.Equal(at.Truncate(time.Second)) || KeyState(k, cancelled, f.clock) != KeyDeactivated {
			t.Errorf("key %+v, %v; want it deactivated at %v", k, err, at)
		}
	}
	_, err = f.CancelSubscription(t.Context(), admin, sub.ID, "")
	isFault(t, err, fault.State, "")
	_, err = f.DeactivateKey(t.Context(), admin, k2.ID)
	isFault(t, err, fault.State, "")
	_, _, err = f.CreateKey(t.Context(), admin, CreateKey{SubscriptionID: sub.ID, Name: "three"})
	isFault(t, err, fault.State, "")
}

func TestKeyNamesAreUniqueForEver(t *testing.T) {
	f := newFixture(t)
	sub, other := f.subscribe(), f.subscribe()
	key, _ := f.key(sub.ID, "Straße CI")
	if _, err := f.DeactivateKey(t.Context(), admin, key.ID); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"Straße CI", "straße ci", "STRAßE CI", " Straße CI\t"} {
		_, _, err := f.CreateKey(t.Context(), admin, CreateKey{SubscriptionID: sub.ID, Name: name})
		isFault(t, err, fault.Conflict, "name")
	}
	f.key(other.ID, "Straße CI")
	f.key(sub.ID, "Straße CI 2")
}

func TestExpiry(t *testing.T) {
	f := newFixture(t)
	sub := f.subscribe()
	at := f.clock.Add(time.Minute)
	key, secret, err := f.CreateKey(t.Context(), admin, CreateKey{SubscriptionID: sub.ID, Name: "short", ExpiresAt: &at})
	if err != nil {
		t.Fatal(err)
	}
	end := at.Truncate(time.Second)
	f.clock = end.Add(-time.Nanosecond)
	if g := f.refused(secret, nil); !g.ExpiresAt.Equal(end) || KeyState(key, sub, f.clock) != KeyActive {
		t.Errorf("expires at %v, state %s", g.ExpiresAt, KeyState(key, sub, f.clock))
	}
	f.clock = end
	f.refused(secret, ErrKeyExpired)
	if KeyState(key, sub, f.clock) != KeyExpired {
		t.Error("not expired")
	}
	if _, err := f.DeactivateKey(t.Context(), admin, key.ID); err != nil {
		t.Error(err)
	}
	f.refused(secret, ErrKeyDeactivated)
}

func TestBadInput(t *testing.T) {
	f := newFixture(t)
	sub := f.subscribe("m1")
	past, now := f.clock.Add(-time.Hour), f.clock
	never := time.Date(9999, 12, 31, 23, 59, 59, 0, time.FixedZone("", -3600))
	many := make([]string, 201)
	for i := range many {
		many[i] = strings.Repeat("x", i+1)
	}
	long := strings.Repeat("i", 5000)
	for name, c := range map[string]struct {
		key   CreateKey
		kind  fault.Kind
		field string
	}{
		"no name":             {CreateKey{SubscriptionID: sub.ID}, fault.Invalid, "name"},
		"blank name":          {CreateKey{SubscriptionID: sub.ID, Name: " \t\u00a0"}, fault.Invalid, "name"},
		"long name":           {CreateKey{SubscriptionID: sub.ID, Name: strings.Repeat("ä", 101)}, fault.Invalid, "name"},
		"control character":   {CreateKey{SubscriptionID: sub.ID, Name: "a\x00b"}, fault.Invalid, "name"},
		"direction character": {CreateKey{SubscriptionID: sub.ID, Name: "a\u202eb"}, fault.Invalid, "name"},
		"broken UTF-8":        {CreateKey{SubscriptionID: sub.ID, Name: "a\xffb"}, fault.Invalid, "name"},
		"empty model":         {CreateKey{SubscriptionID: sub.ID, Name: "a", Models: []string{""}}, fault.Invalid, "models"},
		"long model":          {CreateKey{SubscriptionID: sub.ID, Name: "a", Models: []string{strings.Repeat("m", 256)}}, fault.Invalid, "models"},
		"broken model":        {CreateKey{SubscriptionID: sub.ID, Name: "a", Models: []string{"m\xff"}}, fault.Invalid, "models"},
		"many models":         {CreateKey{SubscriptionID: sub.ID, Name: "a", Models: many}, fault.Invalid, "models"},
		"model not granted":   {CreateKey{SubscriptionID: sub.ID, Name: "a", Models: []string{"m1", "m2"}}, fault.Invalid, "models"},
		"past expiry":         {CreateKey{SubscriptionID: sub.ID, Name: "a", ExpiresAt: &past}, fault.Invalid, "expires_at"},
		"expiry now":          {CreateKey{SubscriptionID: sub.ID, Name: "a", ExpiresAt: &now}, fault.Invalid, "expires_at"},
		"expiry never":        {CreateKey{SubscriptionID: sub.ID, Name: "a", ExpiresAt: &never}, fault.Invalid, "expires_at"},
		"no subscription":     {CreateKey{Name: "a"}, fault.NotFound, ""},
		"unknown":             {CreateKey{SubscriptionID: "sub_x", Name: "a"}, fault.NotFound, ""},
		"impossible":          {CreateKey{SubscriptionID: long, Name: "a"}, fault.NotFound, ""},
	} {
		t.Run(name, func(t *testing.T) {
			key, secret, err := f.CreateKey(t.Context(), admin, c.key)
			isFault(t, err, c.kind, c.field)
			if key.ID != "" || secret.Reveal() != "" {
				t.Error("a key came with the error")
			}
		})
	}
	for _, id := range []string{"", "x", "\x00", long} {
		_, err := f.GetKey(t.Context(), admin, id)
		isFault(t, err, fault.NotFound, "")
		_, err = f.DeactivateKey(t.Context(), admin, id)
		isFault(t, err, fault.NotFound, "")
		_, err = f.GetSubscription(t.Context(), admin, id)
		isFault(t, err, fault.NotFound, "")
		_, err = f.CancelSubscription(t.Context(), admin, id, "")
		isFault(t, err, fault.NotFound, "")
		_, err = f.CreateSubscription(t.Context(), admin, CreateSubscription{TenantID: id, ProductID: "p"})
		isFault(t, err, fault.NotFound, "")
	}
	_, err := f.CreateSubscription(t.Context(), admin, CreateSubscription{TenantID: sub.TenantID})
	isFault(t, err, fault.Invalid, "product_id")
	_, err = f.CreateSubscription(t.Context(), admin, CreateSubscription{TenantID: sub.TenantID, ProductID: "p", Models: many})
	isFault(t, err, fault.Invalid, "models")
	if keys, _, err := f.ListKeys(t.Context(), admin, KeyFilter{}, "", 0); err != nil || len(keys) != 0 {
		t.Errorf("keys were made: %v, %v", keys, err)
	}
}

func TestSuspendedTenant(t *testing.T) {
	f := newFixture(t)
	sub := f.subscribe()
	key, secret := f.key(sub.ID, "one")
	f.setTenantState(sub.TenantID, identity.TenantSuspended)
	f.refused(secret, ErrTenantSuspended)
	_, _, err := f.CreateKey(t.Context(), admin, CreateKey{SubscriptionID: sub.ID, Name: "two"})
	isFault(t, err, fault.State, "")
	_, err = f.CreateSubscription(t.Context(), admin, CreateSubscription{TenantID: sub.TenantID, ProductID: "p"})
	isFault(t, err, fault.State, "")
	f.setTenantState(sub.TenantID, identity.TenantActive)
	f.refused(secret, nil)
	f.setTenantState(sub.TenantID, identity.TenantSuspended)
	if why := f.revocations(key.ID); len(why) != 2 || why[0] != ErrTenantSuspended {
		t.Errorf("revocations %v", why)
	}
	// What has been refused already is not revoked once more.
	if _, err := f.CancelSubscription(t.Context(), admin, sub.ID, ""); err != nil {
		t.Fatal(err)
	}
	f.refused(secret, ErrSubscriptionCancelled)
	if why := f.revocations(key.ID); len(why) != 2 {
		t.Errorf("revocations %v", why)
	}
}

func TestListPages(t *testing.T) {
	f := newFixture(t)
	sub, other := f.subscribe(), f.subscribe()
	want := map[string]bool{}
	for _, name := range []string{"a", "b", "c", "d", "e"} {
		k, _ := f.key(sub.ID, name)
		want[k.ID] = true
	}
	f.key(other.ID, "a")
	for _, filter := range []KeyFilter{{SubscriptionID: sub.ID}, {TenantID: sub.TenantID}} {
		got, after := map[string]bool{}, ""
		for {
			page, next, err := f.ListKeys(t.Context(), admin, filter, after, 2)
			if err != nil || len(page) > 2 {
				t.Fatal(page, err)
			}
			for _, k := range page {
				got[k.ID] = want[k.ID]
			}
			if after = next; next == "" {
				break
			}
		}
		if len(got) != len(want) {
			t.Errorf("%+v gives %v", filter, got)
		}
	}
	// A key of a subscription is no key of another tenant.
	if k, _, err := f.ListKeys(t.Context(), admin, KeyFilter{SubscriptionID: sub.ID, TenantID: other.TenantID}, "", 0); err != nil || len(k) != 0 {
		t.Errorf("%d keys, %v", len(k), err)
	}
	if list, _, err := f.ListSubscriptions(t.Context(), admin, sub.TenantID, "", 0); err != nil || len(list) != 1 || list[0].ID != sub.ID {
		t.Errorf("subscriptions %v, %v", list, err)
	}
	if list, _, err := f.ListSubscriptions(t.Context(), admin, "", "", 0); err != nil || len(list) != 2 {
		t.Errorf("subscriptions %v, %v", list, err)
	}
}
