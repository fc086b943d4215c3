package portal_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"llmhub/alert"
	"llmhub/store"
)

// TestEveryOperationAnswersAsDocumented goes through everything the API does. The fixture judges each answer by the
// document; an operation that is not visited fails.
func TestEveryOperationAnswersAsDocumented(t *testing.T) {
	f := newFixture(t)
	admin := person{f: f}
	owner, tenant := f.customer("Example", "owner")
	guest, _ := f.customer("Example", "guest")
	tourOfTenants(t, admin, owner, guest, tenant)
	tourOfKeys(t, f, owner, tenant)
	tourOfWorkloads(t, f, owner, tenant)
	tourOfAlerts(t, f, owner, tenant)
	tourOfOperators(t, admin)
	tourOfPersonalTokens(t, f, owner)
	for _, item := range f.document.root["paths"].(map[string]any) {
		for _, o := range item.(map[string]any) {
			if id := o.(map[string]any)["operationId"].(string); !f.document.answered[id] {
				t.Errorf("%s has not been tried", id)
			}
		}
	}
}

func tourOfTenants(t *testing.T, admin, owner, guest person, tenant string) {
	admin.must(201, "POST", "/tenants", `{"name":"Other"}`)
	if list := admin.must(200, "GET", "/tenants?search=EXAMP", "")["data"].([]any); len(list) != 1 || list[0].(map[string]any)["id"] != tenant {
		t.Errorf("search finds %v", list)
	}
	if v := owner.must(200, "GET", "/tenants/"+tenant, ""); v["domain"] != "Example" || v["state"] != "active" {
		t.Errorf("tenant: %v", v)
	}
	if v := owner.must(200, "GET", "/tenants/"+tenant+"/profile", ""); v["state"] != "none" {
		t.Errorf("profile: %v", v)
	}
	users := owner.must(200, "GET", "/tenants/"+tenant+"/users", "")["data"].([]any)
	id := guest.must(200, "GET", "/me", "")["id"].(string)
	if len(users) != 2 {
		t.Errorf("users: %v", users)
	}
	if v := owner.must(200, "PUT", "/users/"+id+"/rights", `{"rights":["profile"]}`); len(v["rights"].([]any)) != 2 {
		t.Errorf("profile comes with reports: %v", v["rights"])
	}

	submitted := guest.must(200, "PUT", "/tenants/"+tenant+"/profile", profileData)["change"].(map[string]any)["submitted_at"].(string)
	if queue := admin.must(200, "GET", "/profiles?state=submitted", "")["data"].([]any); len(queue) != 1 {
		t.Errorf("queue: %v", queue)
	}
	v := admin.must(200, "POST", "/tenants/"+tenant+"/profile/reject", `{"submitted_at":"`+submitted+`","reason":"no such website"}`)
	if v["state"] != "rejected" || v["change"].(map[string]any)["reason"] != "no such website" {
		t.Errorf("rejected: %v", v)
	}
	if ready := owner.must(200, "GET", "/me", "")["ready"].(map[string]any); ready["ok"] != false || !strings.Contains(ready["reason"].(string), "no such website") {
		t.Errorf("ready: %v", ready)
	}
	admin.f.approve(owner, tenant)
	owner.must(200, "PUT", "/tenants/"+tenant+"/profile", strings.Replace(profileData, "www", "new", 1))
	if v := owner.must(200, "POST", "/tenants/"+tenant+"/profile/withdraw", ""); v["state"] != "approved" || v["change"] != nil {
		t.Errorf("withdrawn: %v", v)
	}

	if v := admin.must(200, "POST", "/tenants/"+tenant+"/suspend", `{"reason":"unpaid"}`); v["state"] != "suspended" || v["suspend_reason"] != "unpaid" {
		t.Errorf("suspended: %v", v)
	}
	if v := admin.must(200, "POST", "/tenants/"+tenant+"/resume", ""); v["state"] != "active" || v["suspended_at"] != nil {
		t.Errorf("resumed: %v", v)
	}
	if ready := owner.must(200, "GET", "/me", "")["ready"].(map[string]any); ready["ok"] != true {
		t.Errorf("ready: %v", ready)
	}
}

