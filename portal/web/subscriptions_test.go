package web_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"llmhub/catalog"
	"llmhub/identity"
	"llmhub/portal/web"
	"llmhub/store"
	"llmhub/subscription"
)

// wants fails for each text that the answer lacks, or has although it starts with a minus.
func (a answer) wants(t *testing.T, status int, texts ...string) {
	t.Helper()
	if a.status != status {
		t.Errorf("status %d, want %d (to %q)", a.status, status, a.location())
	}
	for _, text := range texts {
		without, negative := strings.CutPrefix(text, "-")
		if strings.Contains(a.text, without) == negative {
			t.Errorf("contains %q: %v", without, negative)
		}
	}
}

// readOnly gives a user of a domain the right Reports alone.
func (f *fixture) readOnly(domain, owner, user string) {
	f.t.Helper()
	tenant, o := f.tenantOf(domain, owner)
	_, u := f.tenantOf(domain, user)
	if _, err := f.options.Users.Give(f.t.Context(), o.Actor(tenant), u.ID, []identity.Right{identity.Reports}); err != nil {
		f.t.Fatal(err)
	}
}

// subscriptionOf makes a further subscription of a tenant.
func (f *fixture) subscriptionOf(tenantID, product string) subscription.Subscription {
	f.t.Helper()
	s, err := f.options.Service.CreateSubscription(f.t.Context(), identity.Administrator(), subscription.CreateSubscription{TenantID: tenantID, ProductID: product})
	if err != nil {
		f.t.Fatal(err)
	}
	return s
}

// TestNotOnSale: on the day before the LLM Hub is published nobody finds it or gets it, whatever they send.
func TestNotOnSale(t *testing.T) {
	f := newFixture(t, func(o *web.Options) {
		o.Now = func() time.Time { return time.Date(2026, 1, 14, 12, 0, 0, 0, time.UTC) }
	})
	f.approve("D1", "owner.one")
	b := f.signIn("D1", "owner.one")
	b.get("/catalog").wants(t, http.StatusOK, "-llm-hub")
	b.get("/catalog/llm-hub").wants(t, http.StatusOK, "The product is not on sale", "-/catalog/llm-hub/subscribe")
	b.post("/catalog/llm-hub/subscribe").wants(t, http.StatusConflict, "The product is not on sale")
}

func TestDashboard(t *testing.T) {
	f := newFixture(t)
	tenant, _ := f.approve("D1", "owner.one")
	b := f.signIn("D1", "owner.one")
	if a := b.get("/dashboard"); a.status != http.StatusSeeOther || a.location() != "/subscriptions" {
		t.Errorf("%d to %q", a.status, a.location())
	}
	b.get("/workloads").wants(t, http.StatusOK, "Nothing is deployed yet", `href="/catalog?type=cce"`, `href="/workloads" aria-current="page"`)
	b.get("/subscriptions").wants(t, http.StatusOK, "No active subscription", `href="/catalog?type=llm"`)
	b.get("/subscriptions?state=cancelled").wants(t, http.StatusOK, "Nothing has been cancelled")

	s := f.subscriptionOf(tenant.ID, "llm-hub")
	k := f.key(s.ID, "one")
	f.commit(
		store.Event{Key: k.ID, Model: "m1", At: time.Now(), Tokens: store.Tokens{Input: 40_000, Output: 2_345}},
		store.Event{Key: k.ID, Model: "m1", At: time.Now().AddDate(0, -2, 0), Tokens: store.Tokens{Input: 7_000_000}},
	)
	b.get("/subscriptions").wants(t, http.StatusOK, "LLM Hub", s.ID, ">42,345<", "mailto:marketplace@example.com", "/"+s.ID+"/cancel", "/"+s.ID+"/agreement")
	b.get("/subscriptions?q=zzz").wants(t, http.StatusOK, "-"+s.ID, "No subscription fits “zzz”")
	b.get("/subscriptions?q=llm-h&state=nonsense").wants(t, http.StatusOK, s.ID)
	if _, err := f.options.Service.CancelSubscription(t.Context(), identity.Administrator(), s.ID, ""); err != nil {
		t.Fatal(err)
	}
	b.get("/subscriptions").wants(t, http.StatusOK, "-"+s.ID, "No active subscription")
	b.get("/subscriptions?state=cancelled").wants(t, http.StatusOK, s.ID, "-/cancel", "Ended", ">42,345<")
}

func TestSubscriptionsArePaged(t *testing.T) {
	f := newFixture(t)
	tenant, _ := f.approve("D1", "owner.one")
	for i := range 12 {
		f.subscriptionOf(tenant.ID, fmt.Sprintf("<i>product %d", i))
	}
	b := f.signIn("D1", "owner.one")
	first, second := b.get("/subscriptions"), b.get("/subscriptions?page=2")
	first.wants(t, http.StatusOK, "page=2", "-<i>product", "&lt;i&gt;product")
	if n, m := strings.Count(first.text, `scope="row"`), strings.Count(second.text, `scope="row"`); n != 10 || m != 2 {
		t.Errorf("%d and %d rows", n, m)
	}
}

