package subscription

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"llmhub/fault"
	"llmhub/identity"
	"llmhub/store"
)

// profiles knows which tenants' profiles are approved, by documents as the real one does.
type profiles struct{ store.Collection[bool] }

func newProfiles(d store.Documents) profiles {
	return profiles{store.NewCollection[bool](d, "test_profile", nil)}
}

var errProfile = fault.New(fault.State, "", "the profile is in review")

func (p profiles) RequireApproved(ctx context.Context, tenantID string) (store.Write, error) {
	r, err := p.Get(ctx, tenantID)
	if err != nil || !r.Value {
		return store.Write{}, errProfile
	}
	return store.Write{Kind: p.Kind(), ID: tenantID, Expect: r.Version, Check: true}, nil
}

// approve approves a tenant's profile.
func (f *fixture) approve(tenant string) {
	f.t.Helper()
	w, err := newProfiles(f.store).Write(tenant, 0, true)
	if err != nil {
		f.t.Fatal(err)
	}
	f.put(w)
}

// user returns a user of the tenant.
func user(tenant string, rights ...identity.Right) identity.Actor {
	return identity.Actor{Kind: identity.Customer, ID: "usr_1", Name: "Jo", TenantID: tenant, Rights: rights}
}

// buyer returns a user who can subscribe, of a new tenant.
func (f *fixture) buyer() identity.Actor {
	tenant := f.tenant()
	f.approve(tenant)
	return user(tenant, identity.Subscribe)
}

var offer = Offer{
	ProductID: "llm-hub", Version: "2", Name: "LLM Hub", Models: []string{"m1", "m2"},
	Documents: []identity.Document{{ID: "eula", Title: "EULA", Version: "3", Digest: "sha256:aa"}, {ID: "terms", Title: "Terms", Version: "2026-01", Digest: "sha256:bb"}},
}

var accepted = []identity.Consent{{DocumentID: "terms", Digest: "sha256:bb"}, {DocumentID: "eula", Digest: "sha256:aa"}}

func TestSubscribe(t *testing.T) {
	f := newFixture(t)
	by := f.buyer()
	forged := []identity.Consent{accepted[0], {DocumentID: "eula", Digest: "sha256:aa", Title: "forged", ByName: "somebody else"}}
	sub, err := f.Subscribe(t.Context(), by, Subscribe{by.TenantID, offer, forged})
	if err != nil {
		t.Fatal(err)
	}
	stored, err := f.GetSubscription(t.Context(), by, sub.ID)
	if err != nil || stored.ProductVersion != "2" || stored.ProductName != "LLM Hub" || stored.CreatedBy != "Jo" ||
		stored.State != Active || strings.Join(stored.Models, " ") != "m1 m2" || len(stored.Consents) != 2 {
		t.Fatalf("%+v, %v", stored, err)
	}
	at := f.clock.Truncate(time.Second)
	for i, d := range offer.Documents {
		if want := (identity.Consent{DocumentID: d.ID, Title: d.Title, Version: d.Version, Digest: d.Digest, AcceptedAt: at, ByID: "usr_1", ByName: "Jo"}); stored.Consents[i] != want {
			t.Errorf("consent %+v, want %+v", stored.Consents[i], want)
		}
	}
	_, secret, err := f.CreateKey(t.Context(), by, CreateKey{SubscriptionID: sub.ID, Name: "k"})
	if err != nil {
		t.Fatal(err)
	}
	if g := f.refused(secret, nil); !g.Allows("m1") || g.Allows("m3") {
		t.Error("the key does not grant the offer's models")
	}
}