func tourOfKeys(t *testing.T, f *fixture, owner person, tenant string) {
	nobody := person{f, []string{"Authorization", ""}}
	if list := nobody.must(200, "GET", "/products?type=llm", ""); list["total"] != 1.0 || list["page"] != 1.0 {
		t.Errorf("products: %v", list)
	}
	for _, p := range nobody.must(200, "GET", "/products?per_page=100", "")["data"].([]any) {
		nobody.must(200, "GET", "/products/"+p.(map[string]any)["id"].(string), "")
	}
	hub := nobody.must(200, "GET", "/products/llm-hub", "")["documents"].([]any)[0].(map[string]any)
	if d := nobody.must(200, "GET", "/products/llm-hub/documents/"+hub["id"].(string), ""); d["digest"] != hub["digest"] || d["content"].(map[string]any)["en"] == "" {
		t.Errorf("document: %v", d)
	}
	models := owner.must(200, "GET", "/models", "")["data"].([]any)
	if price := models[0].(map[string]any)["price"].(map[string]any); price["input_per_million"] != "1.00" || models[1].(map[string]any)["price"] != nil {
		t.Errorf("models: %v", models)
	}
	nobody.must(200, "GET", "/openapi.json", "")

	sub := owner.must(201, "POST", "/subscriptions", f.hubConsents())
	id := sub["id"].(string)
	if sub["tenant_id"] != tenant || len(sub["consents"].([]any)) == 0 || sub["created_by"] != "owner" {
		t.Errorf("subscription: %v", sub)
	}
	owner.must(200, "GET", "/subscriptions/"+id, "")
	owner.must(200, "GET", "/subscriptions", "")
	var key string
	for _, name := range []string{"alpha", "beta", "alphabet"} {
		key = owner.must(201, "POST", "/keys", `{"subscription_id":"`+id+`","name":"`+name+`"}`)["id"].(string)
	}
	found := owner.must(200, "GET", "/subscriptions/"+id+"/keys?search=ALPHA&sort=name&per_page=1&page=2&state=active", "")
	if data := found["data"].([]any); found["total"] != 2.0 || found["pages"] != 2.0 || len(data) != 1 || data[0].(map[string]any)["name"] != "alphabet" {
		t.Errorf("found: %v", found)
	}
	owner.must(200, "PUT", "/keys/"+key+"/limits", `{"limits":{"monthly_tokens":50000,"monthly_amount":"10","requests_per_minute":60}}`)
	f.must(200, "PUT", "/subscriptions/"+id+"/limits", `{"model":"m1","limits":{"monthly_tokens":50000}}`)
	owner.must(200, "GET", "/keys", "")
	owner.must(200, "GET", "/keys/"+key, "")
	f.commit(store.Event{Key: key, Model: "m1", At: time.Date(2026, 11, 1, 10, 0, 0, 0, time.UTC), Tokens: store.Tokens{Input: 10, Output: 5}})
	if events := owner.must(200, "GET", "/keys/"+key+"/events", "")["data"].([]any); len(events) != 1 {
		t.Errorf("events: %v", events)
	}
	rows := owner.must(200, "GET", "/usage?by=key,model,day,month", "")["data"].([]any)
	if len(rows) != 2 || rows[1].(map[string]any)["total_tokens"] != 15.0 {
		t.Errorf("usage: %v", rows)
	}
	owner.must(200, "POST", "/keys/"+key+"/deactivate", "")
	f.now = f.now.Add(time.Minute) // later than all else in the audit
	if v := owner.must(200, "POST", "/subscriptions/"+id+"/cancel", `{"reason":"no more"}`); v["cancel_reason"] != "no more" || v["cancelled_by"] != "owner" {
		t.Errorf("cancelled: %v", v)
	}
	if list := owner.must(200, "GET", "/audit?limit=2", ""); len(list["data"].([]any)) != 2 || list["data"].([]any)[0].(map[string]any)["action"] != "subscription.cancel" || list["next"] == nil {
		t.Errorf("audit: %v", list)
	}
}

