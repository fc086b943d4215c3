package portal_test

import (
	"net/http"
	"strings"
	"testing"
)

// TestGate tries to buy by API, with a session and with a personal token, when something stands in the way.
func TestGate(t *testing.T) {
	cases := []struct {
		name string
		// user tries, with these rights unless the tenant's owner does.
		user, rights     string
		approved         bool
		suspended        bool
		status           int
		code, says       string
		keyStatus        int
		keyCode, keySays string
	}{
		{name: "profile not approved", user: "owner", status: 409, code: "invalid_state", says: "has not been submitted", keyStatus: 409, keyCode: "invalid_state", keySays: "profile"},
		{name: "right missing", user: "guest", rights: `["reports"]`, approved: true, status: 403, code: "forbidden", says: "Deployment/Subscription",
			keyStatus: 403, keyCode: "forbidden", keySays: "Deployment/Subscription"},
		{name: "no right at all", user: "guest", rights: `[]`, approved: true, status: 403, code: "forbidden", says: "Reports",
			keyStatus: 403, keyCode: "forbidden", keySays: "Reports"},
		{name: "tenant suspended", user: "owner", approved: true, suspended: true, status: 409, code: "invalid_state", says: "suspended",
			keyStatus: 409, keyCode: "invalid_state", keySays: "suspended"},
		{name: "nothing", user: "owner", approved: true, status: 201, keyStatus: 201},
	}
	for _, c := range cases {
		for _, way := range []string{"session", "personal token"} {
			t.Run(c.name+" "+way, func(t *testing.T) {
				f := newFixture(t)
				owner, tenant := f.customer("Example", "owner")
				who := owner
				if c.user != "owner" {
					who, _ = f.customer("Example", c.user)
					owner.must(200, "PUT", "/users/"+who.must(200, "GET", "/me", "")["id"].(string)+"/rights", `{"rights":`+c.rights+`}`)
				}
				if way != "session" && c.rights != `[]` { // without rights there are no tokens either
					who = who.byToken()
				}
				if c.approved {
					f.approve(owner, tenant)
				}
				other := f.create("/subscriptions", `{"tenant_id":"`+tenant+`","product_id":"other"}`)
				consents := f.hubConsents()
				if c.suspended {
					f.must(200, "POST", "/tenants/"+tenant+"/suspend", `{"reason":"unpaid"}`)
				}
				expect(t, who.do("POST", "/subscriptions", consents), c.status, c.code, c.says)
				expect(t, who.do("POST", "/keys", `{"subscription_id":"`+other+`","name":"k"}`), c.keyStatus, c.keyCode, c.keySays)
				subs := f.must(200, "GET", "/subscriptions?tenant_id="+tenant, "")["data"].([]any)
				keys := f.must(200, "GET", "/keys?tenant_id="+tenant, "")["data"].([]any)
				if (len(subs) == 2) != (c.status == 201) || (len(keys) == 1) != (c.keyStatus == 201) {
					t.Errorf("%d subscriptions, %d keys", len(subs), len(keys))
				}
			})
		}
	}
}

func expect(t *testing.T, a answer, status int, code, says string) {
	t.Helper()
	if status/100 == 2 {
		if a.status != status {
			t.Errorf("got %d %s, want %d", a.status, a.text, status)
		}
		return
	}
	if message := a.isError(t, status, code); !strings.Contains(message, says) {
		t.Errorf("%q does not say %q", message, says)
	}
}

// TestOtherTenantsDoNotExist tries another tenant's IDs everywhere, with each way to ask.
func TestOtherTenantsDoNotExist(t *testing.T) {
	f := newFixture(t)
	_, sub, key := f.key("secret-name")
	theirs, tenant := f.customer("Theirs", "owner-theirs")
	user := theirs.must(200, "GET", "/me", "")["id"].(string)
	token := theirs.must(201, "POST", "/personal-tokens", `{"name":"x","expires_at":"2026-12-01T00:00:00Z"}`)["id"].(string)
	me, _ := f.customer("Mine", "owner-mine")
	f.approve(me, me.must(200, "GET", "/me", "")["tenant"].(map[string]any)["id"].(string))
	consents := strings.Replace(f.hubConsents(), "{", `{"tenant_id":"`+tenant+`",`, 1)
	for _, who := range []person{me, me.byToken()} {
		for _, c := range [][3]string{
			{"GET", "/tenants/" + tenant}, {"GET", "/tenants/" + tenant + "/users"}, {"GET", "/tenants/" + tenant + "/profile"},
			{"PUT", "/tenants/" + tenant + "/profile", profileData}, {"POST", "/tenants/" + tenant + "/profile/withdraw"},
			{"PUT", "/users/" + user + "/rights", `{"rights":[]}`},
			{"GET", "/subscriptions?tenant_id=" + tenant}, {"GET", "/subscriptions/" + sub}, {"POST", "/subscriptions/" + sub + "/cancel"},
			{"GET", "/subscriptions/" + sub + "/keys"}, {"POST", "/subscriptions", consents},
			{"GET", "/keys?tenant_id=" + tenant}, {"GET", "/keys?subscription_id=" + sub}, {"GET", "/keys/" + key},
			{"POST", "/keys/" + key + "/deactivate"}, {"GET", "/keys/" + key + "/events"}, {"PUT", "/keys/" + key + "/limits", `{"limits":{}}`}, {"POST", "/keys", `{"subscription_id":"` + sub + `","name":"x"}`},
			{"GET", "/usage?tenant_id=" + tenant}, {"GET", "/usage?subscription_id=" + sub}, {"GET", "/usage?key_id=" + key},
			{"GET", "/audit?tenant_id=" + tenant}, {"GET", "/alerts?tenant_id=" + tenant}, {"POST", "/alerts/alr_x/dismiss"},
			{"GET", "/webhook?tenant_id=" + tenant}, {"PUT", "/webhook?tenant_id=" + tenant, `{"url":"https://example.com/x"}`},
			{"DELETE", "/webhook?tenant_id=" + tenant}, {"POST", "/webhook/test?tenant_id=" + tenant},
		} {
			who.do(c[0], c[1], c[2]).isError(t, http.StatusNotFound, "not_found")
		}
		for _, path := range []string{"/subscriptions", "/keys", "/usage", "/audit?limit=1000"} {
			a := who.do("GET", path, "")
			for _, foreign := range []string{tenant, sub, key, "secret-name"} {
				if a.status != 200 || strings.Contains(a.text, foreign) {
					t.Errorf("%s: %d shows %s", path, a.status, foreign)
				}
			}
		}
	}
	me.do("POST", "/personal-tokens/"+token+"/revoke", "").isError(t, http.StatusNotFound, "not_found")
}