func TestConsents(t *testing.T) {
	f := newFixture(t)
	by := f.buyer()
	for name, c := range map[string]struct {
		accepted []identity.Consent
		kind     fault.Kind
		title    string
	}{
		"none":    {nil, fault.Invalid, "EULA"},
		"missing": {accepted[1:], fault.Invalid, "Terms"},
		"other":   {[]identity.Consent{{DocumentID: "privacy", Digest: "sha256:aa"}, accepted[0]}, fault.Invalid, "EULA"},
		"changed": {[]identity.Consent{accepted[1], {DocumentID: "terms", Digest: "sha256:old"}}, fault.Conflict, "Terms"},
		"empty":   {[]identity.Consent{accepted[1], {DocumentID: "terms"}}, fault.Conflict, "Terms"},
	} {
		_, err := f.Subscribe(t.Context(), by, Subscribe{by.TenantID, offer, c.accepted})
		isFault(t, err, c.kind, "accepted")
		if err != nil && !strings.Contains(err.Error(), c.title) {
			t.Errorf("%s: %v does not name %s", name, err, c.title)
		}
	}
	if list, _, err := f.ListSubscriptions(t.Context(), by, by.TenantID, "", 0); err != nil || len(list) != 0 {
		t.Errorf("subscribed to %v, %v", list, err)
	}
}

// What keeps somebody from subscribing comes in one order, and pages are told the same before.
func TestGating(t *testing.T) {
	f := newFixture(t)
	approved, review, suspended, suspendedReview := f.tenant(), f.tenant(), f.tenant(), f.tenant()
	f.approve(approved)
	f.approve(suspended)
	f.setTenantState(suspended, identity.TenantSuspended)
	f.setTenantState(suspendedReview, identity.TenantSuspended)
	buy, reports, profile := identity.Subscribe, identity.Reports, identity.ManageProfile
	for name, c := range map[string]struct {
		by     identity.Actor
		tenant string
		kind   fault.Kind
		text   string
	}{
		"all there":                {user(approved, buy), approved, 0, ""},
		"another tenant":           {user(review, buy), approved, fault.NotFound, "tenant"},
		"no tenant":                {user("", buy), "", fault.NotFound, "tenant"},
		"nobody":                   {identity.Actor{}, approved, fault.NotFound, "tenant"},
		"no rights":                {user(approved), approved, fault.Forbidden, "Reports"},
		"reports":                  {user(approved, reports), approved, fault.Forbidden, "Deployment/Subscription"},
		"profile":                  {user(approved, profile), approved, fault.Forbidden, "Deployment/Subscription"},
		"in review":                {user(review, buy), review, fault.State, "profile"},
		"suspended":                {user(suspended, buy), suspended, fault.State, "suspended"},
		"no right, suspended":      {user(suspended, reports), suspended, fault.Forbidden, "Deployment/Subscription"},
		"suspended and in review":  {user(suspendedReview, buy), suspendedReview, fault.State, "suspended"},
		"operator":                 {admin, approved, fault.Forbidden, "only a user of the tenant"},
		"operator, unknown tenant": {admin, "ten_x", fault.Forbidden, "only a user of the tenant"},
		"customer of none":         {user("ten_x", buy), "ten_x", fault.NotFound, "tenant"},
	} {
		ready := f.Ready(t.Context(), c.by, c.tenant)
		_, err := f.Subscribe(t.Context(), c.by, Subscribe{c.tenant, offer, nil}) // consents come behind
		if c.kind == 0 {
			isFault(t, err, fault.Invalid, "accepted")
			err = nil
		}
		if (ready == nil) != (err == nil) || ready != nil && ready.Error() != err.Error() {
			t.Errorf("%s: Ready says %v, Subscribe %v", name, ready, err)
		}
		if c.kind == 0 {
			continue
		}
		isFault(t, ready, c.kind, "")
		if ready != nil && !strings.Contains(ready.Error(), c.text) {
			t.Errorf("%s: %v does not speak of %q", name, ready, c.text)
		}
	}
	f.buyers = identity.NewBuyers(f.store, nil)
	isFault(t, f.Ready(t.Context(), user(approved, buy), approved), fault.State, "")
}

