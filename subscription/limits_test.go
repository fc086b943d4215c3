package subscription

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"llmhub/fault"
	"llmhub/identity"
	"llmhub/limit"
)

// scopes returns what a key's requests for a model fall into now, as "ID rule".
func (f *fixture) scopes(s Secret, model string) []string {
	f.t.Helper()
	var all []string
	for _, scope := range f.refused(s, nil).Scopes(model) {
		all = append(all, fmt.Sprint(scope.ID, " ", scope.Rules.Concurrency, " ", scope.Rules.MonthlyTokens))
	}
	return all
}

func TestLimitsAreInForceAtOnce(t *testing.T) {
	f := newFixture(t)
	sub := f.subscribe("a", "b/c")
	made, secret, err := f.CreateKey(t.Context(), admin, CreateKey{SubscriptionID: sub.ID, Name: "k", Limits: limit.Rules{Concurrency: 1, MonthlyAmount: "5"}})
	if err != nil || made.Limits != (limit.Rules{Concurrency: 1, MonthlyAmount: "5.00"}) {
		t.Fatal(made.Limits, err)
	}
	expect := func(model string, want ...string) {
		t.Helper()
		if got := f.scopes(secret, model); !slices.Equal(got, want) {
			t.Errorf("for %s: %q, want %q", model, got, want)
		}
	}
	expect("a", made.ID+" 1 0")
	if k, err := f.SetKeyLimits(t.Context(), admin, made.ID, limit.Rules{MonthlyTokens: 7}); err != nil || k.Limits.MonthlyTokens != 7 {
		t.Fatal(k, err)
	}
	expect("a", made.ID+" 0 7")
	for model, n := range map[string]int64{"": 2, "b/c": 3} {
		if _, err := f.SetSubscriptionLimits(t.Context(), admin, sub.ID, model, limit.Rules{Concurrency: n}); err != nil {
			t.Fatal(err)
		}
	}
	expect("a", made.ID+" 0 7", sub.ID+" 2 0")
	expect("b/c", made.ID+" 0 7", sub.ID+" 2 0", sub.ID+"/b/c 3 0")
	held := f.refused(secret, nil)
	if _, err := f.SetKeyLimits(t.Context(), admin, made.ID, limit.Rules{DryRun: true}); err != nil {
		t.Fatal(err)
	}
	for _, model := range []string{"", "b/c"} {
		if _, err := f.SetSubscriptionLimits(t.Context(), admin, sub.ID, model, limit.Rules{}); err != nil {
			t.Fatal(err)
		}
	}
	expect("b/c")
	if n := len(held.Scopes("b/c")); n != 3 {
		t.Errorf("a grant that a request holds has changed: %d scopes", n)
	}
	if s, err := f.GetSubscription(t.Context(), admin, sub.ID); err != nil || len(s.ModelLimits) != 0 {
		t.Errorf("%+v, %v", s, err)
	}
}

func TestChangesOfLimitsAreKept(t *testing.T) {
	f := newFixture(t)
	sub := f.subscribe()
	key, _ := f.key(sub.ID, "k")
	for range 2 { // what changes nothing is no change
		if _, err := f.SetKeyLimits(t.Context(), admin, key.ID, limit.Rules{MonthlyTokens: 5}); err != nil {
			t.Fatal(err)
		}
		if _, err := f.SetSubscriptionLimits(t.Context(), admin, sub.ID, "m", limit.Rules{MonthlyAmount: "2.5"}); err != nil {
			t.Fatal(err)
		}
	}
	entries, _, err := identity.NewAudit(f.store).List(t.Context(), identity.AuditQuery{}, "", 100)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]int{}
	for _, e := range entries {
		seen[e.Action]++
		text := string(e.Before) + "→" + string(e.After)
		if e.Action == "key.limits" && (!strings.Contains(text, `→`) || !strings.Contains(string(e.After), `"monthly_tokens":5`) || strings.Contains(string(e.Before), "monthly_tokens")) ||
			e.Action == "subscription.limits" && !strings.Contains(string(e.After), `"m":{"monthly_amount":"2.50"}`) {
			t.Errorf("%s: %s", e.Action, text)
		}
	}
	if seen["key.limits"] != 1 || seen["subscription.limits"] != 1 {
		t.Errorf("kept are %v", seen)
	}
}

func TestWhoMaySetLimits(t *testing.T) {
	f := newFixture(t)
	sub := f.subscribe("a")
	key, _ := f.key(sub.ID, "k")
	rules := limit.Rules{Concurrency: 1}
	customer := func(tenant string, rights ...identity.Right) identity.Actor {
		return identity.Actor{Kind: identity.Customer, ID: "u", Name: "u", TenantID: tenant, Rights: rights}
	}
	for name, c := range map[string]struct {
		by                identity.Actor
		key, subscription fault.Kind
	}{
		"an operator":           {by: admin},
		"a buyer":               {by: customer(sub.TenantID, identity.Subscribe), subscription: fault.Forbidden},
		"a reader":              {customer(sub.TenantID, identity.Reports), fault.Forbidden, fault.Forbidden},
		"another tenant's user": {customer("ten_other", identity.Subscribe), fault.NotFound, fault.Forbidden},
	} {
		rules.Concurrency++
		if _, err := f.SetKeyLimits(t.Context(), c.by, key.ID, rules); !isKind(err, c.key) {
			t.Errorf("%s on a key: %v", name, err)
		}
		if _, err := f.SetSubscriptionLimits(t.Context(), c.by, sub.ID, "", rules); !isKind(err, c.subscription) {
			t.Errorf("%s on a subscription: %v", name, err)
		}
	}
}

