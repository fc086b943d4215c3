package web_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"llmhub/deployer"
	"llmhub/identity"
	"llmhub/portal/web"
	"llmhub/subscription"
)

// request requests a route as a browser would, with the form token that belongs to it.
func (b *browser) request(r web.RouteInfo, path string) answer {
	b.t.Helper()
	if r.Method == http.MethodGet {
		return b.get(path)
	}
	return b.post(path, "name", "x", "reason", "x")
}

// fill puts IDs into a route's path.
func fill(path string, ids map[string]string) string {
	parts := strings.Split(path, "/")
	for i, p := range parts {
		if name, is := strings.CutPrefix(p, ":"); is {
			parts[i] = ids[name]
		}
	}
	return strings.Join(parts, "/")
}

// Whatever belongs to another tenant does not exist, at every address there is, read or changed.
func TestOtherTenantsThingsDoNotExist(t *testing.T) {
	f := newFixture(t)
	sub := f.subscribe("D1", "owner.one")
	key := f.key(sub, "theirs")
	tenant, user := f.tenantOf("D1", "owner.one")
	f.subscribe("D2", "owner.two")
	stranger := f.signIn("D2", "owner.two")
	f.deployments.put(tenant.ID, "wl_1", func(l *deployer.Workload) { l.Target.Release, l.Revision = "theirs", 3 })
	draft := strings.TrimPrefix(f.signIn("D1", "owner.one").beginAt("valkey"), "/deploy/")
	ids := map[string]string{"workload": "wl_1", "draft": draft, "id": sub, "subscription": sub, "key": key.ID, "tenant": tenant.ID, "user": user.ID, "session": "ses_x", "token": "tok_x"}
	tried := 0
	for _, r := range f.web.RouteInfos() {
		if !strings.Contains(r.Path, ":") || strings.HasPrefix(r.Path, "/catalog/") {
			continue
		}
		tried++
		path := fill(r.Path, ids)
		if a := stranger.request(r, path); a.status != http.StatusNotFound || strings.Contains(a.text, "theirs") {
			t.Errorf("%s %s gives %d", r.Method, path, a.status)
		}
	}
	if tried < 35 {
		t.Errorf("only %d routes with an ID were tried", tried)
	}
	if l, n := f.deployments.workloads["wl_1"], f.deployments.drafts[draft]; l.State != deployer.Ready || n.ID == "" || n.WorkloadMade != "" {
		t.Errorf("a stranger has changed %+v or %+v", l, n)
	}
	k, err := f.options.Service.GetKey(t.Context(), identity.Administrator(), key.ID)
	if err != nil || k.DeactivatedAt != nil {
		t.Errorf("a stranger has changed the key: %+v, %v", k, err)
	}
	// A key of the own tenant does not exist below another subscription's address, either.
	own := f.signIn("D1", "owner.one")
	if a := own.get("/subscriptions/" + sub + "/keys/key_none"); a.status != http.StatusNotFound {
		t.Errorf("a key that does not exist gives %d", a.status)
	}
}

// Pages are for those they are for: nobody sees a customer's or an operator's without signing in, and for customers
// those of operators do not exist.
func TestPagesAreForTheirAudience(t *testing.T) {
	f := newFixture(t)
	f.approve("D1", "owner.one")
	nobody, customer, operator := f.browser(), f.signIn("D1", "owner.one"), f.operator()
	ids := map[string]string{"workload": "wl_x", "draft": "drf_x", "id": "sub_x", "subscription": "sub_x", "key": "key_x", "tenant": "ten_x", "product": "llm-hub", "document": "eula", "user": "usr_x", "session": "s", "token": "t", "alert": "alr_x"}
	for _, r := range f.web.RouteInfos() {
		if r.For == "anyone" || r.For == "signed-in" && r.Method == http.MethodPost {
			continue
		}
		path := fill(r.Path, ids)
		if a := nobody.request(r, path); a.status != http.StatusSeeOther || !strings.Contains(a.location(), "login") {
			t.Errorf("%s %s without signing in gives %d to %q", r.Method, path, a.status, a.location())
		}
		if r.For == "operators" {
			if a := customer.request(r, path); a.status != http.StatusNotFound {
				t.Errorf("%s %s as a customer gives %d", r.Method, path, a.status)
			}
		}
		if r.For == "customers" {
			if a := operator.request(r, path); a.status != http.StatusNotFound {
				t.Errorf("%s %s as an operator gives %d", r.Method, path, a.status)
			}
		}
	}
}

