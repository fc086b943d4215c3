package web_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"llmhub/fault"
	"llmhub/identity"
	"llmhub/portal/web"
	"llmhub/store"
	"llmhub/subscription"
)

var (
	keyText = regexp.MustCompile(regexp.QuoteMeta(subscription.Prefix) + `[a-z0-9]{40,}`)
	keyForm = regexp.MustCompile(`name="key_form" value="([^"]+)"`)
)

// newKeyForm opens the form of a new key and returns the token by which its repetition is known.
func (b *browser) newKeyForm(path string) string {
	b.t.Helper()
	m := keyForm.FindStringSubmatch(b.get(path + "/keys/new").text)
	if m == nil {
		b.t.Fatal("there is no form")
	}
	return m[1]
}

func TestNewKey(t *testing.T) {
	f := newFixture(t)
	path := "/subscriptions/" + f.subscribe("D1", "owner.one")
	b := f.signIn("D1", "owner.one")
	form := b.newKeyForm(path)
	if form == b.newKeyForm(path) {
		t.Error("two forms have the same token")
	}
	made := b.post(path+"/keys/new", "name", "chat & co", "key_form", form)
	made.wants(t, http.StatusOK, "chat &amp; co", "http://localhost/v1/chat/completions", "$LLM_HUB_KEY", "&#34;m1&#34;", `closedby="none"`, `action="`+path+`"`)
	shown := keyText.FindAllString(made.text, -1)
	if len(shown) != 1 {
		t.Fatalf("the key is there %d times", len(shown))
	}
	key := shown[0]
	if !strings.Contains(made.text, `value="`+key+`" readonly`) {
		t.Error("the key is not in a field of its own")
	}
	if made.header.Get("Cache-Control") != "no-store" || made.header.Get("Content-Encoding") != "" {
		t.Errorf("headers %v", made.header)
	}
	for name, values := range made.header {
		if strings.Contains(strings.Join(values, " "), key) {
			t.Errorf("the key is in header %s", name)
		}
	}

	again := b.post(path+"/keys/new", "name", "chat & co", "key_form", form)
	again.wants(t, http.StatusConflict, "cannot be shown again", `href="`+path+`"`, "-"+key)
	list := b.get(path)
	list.wants(t, http.StatusOK, "chat &amp; co", "-"+key, "Total of 1 key")
	if !strings.Contains(list.text, key[:18]) {
		t.Error("the list does not show the key's beginning")
	}
	for _, text := range []string{again.text, f.log.String()} {
		if keyText.MatchString(text) {
			t.Error("a key is where it must not be")
		}
	}
	if a := b.post(path+"/keys/new", "name", "another", "key_form", form); keyText.FindString(a.text) == "" || keyText.FindString(a.text) == key {
		t.Errorf("the form cannot be used for another key: %d", a.status)
	}
}

func TestNewKeyRefused(t *testing.T) {
	f := newFixture(t)
	sub := f.subscribe("D1", "owner.one")
	path := "/subscriptions/" + sub
	f.key(sub, "Taken")
	b := f.signIn("D1", "owner.one")
	for _, c := range []struct {
		name   string
		fields []string
		want   []string
	}{
		{"no name", []string{"name", " "}, []string{`href="#name"`, `id="name-error"`, "must not be empty"}},
		{"name taken", []string{"name", "taken", "expires_at", "2999-01-02"}, []string{`value="taken"`, `value="2999-01-02"`, "has a key of this name already"}},
		{"markup", []string{"name", "<script>\x07"}, []string{`value="&lt;script&gt;`, "-<script>\x07", "control characters"}},
		{"no day", []string{"name", "n", "expires_at", "tomorrow"}, []string{`href="#expires_at"`, "must be a day such as"}},
		{"day over", []string{"name", "n", "expires_at", "2020-01-02"}, []string{`id="expires_at-error"`, "must be in the future"}},
		{"no model", []string{"name", "n", "model", ""}, []string{`href="#models"`, "is not the name of a model"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			form := b.newKeyForm(path)
			a := b.post(path+"/keys/new", append(c.fields, "key_form", form)...)
			a.wants(t, http.StatusUnprocessableEntity, append(c.want, `value="`+form+`"`)...)
			if keyText.MatchString(a.text) {
				t.Error("a key is shown")
			}
		})
	}
	if keys, err := f.options.Service.KeysOf(t.Context(), identity.Administrator(), subscription.KeyFilter{SubscriptionID: sub}); err != nil || len(keys) != 1 {
		t.Errorf("%d keys, %v", len(keys), err)
	}
	b.lang = "de"
	b.post(path+"/keys/new", "name", "taken").wants(t, http.StatusUnprocessableEntity, "bereits einen Schlüssel dieses Namens", "-⟦")
}