func isKind(err error, kind fault.Kind) bool {
	f, ok := err.(*fault.Error)
	return err == nil && kind == 0 || ok && f.Kind == kind
}

func TestLimitsThatCannotBeSet(t *testing.T) {
	f := newFixture(t)
	sub := f.subscribe("a")
	key, _ := f.key(sub.ID, "k")
	gone, _ := f.key(sub.ID, "gone")
	if _, err := f.DeactivateKey(t.Context(), admin, gone.ID); err != nil {
		t.Fatal(err)
	}
	good, bad := limit.Rules{Concurrency: 1}, limit.Rules{Concurrency: -1}
	_, _, err := f.CreateKey(t.Context(), admin, CreateKey{SubscriptionID: sub.ID, Name: "n", Limits: bad})
	isFault(t, err, fault.Invalid, "concurrency")
	set := func(id string, r limit.Rules) error { _, err := f.SetKeyLimits(t.Context(), admin, id, r); return err }
	setSub := func(id, model string, r limit.Rules) error {
		_, err := f.SetSubscriptionLimits(t.Context(), admin, id, model, r)
		return err
	}
	isFault(t, set(key.ID, bad), fault.Invalid, "concurrency")
	isFault(t, set("key_none", good), fault.NotFound, "")
	isFault(t, set(gone.ID, good), fault.State, "")
	isFault(t, setSub(sub.ID, "", bad), fault.Invalid, "concurrency")
	isFault(t, setSub("sub_none", "", good), fault.NotFound, "")
	isFault(t, setSub(sub.ID, "other", good), fault.Invalid, "model")
	isFault(t, setSub(sub.ID, "a\x00", good), fault.Invalid, "model")
	all := f.subscribe()
	for i := range maxModelLimits {
		if err := setSub(all.ID, fmt.Sprint("m", i), good); err != nil {
			t.Fatal(err)
		}
	}
	isFault(t, setSub(all.ID, "one more", good), fault.Invalid, "model")
	if err := setSub(all.ID, "m1", limit.Rules{Concurrency: 9}); err != nil {
		t.Errorf("one that has limits: %v", err)
	}
	if _, err := f.CancelSubscription(t.Context(), admin, sub.ID, ""); err != nil {
		t.Fatal(err)
	}
	isFault(t, set(key.ID, good), fault.State, "")
	isFault(t, setSub(sub.ID, "", good), fault.State, "")
}

func TestScopesOfTheGate(t *testing.T) {
	f := newFixture(t)
	sub := f.subscribe("m1", "m2")
	key, _ := f.key(sub.ID, "app")
	bare, _ := f.key(sub.ID, "bare")
	budget, rate := limit.Rules{MonthlyTokens: 10}, limit.Rules{RequestsPerMinute: 10}
	for _, err := range []error{
		second(f.SetKeyLimits(t.Context(), admin, key.ID, budget)), second(f.SetKeyLimits(t.Context(), admin, bare.ID, rate)),
		second(f.SetSubscriptionLimits(t.Context(), admin, sub.ID, "", rate)), second(f.SetSubscriptionLimits(t.Context(), admin, sub.ID, "m2", budget)),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for id, want := range map[string]Scope{
		key.ID:         {KeyID: key.ID, KeyName: "app", Scope: limit.Scope{Rules: &budget}},
		bare.ID:        {KeyID: bare.ID, KeyName: "bare", Scope: limit.Scope{Rules: &rate}},
		sub.ID:         {Scope: limit.Scope{Rules: &rate}},
		sub.ID + "/m2": {Model: "m2", Scope: limit.Scope{Rules: &budget}},
		sub.ID + "/m1": {Model: "m1"},
	} {
		want.ID, want.TenantID, want.SubscriptionID, want.SubscriptionName = id, sub.TenantID, sub.ID, sub.Title()
		if got, found := f.gate.ScopeOf(id); !found || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, %v; want %+v", id, got, found, want)
		}
	}
	for _, id := range []string{"", "/", "key_", "key_nothing", "sub_nothing/m1"} {
		if s, found := f.gate.ScopeOf(id); found {
			t.Errorf("%q: %+v", id, s)
		}
	}
	if got, want := slices.Sorted(slices.Values(f.gate.BudgetIDs())), []string{key.ID, sub.ID + "/m2"}; !slices.Equal(got, want) {
		t.Errorf("budgets of %v, want %v", got, want)
	}
	if _, err := f.DeactivateKey(t.Context(), admin, key.ID); err != nil {
		t.Fatal(err)
	}
	if got := f.gate.BudgetIDs(); !slices.Equal(got, []string{sub.ID + "/m2"}) {
		t.Errorf("budgets of %v behind the deactivation", got)
	}
	if _, err := f.CancelSubscription(t.Context(), admin, sub.ID, ""); err != nil {
		t.Fatal(err)
	}
	if got := f.gate.BudgetIDs(); len(got) != 0 {
		t.Errorf("budgets of %v behind the end", got)
	}
}