func TestSubscribeTwice(t *testing.T) {
	f := newFixture(t)
	by := f.buyer()
	if _, found, err := f.Existing(t.Context(), by, by.TenantID, offer.ProductID); found || err != nil {
		t.Fatal(found, err)
	}
	var wg sync.WaitGroup
	errs := make(chan error, 5)
	for range cap(errs) {
		wg.Go(func() {
			_, err := f.Subscribe(t.Context(), by, Subscribe{by.TenantID, offer, accepted})
			errs <- err
		})
	}
	wg.Wait()
	close(errs)
	done := 0
	for err := range errs {
		if err == nil {
			done++
		} else if !errors.Is(err, ErrSubscribed) {
			t.Error(err)
		}
	}
	first, found, err := f.Existing(t.Context(), by, by.TenantID, offer.ProductID)
	if done != 1 || !found || err != nil {
		t.Fatalf("%d subscriptions, found %v, %v", done, found, err)
	}
	other := offer
	other.ProductID = "LLM-hub"
	if _, err := f.Subscribe(t.Context(), by, Subscribe{by.TenantID, other, accepted}); err != nil {
		t.Errorf("another product: %v", err)
	}
	if _, err := f.CancelSubscription(t.Context(), by, first.ID, "not needed"); err != nil {
		t.Fatal(err)
	}
	if _, found, err := f.Existing(t.Context(), by, by.TenantID, offer.ProductID); found || err != nil {
		t.Fatal(found, err)
	}
	second, err := f.Subscribe(t.Context(), by, Subscribe{by.TenantID, offer, accepted})
	if err != nil || second.ID == first.ID {
		t.Fatalf("%+v, %v", second, err)
	}
	old, err := f.GetSubscription(t.Context(), by, first.ID)
	if err != nil || old.State != Cancelled || old.CancelledBy != "Jo" || old.CancelReason != "not needed" {
		t.Errorf("%+v, %v", old, err)
	}
}

// What an operator has subscribed a tenant to, a customer cannot subscribe to as well; operators may.
func TestSubscribeBesideOperators(t *testing.T) {
	f := newFixture(t)
	by := f.buyer()
	create := CreateSubscription{TenantID: by.TenantID, ProductID: offer.ProductID}
	made, err := f.CreateSubscription(t.Context(), admin, create)
	if err != nil {
		t.Fatal(err)
	}
	buy := func() error {
		_, err := f.Subscribe(t.Context(), by, Subscribe{by.TenantID, offer, accepted})
		return err
	}
	if err := buy(); !errors.Is(err, ErrSubscribed) {
		t.Errorf("beside an operator's: %v", err)
	}
	if sub, found, err := f.Existing(t.Context(), by, by.TenantID, offer.ProductID); !found || err != nil || sub.ID != made.ID {
		t.Errorf("%+v, %v, %v", sub, found, err)
	}
	if _, err := f.CancelSubscription(t.Context(), by, made.ID, ""); err != nil {
		t.Error(err)
	}
	if err := buy(); err != nil {
		t.Error(err)
	}
	more, err := f.CreateSubscription(t.Context(), admin, create)
	if err != nil {
		t.Fatal(err)
	}
	// Its end does not free the product for the customer, who has it.
	if _, err := f.CancelSubscription(t.Context(), admin, more.ID, ""); err != nil {
		t.Error(err)
	}
	if err := buy(); !errors.Is(err, ErrSubscribed) {
		t.Errorf("the customer's own: %v", err)
	}
	_, err = f.CreateSubscription(t.Context(), by, create)
	isFault(t, err, fault.Forbidden, "")
}