// A key restricted to models and to a day is made as the form says; the day is over when it is in the billing zone.
func TestNewKeyRestricted(t *testing.T) {
	f := newFixture(t)
	sub := f.subscribe("D1", "owner.one")
	path := "/subscriptions/" + sub
	b := f.signIn("D1", "owner.one")
	b.post(path+"/keys/new", "name", "narrow", "expires_at", "2999-07-31", "model", "m2").wants(t, http.StatusOK, "&#34;m2&#34;", "-&#34;m1&#34;")
	page, err := f.options.Service.KeyPage(t.Context(), identity.Administrator(), subscription.KeyQuery{SubscriptionID: sub})
	if err != nil || len(page.Keys) != 1 {
		t.Fatal(page, err)
	}
	k := page.Keys[0]
	if want := time.Date(2999, 7, 31, 22, 0, 0, 0, time.UTC); k.ExpiresAt == nil || !k.ExpiresAt.Equal(want) || len(k.Models) != 1 || k.Models[0] != "m2" {
		t.Errorf("%+v", k)
	}
	b.get(path+"/keys/"+k.ID).wants(t, http.StatusOK, "<code>m2</code>", "1 Aug 2999, 00:00")
}

func TestWhoMakesKeys(t *testing.T) {
	f := newFixture(t)
	sub := f.subscribe("D1", "owner.one")
	path := "/subscriptions/" + sub
	k := f.key(sub, "one")
	f.readOnly("D1", "owner.one", "reader")
	reader := f.signIn("D1", "reader")
	reader.get(path+"/keys/new").wants(t, http.StatusForbidden, "Deployment/Subscription")
	reader.post(path+"/keys/new", "name", "mine").wants(t, http.StatusForbidden, "-"+subscription.Prefix)
	reader.get(path+"/keys/"+k.ID).wants(t, http.StatusOK, "-/deactivate")
	reader.get(path+"/keys/"+k.ID+"/deactivate").wants(t, http.StatusForbidden)
	reader.post(path+"/keys/"+k.ID+"/deactivate").wants(t, http.StatusForbidden)
	f.operator().get(path).wants(t, http.StatusNotFound)
	if a := f.browser().get(path); a.status != http.StatusSeeOther || a.location() != "/login?next="+url.QueryEscape(path) {
		t.Errorf("%d to %q", a.status, a.location())
	}

	b := f.signIn("D1", "owner.one")
	token := b.token()
	if _, err := f.options.Tenants.Suspend(t.Context(), identity.Administrator(), f.tenantID("D1", "owner.one"), "unpaid"); err != nil {
		t.Fatal(err)
	}
	b.get(path).wants(t, http.StatusOK, "-/keys/new", "/cancel", "Your organization is suspended", "Reason: unpaid")
	b.get(path+"/keys/new").wants(t, http.StatusOK, "disabled>")
	a := b.send(path+"/keys/new", url.Values{"form_token": {token}, "name": {"x"}})
	a.wants(t, http.StatusUnprocessableEntity, "The tenant is suspended", "-"+subscription.Prefix)
}

