package web_test

import (
	"net/http"
	"strings"
	"testing"

	"llmhub/identity"
	"llmhub/limit"
	"llmhub/metering"
	"llmhub/subscription"
)

// limits returns the limits of a key as they are kept.
func (f *fixture) limits(key string) limit.Rules {
	f.t.Helper()
	k, err := f.options.Service.GetKey(f.t.Context(), identity.Administrator(), key)
	if err != nil {
		f.t.Fatal(err)
	}
	return k.Limits
}

func (f *fixture) spend(tokens, reserved int64, amount string) {
	f.t.Helper()
	a, err := metering.ParseAmount(amount)
	if err != nil {
		f.t.Fatal(err)
	}
	f.spent = limit.BudgetState{SpentTokens: tokens, ReservedTokens: reserved, SpentAmount: a}
}

func TestLimitsOfAKey(t *testing.T) {
	f := newFixture(t)
	sub := f.subscribe("D1", "owner.one")
	key := f.key(sub, "k")
	path := "/subscriptions/" + sub + "/keys/" + key.ID
	b := f.signIn("D1", "owner.one")
	f.spend(12340, 1, "3.9999")
	b.get(path).wants(t, http.StatusOK, "has no limits of its own", path+"/limits")
	b.get(path+"/limits").wants(t, http.StatusOK, `name="monthly_amount"`, `inputmode="decimal"`, `name="concurrency"`, "in EUR")

	bad := b.post(path+"/limits", "monthly_amount", "25,00", "monthly_tokens", "50000", "concurrency", "many", "requests_per_minute", "0", "dry_run", "on")
	bad.wants(t, http.StatusUnprocessableEntity, `value="25,00"`, `value="50000"`, `value="many"`, `href="#monthly_amount"`, `href="#concurrency"`,
		`href="#requests_per_minute"`, `name="dry_run" checked`, "from 1 to 1000000000000")
	if got := f.limits(key.ID); !got.IsZero() {
		t.Errorf("a refused form has set %+v", got)
	}
	saved := b.post(path+"/limits", "monthly_amount", " 25.5 ", "monthly_tokens", "50000", "requests_per_minute", "60", "dry_run", "on")
	if saved.status != http.StatusSeeOther || saved.location() != path+"?done=limits-saved" {
		t.Fatalf("saving gives %d to %q: %s", saved.status, saved.location(), saved.text)
	}
	if got, want := f.limits(key.ID), (limit.Rules{MonthlyAmount: "25.50", MonthlyTokens: 50000, RequestsPerMinute: 60, DryRun: true}); got != want {
		t.Errorf("kept are %+v", got)
	}
	b.get(saved.location()).wants(t, http.StatusOK, "The limits are saved", "12,340 of 50,000 tokens, 24.6%", `<meter class="" min="0" max="1000" value="246"`, "€4.00 of €25.50, 15.6%",
		"Requests under way hold 1 token.", "Renews on 1 ", "Dry run", "<dd>60</dd>")
	b.get(path+"/limits").wants(t, http.StatusOK, `value="25.50"`, `value="50000"`, `value="60"`, `name="dry_run" checked`)
	b.lang = "de"
	b.get(path).wants(t, http.StatusOK, "12.340 von 50.000 Tokens, 24,6", "Laufende Anfragen halten 1 Token.", "Probelauf")
	b.lang = "en"
	list := "/subscriptions/" + sub
	if a := b.get(list); strings.Contains(a.text, "Budget 24") {
		t.Error("a budget that is far from used up is marked in the list")
	}
	f.spend(49999, 0, "0")
	b.get(list).wants(t, http.StatusOK, `class="badge warn">Budget 99.9%<`)
	f.spend(60000, 0, "0")
	b.get(list).wants(t, http.StatusOK, `class="badge bad">Budget 120.0%<`)
	b.get(path).wants(t, http.StatusOK, `<meter class="bad" min="0" max="1000" value="1000"`)
	b.post(path+"/limits").wants(t, http.StatusSeeOther)
	if got := f.limits(key.ID); !got.IsZero() {
		t.Errorf("after an empty form there are %+v", got)
	}
}

func TestLimitsOfANewKey(t *testing.T) {
	f := newFixture(t)
	path := "/subscriptions/" + f.subscribe("D1", "owner.one")
	b := f.signIn("D1", "owner.one")
	form := b.newKeyForm(path)
	b.get(path+"/keys/new").wants(t, http.StatusOK, `<details class="fold limits-optional"><summary>Limits (optional)`)
	bad := b.post(path+"/keys/new", "name", "n", "key_form", form, "monthly_tokens", "x", "expires_at", "soon")
	bad.wants(t, http.StatusUnprocessableEntity, `<details class="fold limits-optional" open>`, `value="x"`, `href="#monthly_tokens"`, `href="#expires_at"`)
	b.post(path+"/keys/new", "name", "n", "key_form", form, "monthly_tokens", "7").wants(t, http.StatusOK, "id=\"new-key\"")
	b.get(path).wants(t, http.StatusOK, ">n</a>")
	page, err := f.options.Service.KeyPage(t.Context(), identity.Administrator(), subscription.KeyQuery{SubscriptionID: strings.TrimPrefix(path, "/subscriptions/")})
	if err != nil || len(page.Keys) != 1 || page.Keys[0].Limits != (limit.Rules{MonthlyTokens: 7}) {
		t.Errorf("made is %+v, %v", page, err)
	}
}