// No form changes anything that does not carry the visitor's own token, or that another site has sent.
func TestFormsOfOthersAreRefused(t *testing.T) {
	f := newFixture(t)
	sub := f.subscribe("D1", "owner.one")
	victim, other := f.signIn("D1", "owner.one"), f.signIn("D1", "owner.two")
	token, foreign := victim.token(), other.token()
	tenant, _ := f.tenantOf("D1", "owner.one")
	f.deployments.put(tenant.ID, "wl_x", nil)
	draft := strings.TrimPrefix(victim.beginAt("valkey"), "/deploy/")
	ids := map[string]string{"workload": "wl_x", "draft": draft, "id": sub, "product": "llm-hub", "key": "key_x", "subscription": sub, "tenant": "ten_x", "user": "usr_x", "session": "s", "token": "t", "alert": "alr_x"}
	tried := 0
	for _, r := range f.web.RouteInfos() {
		if r.Method != http.MethodPost || r.For == "operators" {
			continue
		}
		tried++
		path := fill(r.Path, ids)
		for name, c := range map[string]struct {
			token  string
			header []string
		}{
			"no token": {"", nil}, "another's token": {foreign, nil}, "another site by Sec-Fetch-Site": {token, []string{"Sec-Fetch-Site", "cross-site"}},
			"a subdomain": {token, []string{"Sec-Fetch-Site", "same-site"}}, "another site by Origin": {token, []string{"Origin", "https://evil.example"}},
		} {
			form := url.Values{"form_token": {c.token}, "name": {"x"}, "reason": {"x"}}
			if a := victim.send(path, form, c.header...); a.status != http.StatusForbidden {
				t.Errorf("POST %s with %s gives %d to %q", path, name, a.status, a.location())
			}
		}
	}
	if tried < 20 {
		t.Errorf("only %d forms were tried", tried)
	}
	if l, n := f.deployments.workloads["wl_x"], f.deployments.drafts[draft]; l.State != deployer.Ready || n.ID == "" || len(f.deployments.drafts) != 1 {
		t.Errorf("a form was taken: %+v, %+v", l, f.deployments.drafts)
	}
	keys, err := f.options.Service.KeysOf(t.Context(), identity.Administrator(), subscription.KeyFilter{SubscriptionID: sub})
	if s, err2 := f.options.Service.GetSubscription(t.Context(), identity.Administrator(), sub); err != nil || err2 != nil || len(keys) != 0 || s.State != subscription.Active {
		t.Errorf("something was changed: %v, %+v, %v, %v", keys, s, err, err2)
	}
}

// A session that somebody was given before signing in is worth nothing, and each sign-in has a cookie of its own.
func TestSessionsCannotBeFixed(t *testing.T) {
	f := newFixture(t)
	f.approve("D1", "owner.one")
	b := f.browser()
	u, _ := url.Parse(f.url)
	b.client.Jar.SetCookies(u, []*http.Cookie{{Name: "llmhub_session", Value: "chosen-by-an-attacker", Path: "/"}})
	a := b.post("/login", "domain", "D1", "user", "owner.one", "password", passwordOf("owner.one"))
	if a.status != http.StatusSeeOther {
		t.Fatalf("%d %s", a.status, a.text)
	}
	cookies := func() string {
		for _, c := range b.client.Jar.Cookies(u) {
			if c.Name == "llmhub_session" {
				return c.Value
			}
		}
		return ""
	}
	first := cookies()
	if first == "" || first == "chosen-by-an-attacker" {
		t.Fatalf("session cookie %q", first)
	}
	b.post("/logout")
	attacker := f.browser()
	for _, value := range []string{"chosen-by-an-attacker", first, "", strings.Repeat("x", 5000)} {
		attacker.client.Jar.SetCookies(u, []*http.Cookie{{Name: "llmhub_session", Value: value, Path: "/"}})
		if a := attacker.get("/organization"); a.status != http.StatusSeeOther {
			t.Errorf("cookie %.30q opens the page: %d", value, a.status)
		}
	}
}