func TestKeyList(t *testing.T) {
	f := newFixture(t)
	sub := f.subscribe("D1", "owner.one")
	path := "/subscriptions/" + sub
	b := f.signIn("D1", "owner.one")
	b.get(path).wants(t, http.StatusOK, "No key yet", path+"/keys/new")

	one, two := f.key(sub, "<b>one"), f.key(sub, "two")
	october := time.Date(2025, 10, 31, 22, 59, 0, 0, time.UTC) // the last minute of that month in Berlin
	f.commit(
		store.Event{Key: one.ID, Model: "m1", At: october, Tokens: store.Tokens{Input: 1000, Output: 234}},
		store.Event{Key: two.ID, Model: "m1", At: october, Tokens: store.Tokens{Input: 100_000}},
		store.Event{Key: two.ID, Model: "m1", At: october.Add(time.Minute), Tokens: store.Tokens{Input: 5_000_000}},
	)
	if _, err := f.options.Service.DeactivateKey(t.Context(), identity.Administrator(), two.ID); err != nil {
		t.Fatal(err)
	}
	b.get(path).wants(t, http.StatusOK, "&lt;b&gt;one", "-<b>one", "Inactive", "Total of all 2 keys", "-101,234", "/"+one.ID+"/deactivate", "-/"+two.ID+"/deactivate",
		one.Prefix+"…", "Europe/Berlin")
	b.get(path+"?from=2025-10-01&to=2025-10-31").wants(t, http.StatusOK, ">1,234<", ">100,000<", ">101,234<", "October 2025", "from=2025-11-01&amp;to=2025-11-30")
	b.get(path+"?from=2025-11-01&to=2025-11-01").wants(t, http.StatusOK, ">5,000,000<", "1 November 2025", "-101,234")
	// The total is that of all keys, whatever is searched for.
	b.get(path+"?from=2025-10-01&to=2025-10-31&q=one").wants(t, http.StatusOK, ">1,234<", "->100,000<", ">101,234<")
	b.get(path+"?state=deactivated").wants(t, http.StatusOK, "two", "-&lt;b&gt;one")
	b.get(path+"?q="+url.QueryEscape("<i>")).wants(t, http.StatusOK, "No key fits", "-<i>", "Total of all 2 keys")
	b.get(path+"?sort=name").wants(t, http.StatusOK, `value="name" selected`)
	b.get(path+"?sort=odd").wants(t, http.StatusUnprocessableEntity)
	for _, bad := range []string{"from=2025-10-02&to=2025-10-01", "from=odd", "to=2025-02-30", "from=1990-01-01&to=2025-01-01"} {
		b.get(path+"?"+bad).wants(t, http.StatusUnprocessableEntity, `role="alert"`, "Total of all 2 keys")
	}
	b.lang = "de"
	b.get(path+"?from=2025-10-02&to=2025-10-01").wants(t, http.StatusUnprocessableEntity, "darf nicht vor dem ersten Tag liegen", "-⟦")
	b.get(path+"?from=2025-10-01&to=2025-10-31").wants(t, http.StatusOK, ">101.234<", "Oktober 2025")
}

func TestKeysArePaged(t *testing.T) {
	f := newFixture(t)
	sub := f.subscribe("D1", "owner.one")
	for i := range 52 {
		f.key(sub, fmt.Sprintf("key-%02d", i))
	}
	b := f.signIn("D1", "owner.one")
	b.get("/subscriptions/"+sub+"?sort=name").wants(t, http.StatusOK, "key-49", "-key-50", "page=2&amp;sort=name", "Total of all 52 keys")
	b.get("/subscriptions/"+sub+"?sort=name&page=2").wants(t, http.StatusOK, "-key-49", "key-50", "key-51", "Total of all 52 keys")
}

func TestKeysLeadToTheirSubscription(t *testing.T) {
	f := newFixture(t)
	tenant, _ := f.approve("D1", "owner.one")
	b := f.signIn("D1", "owner.one")
	b.get("/keys").wants(t, http.StatusOK, "Keys come with a subscription", `href="/catalog?type=llm"`)
	first := f.subscriptionOf(tenant.ID, "llm-hub")
	if a := b.get("/keys"); a.status != http.StatusSeeOther || a.location() != "/subscriptions/"+first.ID {
		t.Errorf("%d to %q", a.status, a.location())
	}
	second := f.subscriptionOf(tenant.ID, "other")
	b.get("/keys").wants(t, http.StatusOK, `href="/subscriptions/`+first.ID, `href="/subscriptions/`+second.ID, "0 active keys")
}