func TestOtherTenantsSubscriptionsDoNotExist(t *testing.T) {
	f := newFixture(t)
	sub := f.subscribe("D1", "owner.one")
	k := f.key(sub, "theirs")
	f.approve("D2", "owner.two")
	b := f.signIn("D2", "owner.two")
	base := "/subscriptions/" + sub
	for _, path := range []string{"", "/agreement", "/cancel", "/keys/new", "/keys/" + k.ID, "/keys/" + k.ID + "/deactivate"} {
		b.get(base+path).wants(t, http.StatusNotFound, "-theirs")
	}
	for _, path := range []string{"/cancel", "/keys/new", "/keys/" + k.ID + "/deactivate"} {
		b.post(base+path, "name", "mine").wants(t, http.StatusNotFound, "-"+subscription.Prefix)
	}
	b.get("/subscriptions").wants(t, http.StatusOK, "-"+sub)
	own := f.subscriptionOf(f.tenantID("D2", "owner.two"), "llm-hub")
	b.get("/subscriptions/"+own.ID+"/keys/"+k.ID).wants(t, http.StatusNotFound)
	b.post("/subscriptions/"+own.ID+"/keys/"+k.ID+"/deactivate").wants(t, http.StatusNotFound)
	mine := f.key(own.ID, "mine")
	third := f.subscriptionOf(own.TenantID, "llm-hub")
	b.get("/subscriptions/"+third.ID+"/keys/"+mine.ID).wants(t, http.StatusNotFound)
}

func (f *fixture) tenantID(domain, user string) string {
	tenant, _ := f.tenantOf(domain, user)
	return tenant.ID
}

func TestCancelSubscription(t *testing.T) {
	f := newFixture(t)
	sub := f.subscribe("D1", "owner.one")
	for _, name := range []string{"a", "b", "c"} {
		f.key(sub, name)
	}
	f.readOnly("D1", "owner.one", "reader")
	path := "/subscriptions/" + sub
	reader := f.signIn("D1", "reader")
	reader.get(path).wants(t, http.StatusOK, "-/cancel", "-/keys/new", "-/deactivate")
	reader.get(path+"/cancel").wants(t, http.StatusForbidden, "Deployment/Subscription")
	reader.post(path+"/cancel").wants(t, http.StatusForbidden)

	b := f.signIn("D1", "owner.one")
	b.get(path+"/cancel").wants(t, http.StatusOK, "3 keys stop working at once", "cannot be undone", "Yes, cancel subscription", "No, I changed my mind")
	b.post(path+"/cancel", "reason", strings.Repeat("x", 501)).wants(t, http.StatusUnprocessableEntity, `id="reason-error"`, "xxx</textarea>")
	if a := b.post(path+"/cancel", "reason", "<b>moved"); a.status != http.StatusSeeOther || a.location() != path+"?done=subscription-cancelled" {
		t.Fatalf("%d to %q: %s", a.status, a.location(), a.text)
	}
	b.get(path+"?done=subscription-cancelled").wants(t, http.StatusOK, "None of its keys works any more", "This subscription has been cancelled", "&lt;b&gt;moved",
		"-/keys/new", "-/deactivate", `href="`+path+`/agreement"`, "Total of all 3 keys")
	if a := b.get(path + "/cancel"); a.status != http.StatusSeeOther || a.location() != path {
		t.Errorf("%d to %q", a.status, a.location())
	}
	b.post(path+"/cancel").wants(t, http.StatusConflict, "has been cancelled already")
	if a := b.get(path + "/keys/new"); a.status != http.StatusSeeOther || a.location() != path {
		t.Errorf("%d to %q", a.status, a.location())
	}
}

func TestAgreement(t *testing.T) {
	var products *catalog.Catalog
	f := newFixture(t, func(o *web.Options) {
		products = o.Catalog()
		o.Catalog = func() *catalog.Catalog { return products }
	})
	f.approve("D1", "owner.one")
	p, ok := products.Product("llm-hub")
	if !ok {
		t.Fatal("no LLM Hub")
	}
	var fields []string
	for _, d := range p.Consents() {
		fields = append(fields, "consent", d.ID+" "+d.Digest)
	}
	b := f.signIn("D1", "owner.one")
	a := b.post("/catalog/llm-hub/subscribe", fields...)
	path, code, _ := strings.Cut(a.location(), "?")
	if a.status != http.StatusSeeOther || code != "done=subscribed" {
		t.Fatalf("%d to %q: %s", a.status, a.location(), a.text)
	}
	b.get(a.location()).wants(t, http.StatusOK, "Your subscription is active", path+"/keys/new", "/integration", "http://localhost/v1")
	b.get(path).wants(t, http.StatusOK, "-Your subscription is active")
	page := b.get(path + "/agreement")
	page.wants(t, http.StatusOK, "owner.one", p.Version, "Read the document", "-replaced since")
	for _, d := range p.Consents() {
		page.wants(t, http.StatusOK, d.Digest, "/catalog/llm-hub/documents/"+d.ID)
	}
	b.lang = "de"
	b.get(path+"/agreement").wants(t, http.StatusOK, "Vereinbarung", "Dokument lesen", "-⟦")
	products = &catalog.Catalog{}
	b.get(path+"/agreement").wants(t, http.StatusOK, "gehört nicht mehr zum Katalog", "LLM Hub", p.Consents()[0].Digest)

	made := f.subscriptionOf(f.tenantID("D1", "owner.one"), "other")
	f.signIn("D1", "owner.one").get("/subscriptions/"+made.ID+"/agreement").wants(t, http.StatusOK, "No document was accepted here")
}