// TestWhoMayAsk tries each endpoint that is not for everyone with those whom it is not for.
func TestWhoMayAsk(t *testing.T) {
	f := newFixture(t)
	owner, tenant := f.customer("Example", "owner")
	operator := f.operator("ada")
	const moment = `"submitted_at":"2026-01-01T00:00:00Z"`
	forOperators := [][3]string{
		{"GET", "/tenants"}, {"POST", "/tenants", `{"name":"x"}`}, {"POST", "/tenants/" + tenant + "/suspend", `{"reason":"x"}`},
		{"POST", "/tenants/" + tenant + "/resume"}, {"POST", "/tenants/" + tenant + "/profile/approve", `{` + moment + `}`},
		{"POST", "/tenants/" + tenant + "/profile/reject", `{` + moment + `,"reason":"x"}`}, {"GET", "/profiles"}, {"GET", "/upstreams"},
		{"POST", "/upstreams/drain", `{"deployment":"up/m","draining":true}`},
		{"GET", "/audit?actor_id=x"}, {"GET", "/audit?action=key.create"}, {"PUT", "/subscriptions/sub_x/limits", `{"limits":{}}`},
	}
	forAdministrators := [][3]string{
		{"GET", "/operators"}, {"POST", "/operators", `{"name":"eve","password":"a password of some length"}`},
		{"POST", "/operators/opr_x/disable"}, {"POST", "/operators/opr_x/password", `{"password":"a password of some length"}`},
	}
	inSession := [][3]string{
		{"GET", "/personal-tokens"}, {"POST", "/personal-tokens", `{"name":"x","expires_at":"2026-12-01T00:00:00Z"}`}, {"POST", "/personal-tokens/pat_x/revoke"},
	}
	refused := func(who person, list [][3]string) {
		t.Helper()
		for _, c := range list {
			who.do(c[0], c[1], c[2]).isError(t, http.StatusForbidden, "forbidden")
		}
	}
	for _, who := range []person{owner, owner.byToken()} {
		refused(who, forOperators)
		refused(who, forAdministrators)
	}
	refused(operator, forAdministrators)
	refused(operator, inSession)
	refused(person{f: f}, inSession)
	refused(owner.byToken(), inSession)
	operator.must(200, "GET", "/tenants", "")
	if me := operator.must(200, "GET", "/me", ""); me["kind"] != "operator" || me["tenant"] != nil || me["ready"].(map[string]any)["ok"] != false {
		t.Errorf("an operator is %v", me)
	}
}

// TestCustomersTakeProductsAsOffered tries what is not on offer.
func TestCustomersTakeProductsAsOffered(t *testing.T) {
	f := newFixture(t)
	owner, tenant := f.customer("Example", "owner")
	f.approve(owner, tenant)
	good := f.hubConsents()
	first := strings.Index(good, "sha256:") + len("sha256:")
	stale := good[:first] + "00" + good[first+2:]
	var deployed string
	for _, p := range f.must(200, "GET", "/products?type=cce", "")["data"].([]any) {
		deployed = p.(map[string]any)["id"].(string)
	}
	for body, want := range map[string]struct {
		status      int
		code, field string
	}{
		`{"product_id":"llm-hub"}`:               {422, "invalid", "accepted"},
		`{"product_id":"llm-hub","accepted":[]}`: {422, "invalid", "accepted"},
		stale:                                    {409, "conflict", "accepted"},
		strings.Replace(good, "{", `{"models":["m1"],`, 1): {422, "invalid", "models"},
		`{"product_id":"` + deployed + `"}`:                {422, "invalid", "product_id"},
	} {
		a := owner.do("POST", "/subscriptions", body)
		a.isError(t, want.status, want.code)
		a.hasDetail(t, want.field)
	}
	owner.do("POST", "/subscriptions", `{"product_id":"none"}`).isError(t, 404, "not_found")
	f.do("POST", "/subscriptions", strings.Replace(good, "{", `{"tenant_id":"`+tenant+`",`, 1)).hasDetail(t, "accepted")
	owner.must(201, "POST", "/subscriptions", good)
	owner.do("POST", "/subscriptions", good).isError(t, 409, "conflict")
}

// TestAllFaultsAtOnce sends a form with several faults.
func TestAllFaultsAtOnce(t *testing.T) {
	f := newFixture(t)
	owner, tenant := f.customer("Example", "owner")
	a := owner.do("PUT", "/tenants/"+tenant+"/profile", `{"company":"","website":"example","seller_email":"x","marketplace_email":"a@example.com"}`)
	a.isError(t, http.StatusUnprocessableEntity, "invalid")
	for _, field := range []string{"company", "website", "seller_email"} {
		a.hasDetail(t, field)
	}
}