func TestSingleRequests(t *testing.T) {
	f := newFixture(t)
	sub := f.subscribe("D1", "owner.one")
	k := f.key(sub, "one")
	path := "/subscriptions/" + sub + "/keys/" + k.ID
	b := f.signIn("D1", "owner.one")
	b.get(path).wants(t, http.StatusOK, "No request yet", "Never", k.Prefix+"…")

	at := time.Date(2025, 3, 30, 1, 30, 7, 0, time.UTC) // 3:30 in Berlin, where the clocks have just been changed
	var events []store.Event
	for i := range 60 {
		events = append(events, store.Event{
			Key: k.ID, Model: fmt.Sprintf("model-%02d", i), At: at.Add(time.Duration(i) * time.Second), Duration: 1240 * time.Millisecond,
			Tokens: store.Tokens{Input: 12_345, CachedInput: 6_789, Output: 456, Reasoning: 321},
		})
	}
	last := &events[59]
	last.Provenance, last.Recovered, last.Tokens.Estimated = store.FromPartial, true, 1
	f.commit(events...)
	first := b.get(path)
	first.wants(t, http.StatusOK, "model-59", "model-10", "-model-09", ">12,345<", ">6,789<", ">456<", ">321<", ">1.24 s<", "30 Mar 2025", "03:31:06",
		"Broken off", "Recovered", "1 token estimated", "Model server", events[59].ID.String(), "-up/m")
	older := regexp.MustCompile(`href="(` + regexp.QuoteMeta(path) + `\?cursor=[^"]+)"`).FindStringSubmatch(first.text)
	if older == nil {
		t.Fatal("nothing leads to older requests")
	}
	b.get(older[1]).wants(t, http.StatusOK, "model-09", "model-00", "-model-10", `href="`+path+`"`, "-Older")
	b.get(path+"?cursor=odd").wants(t, http.StatusNotFound)
	b.lang = "de"
	b.get(path).wants(t, http.StatusOK, "Abgebrochen", "1,24 s", "Modellserver", "-⟦")
}

func TestDeactivateKey(t *testing.T) {
	f := newFixture(t)
	sub := f.subscribe("D1", "owner.one")
	k := f.key(sub, "one")
	path := "/subscriptions/" + sub + "/keys/" + k.ID
	b := f.signIn("D1", "owner.one")
	b.get(path+"/deactivate").wants(t, http.StatusOK, "Deactivate the key “one”?", "cannot be undone", "Never")
	f.commit(store.Event{Key: k.ID, Model: "m1", At: time.Now(), Tokens: store.Tokens{Input: 4321}})
	b.get(path+"/deactivate").wants(t, http.StatusOK, "-Never", ">4,321<")
	if a := b.post(path + "/deactivate"); a.status != http.StatusSeeOther || a.location() != "/subscriptions/"+sub+"?done=key-deactivated" {
		t.Fatalf("%d to %q", a.status, a.location())
	}
	b.get("/subscriptions/"+sub+"?done=key-deactivated").wants(t, http.StatusOK, "The key is deactivated", ">4,321<", "Inactive")
	b.post(path+"/deactivate").wants(t, http.StatusConflict, "deactivated already")
	if a := b.get(path + "/deactivate"); a.status != http.StatusSeeOther || a.location() != path {
		t.Errorf("%d to %q", a.status, a.location())
	}
	b.get(path).wants(t, http.StatusOK, "Deactivated", "owner.one", "-/deactivate")
	if _, err := f.options.Service.DeactivateKey(t.Context(), identity.Administrator(), k.ID); !errors.Is(err, &fault.Error{Kind: fault.State}) {
		t.Error(err)
	}
}

// forgetful is a ledger whose retention is over for all requests.
type forgetful struct{ store.Ledger }

func (forgetful) Events(context.Context, store.EventQuery) ([]store.Event, string, error) {
	return nil, "", nil
}

// TestKeptRequests: where single requests are kept for a time only, the page says so, be there any left or not.
func TestKeptRequests(t *testing.T) {
	const kept = "Single requests are kept for 30 days. Consumption by day and month stays."
	for _, c := range []struct {
		ledger func(store.Ledger) store.Ledger
		then   []string
	}{
		{func(l store.Ledger) store.Ledger { return l }, []string{kept, "model-1", "-No request"}},
		{func(l store.Ledger) store.Ledger { return forgetful{l} }, []string{kept, "No request lately", "-No request yet"}},
	} {
		f := newFixture(t, func(o *web.Options) { o.RequestRetentionDays, o.Ledger = 30, c.ledger(o.Ledger) })
		sub := f.subscribe("D1", "owner.one")
		k := f.key(sub, "chat")
		path := "/subscriptions/" + sub + "/keys/" + k.ID
		b := f.signIn("D1", "owner.one")
		b.get(path).wants(t, http.StatusOK, "No request yet", "-"+kept)
		f.commit(store.Event{Key: k.ID, Model: "model-1", At: time.Now().Add(-time.Hour)})
		b.get(path).wants(t, http.StatusOK, c.then...)
	}
}