// Nothing of another tenant exists for a customer, and with Reports alone nothing can be changed.
func TestOtherTenants(t *testing.T) {
	f := newFixture(t)
	owner, stranger := f.buyer(), f.buyer()
	reader := user(owner.TenantID, identity.Reports)
	sub, err := f.Subscribe(t.Context(), owner, Subscribe{owner.TenantID, offer, accepted})
	if err != nil {
		t.Fatal(err)
	}
	key, _, err := f.CreateKey(t.Context(), owner, CreateKey{SubscriptionID: sub.ID, Name: "k"})
	if err != nil {
		t.Fatal(err)
	}
	calls := map[string]struct {
		call   func(by identity.Actor) error
		change bool
	}{
		"GetSubscription": {func(by identity.Actor) error { _, err := f.GetSubscription(t.Context(), by, sub.ID); return err }, false},
		"GetKey":          {func(by identity.Actor) error { _, err := f.GetKey(t.Context(), by, key.ID); return err }, false},
		"ListKeys": {func(by identity.Actor) error {
			_, _, err := f.ListKeys(t.Context(), by, KeyFilter{SubscriptionID: sub.ID}, "", 0)
			return err
		}, false},
		"ListKeys of a tenant": {func(by identity.Actor) error {
			_, _, err := f.ListKeys(t.Context(), by, KeyFilter{TenantID: owner.TenantID}, "", 0)
			return err
		}, false},
		"ListSubscriptions": {func(by identity.Actor) error {
			_, _, err := f.ListSubscriptions(t.Context(), by, owner.TenantID, "", 0)
			return err
		}, false},
		"KeyPage": {func(by identity.Actor) error {
			_, err := f.KeyPage(t.Context(), by, KeyQuery{SubscriptionID: sub.ID})
			return err
		}, false},
		"SubscriptionPage": {func(by identity.Actor) error {
			_, err := f.SubscriptionPage(t.Context(), by, SubscriptionQuery{TenantID: owner.TenantID})
			return err
		}, false},
		"KeysOf": {func(by identity.Actor) error {
			_, err := f.KeysOf(t.Context(), by, KeyFilter{SubscriptionID: sub.ID})
			return err
		}, false},
		"KeysOf a tenant": {func(by identity.Actor) error {
			_, err := f.KeysOf(t.Context(), by, KeyFilter{TenantID: owner.TenantID})
			return err
		}, false},
		"Existing": {func(by identity.Actor) error {
			_, _, err := f.Existing(t.Context(), by, owner.TenantID, offer.ProductID)
			return err
		}, false},
		"CreateKey": {func(by identity.Actor) error {
			_, _, err := f.CreateKey(t.Context(), by, CreateKey{SubscriptionID: sub.ID, Name: "stolen"})
			return err
		}, true},
		"DeactivateKey":      {func(by identity.Actor) error { _, err := f.DeactivateKey(t.Context(), by, key.ID); return err }, true},
		"CancelSubscription": {func(by identity.Actor) error { _, err := f.CancelSubscription(t.Context(), by, sub.ID, ""); return err }, true},
	}
	for name, c := range calls {
		for _, by := range []identity.Actor{stranger, {}, user("", identity.Subscribe)} {
			err := c.call(by)
			if isFault(t, err, fault.NotFound, ""); t.Failed() {
				t.Fatal(name, "as", by)
			}
		}
		isFault(t, c.call(user(owner.TenantID)), fault.Forbidden, "")
		if err := c.call(reader); c.change {
			isFault(t, err, fault.Forbidden, "")
		} else if err != nil {
			t.Errorf("%s with Reports: %v", name, err)
		}
	}
	for _, err := range []error{
		second(f.SubscriptionPage(t.Context(), owner, SubscriptionQuery{})), second(f.KeysOf(t.Context(), owner, KeyFilter{})),
	} {
		isFault(t, err, fault.NotFound, "") // all tenants' are for operators
	}
	if k, err := f.GetKey(t.Context(), owner, key.ID); err != nil || k.DeactivatedAt != nil {
		t.Errorf("%+v, %v", k, err)
	}
	if tenant, found := f.TenantOfKey(key.ID); !found || tenant != owner.TenantID {
		t.Errorf("the key is of %q, %v", tenant, found)
	}
	for _, id := range []string{"", "key_", "key_x", strings.TrimPrefix(key.ID, "key_")} {
		if tenant, found := f.TenantOfKey(id); found || tenant != "" {
			t.Errorf("%q is of %q", id, tenant)
		}
	}
}

func second[T any](_ T, err error) error { return err }

// puts notes what is put at once.
type puts struct {
	store.Documents
	all [][]store.Write
}

func (p *puts) Put(ctx context.Context, w ...store.Write) (store.Version, error) {
	p.all = append(p.all, w)
	return p.Documents.Put(ctx, w...)
}