func TestCookiesUnderTLS(t *testing.T) {
	f := newFixture(t, func(o *web.Options) { useTLS(o) })
	resp, err := http.Get(f.url + "/login")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	for _, c := range resp.Header.Values("Set-Cookie") {
		if !strings.HasPrefix(c, "__Host-llmhub_") || !strings.Contains(c, "secure") || !strings.Contains(c, "HttpOnly") || !strings.Contains(c, "SameSite=Lax") || !strings.Contains(c, "path=/") {
			t.Errorf("cookie %s", c)
		}
	}
	if len(resp.Header.Values("Set-Cookie")) == 0 || resp.Header.Get("Strict-Transport-Security") == "" {
		t.Errorf("header %v", resp.Header)
	}
}

// Every page tells browsers to run nothing that is not this site's, and to keep nothing.
func TestHeadersOfEveryPage(t *testing.T) {
	f := newFixture(t)
	f.subscribe("D1", "owner.one")
	b := f.signIn("D1", "owner.one")
	for _, path := range []string{"/catalog", "/login", "/organization", "/subscriptions", "/nowhere", "/catalog/llm-hub"} {
		a := b.get(path)
		csp := a.header.Get("Content-Security-Policy")
		if !strings.Contains(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") || !strings.Contains(csp, "require-trusted-types-for 'script'") ||
			!strings.Contains(csp, "frame-ancestors 'none'") || !strings.Contains(csp, "form-action 'self'") {
			t.Errorf("%s: policy %q", path, csp)
		}
		for name, want := range map[string]string{"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "same-origin"} {
			if a.status != http.StatusSeeOther && a.header.Get(name) != want {
				t.Errorf("%s: %s is %q", path, name, a.header.Get(name))
			}
		}
		for _, forbidden := range []string{" style=", " onclick=", " onload=", "<script>", "javascript:", "https://fonts.", "⟦"} {
			if strings.Contains(a.text, forbidden) {
				t.Errorf("%s contains %q", path, forbidden)
			}
		}
	}
}

// markup is in every field of text that customers and operators fill in. It must show as it was typed.
const markup = `"><img src=x onerror=alert(1)>'<b>`

func TestMarkupIsShownAsTyped(t *testing.T) {
	f := newFixture(t)
	b := f.signIn("D1", "owner.one")
	harmless := func(where string, a answer) {
		t.Helper()
		for _, raw := range []string{"<img src=x", "'<b>", "onerror=alert(1)>'"} {
			if strings.Contains(a.text, raw) {
				t.Errorf("%s shows markup: ... %s", where, around(a.text, raw))
			}
		}
	}
	submit := b.post("/organization", "company", markup, "website", "https://example.com/?"+markup, "seller_email", markup, "marketplace_email", "a@example.com", "phone", markup)
	harmless("the profile's form", submit)
	if submit.status != http.StatusUnprocessableEntity {
		t.Errorf("the profile is taken: %d", submit.status)
	}
	b.post("/organization", "company", markup, "website", "https://example.com/", "seller_email", "a@example.com", "marketplace_email", "a@example.com")
	harmless("the profile", b.get("/organization"))
	op := f.operator()
	tenant, _ := f.tenantOf("D1", "owner.one")
	harmless("the queue", op.get("/operator/approvals"))
	harmless("the review", op.get("/operator/approvals/"+tenant.ID))
	p, err := f.options.Profiles.Get(t.Context(), identity.Administrator(), tenant.ID)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.options.Profiles.Reject(t.Context(), identity.Administrator(), tenant.ID, p.Change.SubmittedAt, markup); err != nil {
		t.Fatal(err)
	}
	harmless("the reason", b.get("/organization"))
	sub := f.subscribe("D1", "owner.one")
	f.key(sub, markup)
	for _, path := range []string{"/subscriptions/" + sub, "/subscriptions/" + sub + "?q=" + url.QueryEscape(markup), "/subscriptions?q=" + url.QueryEscape(markup), "/catalog?q=" + url.QueryEscape(markup), "/login?next=" + url.QueryEscape(markup), "/nowhere?x=" + url.QueryEscape(markup)} {
		harmless(path, b.get(path))
	}
	for _, path := range []string{"/operator/audit", "/operator/tenants?q=" + url.QueryEscape(markup), "/operator/subscriptions?q=" + url.QueryEscape(markup), "/operator/tenants/" + tenant.ID} {
		harmless(path, op.get(path))
	}
	harmless("the sign-in", f.browser().post("/login", "domain", markup, "user", markup, "password", "x"))
}

func around(text, part string) string {
	i := strings.Index(text, part)
	return text[max(0, i-60):min(len(text), i+60)]
}

// Signing in is throttled, for an account and for an address, and says when to try again.
func TestSignInIsThrottled(t *testing.T) {
	f := newFixture(t)
	var statuses []int
	for range 8 {
		a := f.browser().post("/login", "domain", "D1", "user", "owner.one", "password", "wrong")
		statuses = append(statuses, a.status)
		if a.status == http.StatusTooManyRequests && a.header.Get("Retry-After") == "" {
			t.Error("it is not said when to try again")
		}
	}
	if !slices.Contains(statuses, http.StatusTooManyRequests) || statuses[0] != http.StatusUnauthorized {
		t.Errorf("statuses %v", statuses)
	}
	if a := f.browser().post("/login", "domain", "D1", "user", "owner.one", "password", passwordOf("owner.one")); a.status != http.StatusTooManyRequests {
		t.Errorf("the right password gets in meanwhile: %d", a.status)
	}
}

// Whether an operator's name exists cannot be seen from the answer; the work that is done is the same, too.
func TestOperatorNamesAreNotTold(t *testing.T) {
	f := newFixture(t)
	f.operator()
	wrong := f.browser().post("/operator/login", "name", "olga", "password", "wrong password 1")
	unknown := f.browser().post("/operator/login", "name", "nobody", "password", "wrong password 1")
	strip := func(a answer) string {
		return formToken.ReplaceAllString(strings.ReplaceAll(strings.ReplaceAll(a.text, "olga", "NAME"), "nobody", "NAME"), "")
	}
	if wrong.status != unknown.status || strip(wrong) != strip(unknown) {
		t.Errorf("%d and %d, or other texts", wrong.status, unknown.status)
	}
}

// A key is in the page that makes it, once, and nowhere else: not in the log, not in another page, not in what is stored.
func TestKeyIsShownOnce(t *testing.T) {
	f := newFixture(t)
	sub := f.subscribe("D1", "owner.one")
	b := f.signIn("D1", "owner.one")
	a := b.post("/subscriptions/"+sub+"/keys/new", "name", "production", "key_form", "abc")
	if a.status != http.StatusOK || a.header.Get("Cache-Control") != "no-store" || a.header.Get("Content-Encoding") != "" {
		t.Fatalf("%d %v", a.status, a.header)
	}
	_, rest, _ := strings.Cut(a.text, subscription.Prefix)
	end := strings.IndexFunc(rest, func(r rune) bool { return !(r >= 'a' && r <= 'z' || r >= '0' && r <= '9') })
	text := subscription.Prefix + rest[:max(0, end)]
	if len(text) < 50 || strings.Count(a.text, text) != 1 {
		t.Fatalf("the page has the key %d times: %q", strings.Count(a.text, text), text)
	}
	again := b.post("/subscriptions/"+sub+"/keys/new", "name", "production", "key_form", "abc")
	if again.status != http.StatusConflict || strings.Contains(again.text, text) || !strings.Contains(again.text, "cannot be shown again") {
		t.Errorf("sent again: %d", again.status)
	}
	for _, path := range []string{"/subscriptions/" + sub, "/subscriptions", "/subscriptions/" + sub + "/keys/new"} {
		if strings.Contains(b.get(path).text, text) {
			t.Errorf("%s shows the key", path)
		}
	}
	if op := f.operator().get("/operator/audit"); strings.Contains(op.text, text) {
		t.Error("the audit shows the key")
	}
	if strings.Contains(f.log.String(), text) {
		t.Error("the log shows the key")
	}
}

// What an error does not say: no stack, no path, no text of the inside.
func TestUnknownErrorsAreInternal(t *testing.T) {
	f := newFixture(t)
	b := f.signIn("D1", "owner.one")
	f.store.Close()
	a := b.get("/catalog")
	if a.status < 500 || strings.Contains(a.text, "store") || !strings.Contains(a.text, a.header.Get("X-Request-Id")) {
		t.Errorf("%d %s", a.status, a.text)
	}
}

// What gives a visitor a cookie is kept by the visitor's browser at most: others must not get the same one.
func TestCookiesAreNotShared(t *testing.T) {
	f := newFixture(t)
	for path, want := range map[string]string{"/catalog/llm-hub/icon.svg": "private, max-age=3600", "/catalog": "no-store", "/none": "no-store"} {
		a := f.browser().get(path)
		if a.header.Get("Set-Cookie") == "" || a.header.Get("Cache-Control") != want {
			t.Errorf("%s: %q with cookie %q", path, a.header.Get("Cache-Control"), a.header.Get("Set-Cookie"))
		}
	}
}

// The gates of buying hold for pages: a profile that is not approved, a suspended tenant, a user without the right.
func TestBuyingIsGatedOnPages(t *testing.T) {
	f := newFixture(t)
	boxes := func(b *browser) []string {
		var fields []string
		p, _ := f.options.Catalog().Product("llm-hub")
		for _, d := range p.Consents() {
			fields = append(fields, "consent", d.ID+" "+d.Digest)
		}
		return fields
	}
	check := func(name string, b *browser, want int, text string) {
		t.Helper()
		page := b.get("/catalog/llm-hub")
		if !strings.Contains(page.text, text) || strings.Contains(page.text, `action="/catalog/llm-hub/subscribe"`) {
			t.Errorf("%s: the page offers to subscribe, or does not say %q", name, text)
		}
		if a := b.post("/catalog/llm-hub/subscribe", boxes(b)...); a.status != want {
			t.Errorf("%s: subscribing gives %d, want %d", name, a.status, want)
		}
	}
	b := f.signIn("D1", "owner.one")
	unapproved, _ := f.tenantOf("D1", "owner.one")
	made, err := f.options.Service.CreateSubscription(t.Context(), identity.Administrator(), subscription.CreateSubscription{TenantID: unapproved.ID, ProductID: "other"})
	if err != nil {
		t.Fatal(err)
	}
	if a := b.post("/subscriptions/"+made.ID+"/keys/new", "name", "k", "key_form", "f"); a.status < 400 || !strings.Contains(a.text, "profile") {
		t.Errorf("a key without an approved profile: %d", a.status)
	}
	check("no profile", b, http.StatusUnprocessableEntity, "profile")
	b.post("/organization", "company", "Muster", "website", "https://example.com/", "seller_email", "a@example.com", "marketplace_email", "a@example.com")
	check("in review", b, http.StatusUnprocessableEntity, "review")
	tenant, _ := f.tenantOf("D1", "owner.one")
	p, err := f.options.Profiles.Get(t.Context(), identity.Administrator(), tenant.ID)
	if err == nil {
		_, err = f.options.Profiles.Approve(t.Context(), identity.Administrator(), tenant.ID, p.Change.SubmittedAt)
	}
	if err != nil {
		t.Fatal(err)
	}
	helper := f.signIn("D1", "helper")
	_, u := f.tenantOf("D1", "helper")
	_, owner := f.tenantOf("D1", "owner.one")
	if _, err := f.options.Users.Give(t.Context(), owner.Actor(tenant), u.ID, []identity.Right{identity.Reports}); err != nil {
		t.Fatal(err)
	}
	check("without the right", helper, http.StatusForbidden, "Deployment/Subscription")
	if _, err := f.options.Tenants.Suspend(t.Context(), identity.Administrator(), tenant.ID, "unpaid"); err != nil {
		t.Fatal(err)
	}
	check("suspended", b, http.StatusUnprocessableEntity, "suspended")
	if _, err := f.options.Tenants.Resume(t.Context(), identity.Administrator(), tenant.ID); err != nil {
		t.Fatal(err)
	}
	if a := b.post("/catalog/llm-hub/subscribe", boxes(b)[:2]...); a.status != http.StatusUnprocessableEntity {
		t.Errorf("with one consent of two: %d", a.status)
	}
	a := b.post("/catalog/llm-hub/subscribe", boxes(b)...)
	if a.status != http.StatusSeeOther || !strings.HasPrefix(a.location(), "/subscriptions/sub_") {
		t.Fatalf("%d to %q: %s", a.status, a.location(), a.text)
	}
	again := b.post("/catalog/llm-hub/subscribe", boxes(b)...)
	if first, _, _ := strings.Cut(a.location(), "?"); again.location() != first {
		t.Errorf("a second time leads to %q", again.location())
	}
	sub := strings.TrimSuffix(strings.TrimPrefix(a.location(), "/subscriptions/"), "?done=subscribed")
	for _, form := range [][]string{{"name", "k", "key_form", "f"}} {
		if a := helper.post("/subscriptions/"+sub+"/keys/new", form...); a.status != http.StatusForbidden {
			t.Errorf("a key without the right: %d", a.status)
		}
	}
}