func tourOfOperators(t *testing.T, admin person) {
	made := admin.must(201, "POST", "/operators", `{"name":"Ada","password":"a password of some length"}`)
	id := made["id"].(string)
	if made["name"] != "ada" || strings.Contains(admin.do("GET", "/operators", "").text, "hash") {
		t.Errorf("operator: %v", made)
	}
	admin.must(200, "GET", "/operators", "")
	admin.must(200, "POST", "/operators/"+id+"/password", `{"password":"another password of some length"}`)
	if v := admin.must(200, "POST", "/operators/"+id+"/disable", ""); v["disabled_at"] == nil {
		t.Errorf("disabled: %v", v)
	}
	if list := admin.must(200, "GET", "/upstreams", "")["data"].([]any); len(list) != 1 || list[0].(map[string]any)["state"] != "healthy" ||
		list[0].(map[string]any)["breaker"] != "open" || list[0].(map[string]any)["breaker_until"] == nil || list[0].(map[string]any)["draining"] != true ||
		list[0].(map[string]any)["queued"] != 2.0 || list[0].(map[string]any)["max_concurrency"] != 3.0 || list[0].(map[string]any)["weight"] != 1.0 {
		t.Errorf("upstreams: %v", list)
	}
	if a := admin.do("POST", "/upstreams/drain", `{"deployment":"up/m"}`); a.status != 422 {
		t.Errorf("drained or not is not said: status %d", a.status)
	}
	if v := admin.must(200, "POST", "/upstreams/drain", `{"deployment":"up/m","draining":false}`); v["draining"] != false {
		t.Errorf("resumed: %v", v)
	}
	admin.do("POST", "/upstreams/drain", `{"deployment":"up/none","draining":true}`).isError(t, 404, "not_found")
	if text := admin.do("GET", "/audit?limit=1000", "").text; strings.Contains(text, "password of") || strings.Contains(text, "argon") {
		t.Errorf("the audit shows a password: %s", text)
	}
}

func tourOfPersonalTokens(t *testing.T, f *fixture, owner person) {
	made := owner.must(201, "POST", "/personal-tokens", `{"name":"x","expires_at":"2026-12-01T00:00:00Z"}`)
	bearer := person{f, []string{"Authorization", "Bearer " + made["token"].(string)}}
	if me := bearer.must(200, "GET", "/me", ""); me["name"] != "owner" || me["csrf_token"] != nil {
		t.Errorf("me: %v", me)
	}
	if a := owner.do("GET", "/personal-tokens", ""); strings.Contains(a.text, made["token"].(string)) || !strings.Contains(a.text, made["prefix"].(string)) {
		t.Errorf("the list shows tokens: %s", a.text)
	}
	owner.must(200, "POST", "/personal-tokens/"+made["id"].(string)+"/revoke", "")
	bearer.do("GET", "/me", "").isError(t, http.StatusUnauthorized, "unauthorized")
}

func tourOfAlerts(t *testing.T, f *fixture, owner person, tenant string) {
	hook := httptest.NewServer(http.NotFoundHandler())
	defer hook.Close()
	if v := owner.must(200, "GET", "/webhook", ""); v["url"] != "" {
		t.Errorf("webhook: %v", v)
	}
	if v := owner.must(200, "PUT", "/webhook", `{"url":"`+hook.URL+`"}`); !strings.HasPrefix(v["secret"].(string), "whsec_") {
		t.Errorf("set: %v", v)
	}
	if v := owner.must(200, "GET", "/webhook", ""); v["url"] != hook.URL || v["secret"] != nil {
		t.Errorf("webhook: %v", v)
	}
	if v := owner.must(200, "POST", "/webhook/test", ""); v["delivered"] != false || v["problem"] == "" {
		t.Errorf("test: %v", v)
	}
	month := store.DayOf(f.now, time.UTC).Month()
	err := f.options.Alerts.Raise(t.Context(), alert.Reached{TenantID: tenant, Scope: "key_x", Subject: alert.Subject{KeyID: "key_x", KeyName: "app", SubscriptionID: "sub_x"},
		Month: month, Percent: 80, Spent: "80", Budget: "100", Unit: "tokens"})
	if err != nil {
		t.Fatal(err)
	}
	list := owner.must(200, "GET", "/alerts", "")["data"].([]any)
	if len(list) != 1 || list[0].(map[string]any)["percent"] != 80.0 || list[0].(map[string]any)["delivery"] != "pending" {
		t.Fatalf("alerts: %v", list)
	}
	if v := owner.must(200, "POST", "/alerts/"+list[0].(map[string]any)["id"].(string)+"/dismiss", ""); v["dismissed_by"] == nil {
		t.Errorf("dismissed: %v", v)
	}
	owner.must(200, "DELETE", "/webhook", "")
	person{f: f}.do("GET", "/alerts", "").isError(t, http.StatusUnprocessableEntity, "invalid")
}