func TestWhoSeesAndSetsLimits(t *testing.T) {
	f := newFixture(t)
	sub := f.subscribe("D1", "owner.one")
	key := f.key(sub, "k")
	gone := f.key(sub, "gone")
	service := f.options.Service
	if _, err := service.DeactivateKey(t.Context(), identity.Administrator(), gone.ID); err != nil {
		t.Fatal(err)
	}
	owner := f.signIn("D1", "owner.one")
	f.readOnly("D1", "owner.one", "reader")
	reader := f.signIn("D1", "reader")
	path := "/subscriptions/" + sub + "/keys/"
	for _, b := range []*browser{owner, reader} {
		if a := b.get(path + gone.ID); strings.Contains(a.text, gone.ID+"/limits") {
			t.Error("a deactivated key leads to its limits")
		}
	}
	if a := owner.get(path + gone.ID + "/limits"); a.location() != path+gone.ID {
		t.Errorf("the form of a deactivated key gives %d to %q", a.status, a.location())
	}
	if a := reader.get(path + key.ID); a.status != http.StatusOK || strings.Contains(a.text, key.ID+"/limits") {
		t.Errorf("a reader sees %d with a way to set limits", a.status)
	}
	reader.get(path+key.ID+"/limits").wants(t, http.StatusForbidden)
	reader.post(path+key.ID+"/limits", "concurrency", "1").wants(t, http.StatusForbidden)
	if got := f.limits(key.ID); !got.IsZero() {
		t.Errorf("a reader has set %+v", got)
	}
}

func TestLimitsOfASubscription(t *testing.T) {
	f := newFixture(t)
	sub := f.subscribe("D1", "owner.one")
	f.key(sub, "k")
	f.spend(24, 0, "1")
	customer, operator := f.signIn("D1", "owner.one"), f.operator()
	path, seen := "/operator/subscriptions/"+sub+"/limits", "/subscriptions/"+sub
	if a := customer.get(seen); strings.Contains(a.text, `id="limits"`) {
		t.Error("a subscription without limits shows some")
	}
	operator.get("/operator/subscriptions").wants(t, http.StatusOK, path)
	operator.get(path).wants(t, http.StatusOK, "has no limits", `<option value="m2">m2`)
	operator.get(path+"?model=m1").wants(t, http.StatusOK, "Set the limits of m1", `name="model" value="m1"`)
	operator.get(path+"?model=none").wants(t, http.StatusNotFound)
	bad := operator.post(path, "model", "m1", "concurrency", "0", "monthly_amount", "5")
	bad.wants(t, http.StatusUnprocessableEntity, `href="#concurrency"`, `value="5"`, `name="model" value="m1"`)
	operator.post(path, "concurrency", "3", "monthly_amount", "500").wants(t, http.StatusSeeOther)
	operator.post(path, "model", "m1", "monthly_tokens", "100").wants(t, http.StatusSeeOther)
	operator.get(path).wants(t, http.StatusOK, "<code>m1</code>", "24 of 100 tokens, 24.0%", path+"?model=m1#form", `value="500.00"`)
	a := customer.get(seen)
	a.wants(t, http.StatusOK, "All use together", "€1.00 of €500.00, 0.2%", "Limits of 1 model", "<code>m1</code>", "24 of 100 tokens, 24.0%")
	if strings.Contains(a.text, "/operator") {
		t.Error("a customer is led to the operator's pages")
	}
	customer.get(seen+"/consumption").wants(t, http.StatusOK, "€1.00 of €500.00, 0.2%")
	if a := customer.get(seen + "/consumption?month=2020-01"); strings.Contains(a.text, "<meter") {
		t.Error("another month shows this month's budget")
	}
	operator.post(path, "model", "m1").wants(t, http.StatusSeeOther)
	if s, err := f.options.Service.GetSubscription(t.Context(), identity.Administrator(), sub); err != nil || len(s.ModelLimits) != 0 || s.Limits.Concurrency != 3 {
		t.Errorf("left are %+v, %v", s, err)
	}
	operator.post(path, "model", strings.Repeat("m", 300), "concurrency", "1").wants(t, http.StatusUnprocessableEntity, `href="#model"`)
	if _, err := f.options.Service.CancelSubscription(t.Context(), identity.Administrator(), sub, ""); err != nil {
		t.Fatal(err)
	}
	if a := operator.get(path); a.status != http.StatusSeeOther {
		t.Errorf("a cancelled subscription gives %d", a.status)
	}
}