// A change and its entry in the audit are one put, and the entry holds no hash.
func TestAuditIsPartOfTheChange(t *testing.T) {
	f := newFixture(t)
	by := f.buyer()
	p := &puts{Documents: f.store}
	s := NewService(Options{Documents: p, Hasher: f.hasher, Gate: f.gate, Profiles: newProfiles(p), Now: f.now})
	var sub Subscription
	var key Key
	for _, step := range []struct {
		action, kind string
		object       func() (id, name string)
		do           func() error
		before       bool
		reason       string
	}{
		{"subscription.subscribe", kindSubscription, func() (string, string) { return sub.ID, "LLM Hub" }, func() (err error) {
			sub, err = s.Subscribe(t.Context(), by, Subscribe{by.TenantID, offer, accepted})
			return err
		}, false, ""},
		{"key.create", kindKey, func() (string, string) { return key.ID, "k" }, func() (err error) {
			key, _, err = s.CreateKey(t.Context(), by, CreateKey{SubscriptionID: sub.ID, Name: "k"})
			return err
		}, false, ""},
		{"key.deactivate", kindKey, func() (string, string) { return key.ID, "k" }, func() (err error) {
			_, err = s.DeactivateKey(t.Context(), by, key.ID)
			return err
		}, true, ""},
		{"subscription.cancel", kindSubscription, func() (string, string) { return sub.ID, "LLM Hub" }, func() (err error) {
			_, err = s.CancelSubscription(t.Context(), by, sub.ID, " too dear\n")
			return err
		}, true, "too dear"},
	} {
		p.all = nil
		if err := step.do(); err != nil {
			t.Fatal(step.action, err)
		}
		id, name := step.object()
		changed, audited := 0, 0
		for _, put := range p.all {
			for _, w := range put {
				if w.Kind == step.kind && !w.Check {
					changed++
				}
				if w.Kind != "audit" {
					continue
				}
				audited++
				var c identity.Change
				if err := json.Unmarshal(w.Body, &c); err != nil || c.Action != step.action || c.ActorID != by.ID || c.TenantID != by.TenantID ||
					c.ObjectID != id || c.ObjectName != name || (c.Before != nil) != step.before || c.After == nil || c.Reason != step.reason {
					t.Errorf("%s: %+v, %v", step.action, c, err)
				}
				if strings.Contains(string(w.Body), `"hash"`) || strings.Contains(string(w.Body), `"scheme"`) {
					t.Errorf("the audit holds %s", w.Body)
				}
			}
		}
		if len(p.all) != 1 || changed != 1 || audited != 1 {
			t.Errorf("%s: %d puts, %d changes, %d entries", step.action, len(p.all), changed, audited)
		}
	}
	// What fails leaves no entry.
	p.all = nil
	if _, err := s.CancelSubscription(t.Context(), by, sub.ID, ""); err == nil || len(p.all) != 0 {
		t.Errorf("%v, %d puts", err, len(p.all))
	}
	_, err := s.CancelSubscription(t.Context(), by, sub.ID, strings.Repeat("ä", maxReasonRunes+1))
	isFault(t, err, fault.Invalid, "reason")
	_, err = s.CancelSubscription(t.Context(), by, sub.ID, "a\x00b")
	isFault(t, err, fault.Invalid, "reason")
}

func TestFormToken(t *testing.T) {
	f := newFixture(t)
	sub := f.subscribe()
	create := func(name, token string) error {
		_, _, err := f.CreateKey(t.Context(), admin, CreateKey{SubscriptionID: sub.ID, Name: name, FormToken: token})
		return err
	}
	for _, c := range []struct {
		name, token string
		again       bool
		kind        fault.Kind
	}{
		{"a", "one", false, 0}, {"a", "one", true, fault.Conflict}, {" A ", "one", true, fault.Conflict},
		{"a", "two", false, fault.Conflict}, {"a", "", false, fault.Conflict}, {"b", "one", false, 0},
		{"c", "", false, 0}, {"c", "", false, fault.Conflict}, {"c", "one", false, fault.Conflict},
		{"d", strings.Repeat("x", 64), false, 0}, {"e", strings.Repeat("x", 65), false, fault.Invalid}, {"e", "\xff", false, fault.Invalid},
	} {
		err := create(c.name, c.token)
		if faultKind(err) != c.kind || errors.Is(err, ErrAlreadyCreated) != c.again || err != nil && c.kind == 0 {
			t.Errorf("%q by %q: %v", c.name, c.token, err)
		}
	}
}

func faultKind(err error) fault.Kind {
	var e *fault.Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return 0
}
