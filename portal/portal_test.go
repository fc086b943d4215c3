package portal_test

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"
)

func TestOnlyTheAdministrator(t *testing.T) {
	f := newFixture(t)
	for _, header := range []string{
		"", "Bearer", "Bearer ", "Bearer wrong", "Bearer " + adminToken[1:], "Bearer " + adminToken + "x", "Basic " + adminToken,
		adminToken, "Bearer " + strings.ToUpper(adminToken), "Bearer " + strings.Repeat("x", 2000),
	} {
		for _, path := range []string{"/tenants", "/keys/key_x", "/no/such/path"} {
			a := f.do(http.MethodGet, path, "", "Authorization", header)
			a.isError(t, http.StatusUnauthorized, "unauthorized")
			if !strings.HasPrefix(a.header.Get("WWW-Authenticate"), "Bearer ") {
				t.Errorf("%q: no WWW-Authenticate", header)
			}
		}
	}
	f.do(http.MethodPost, "/tenants", `{"name":"x"}`, "Authorization", "Bearer no").isError(t, http.StatusUnauthorized, "unauthorized")
	if list := f.must(http.StatusOK, http.MethodGet, "/tenants", ""); len(list["data"].([]any)) != 0 {
		t.Error("a refused request had an effect")
	}
	if a := f.do(http.MethodGet, "/tenants", "", "Authorization", "bearer "+adminToken); a.status != http.StatusOK {
		t.Errorf("the scheme is not case-insensitive: %d", a.status)
	}
	if strings.Contains(f.log.String(), adminToken) {
		t.Error("the token is in the log")
	}
}

var keyForm = regexp.MustCompile(`sk-lh-[0-9A-Za-z]{30,}`)

func TestLifeOfAKey(t *testing.T) {
	f := newFixture(t)
	tenant := f.create("/tenants", `{"name":"Example GmbH"}`)
	s := f.must(http.StatusCreated, http.MethodPost, "/subscriptions", `{"tenant_id":"`+tenant+`","product_id":"llm-hub","models":["m1","m2"]}`)
	sub := s["id"].(string)
	if s["state"] != "active" || s["tenant_id"] != tenant || len(s["models"].([]any)) != 2 {
		t.Errorf("subscription: %v", s)
	}
	k := f.must(http.StatusCreated, http.MethodPost, "/keys",
		`{"subscription_id":"`+sub+`","name":"ci","models":["m1"],"expires_at":"2027-01-01T01:00:00+01:00"}`)
	key, secret := k["id"].(string), k["key"].(string)
	if !keyForm.MatchString(secret) || !strings.HasPrefix(secret, k["prefix"].(string)) || k["state"] != "active" ||
		k["expires_at"] != "2027-01-01T00:00:00Z" || k["tenant_id"] != tenant || k["last_used_at"] != nil {
		t.Errorf("key: %v", k)
	}
	for _, path := range []string{"/keys", "/keys/" + key, "/keys?tenant_id=" + tenant, "/keys?subscription_id=" + sub} {
		a := f.do(http.MethodGet, path, "")
		if a.status != http.StatusOK || !strings.Contains(a.text, key) {
			t.Errorf("%s does not show the key's ID: %d %s", path, a.status, a.text)
		}
		if keyForm.MatchString(a.text) || strings.Contains(a.text, "hash") {
			t.Errorf("%s shows the key or its hash: %s", path, a.text)
		}
	}

	f.commit(event(key, "m1", time.Date(2026, 11, 1, 10, 20, 45, 0, time.UTC), 1, 0, 1))
	if k := f.must(http.StatusOK, http.MethodGet, "/keys/"+key, ""); k["last_used_at"] != "2026-11-01T10:20:00Z" {
		t.Errorf("last use is not to the minute: %v", k["last_used_at"])
	}

	f.do(http.MethodPost, "/keys", `{"subscription_id":"`+sub+`","name":"ci"}`).isError(t, http.StatusConflict, "conflict")
	if k := f.must(http.StatusOK, http.MethodPost, "/keys/"+key+"/deactivate", ""); k["state"] != "deactivated" || k["deactivated_at"] == nil {
		t.Errorf("deactivated: %v", k)
	}
	f.do(http.MethodPost, "/keys/"+key+"/deactivate", "").isError(t, http.StatusConflict, "invalid_state")

	second := f.create("/keys", `{"subscription_id":"`+sub+`","name":"second"}`)
	if s := f.must(http.StatusOK, http.MethodPost, "/subscriptions/"+sub+"/cancel", "{}"); s["state"] != "cancelled" || s["cancelled_at"] == nil {
		t.Errorf("cancelled: %v", s)
	}
	if k := f.must(http.StatusOK, http.MethodGet, "/keys/"+second, ""); k["state"] != "deactivated" {
		t.Errorf("key of a cancelled subscription: %v", k)
	}
	f.do(http.MethodPost, "/subscriptions/"+sub+"/cancel", "").isError(t, http.StatusConflict, "invalid_state")
	f.do(http.MethodPost, "/keys", `{"subscription_id":"`+sub+`","name":"late"}`).isError(t, http.StatusConflict, "invalid_state")
}

func TestExpiredKeyIsShownAsSuch(t *testing.T) {
	f := newFixture(t)
	_, sub, _ := f.key("first")
	k := f.must(http.StatusCreated, http.MethodPost, "/keys", `{"subscription_id":"`+sub+`","name":"short","expires_at":"2026-11-01T00:00:00Z"}`)
	f.now = f.now.Add(time.Hour)
	if got := f.must(http.StatusOK, http.MethodGet, "/keys/"+k["id"].(string), ""); got["state"] != "expired" {
		t.Errorf("state %v", got["state"])
	}
}

func TestBadRequests(t *testing.T) {
	f := newFixture(t)
	_, sub, key := f.key("k")
	const bad, gone, invalid = "bad_request", "not_found", "invalid"
	cases := []struct {
		method, path, body string
		status             int
		code, says         string
	}{
		{"POST", "/tenants", ``, 415, "unsupported_media_type", ""},
		{"POST", "/tenants", ` `, 400, bad, "empty"},
		{"POST", "/tenants", `{"name":`, 400, bad, "ends too early"},
		{"POST", "/tenants", `{"name":"x"} {}`, 400, bad, "follows"},
		{"POST", "/tenants", `{"nam":"x"}`, 400, bad, `unknown field "nam"`},
		{"POST", "/tenants", `{"name":7}`, 400, bad, `field "name" cannot be a JSON number`},
		{"POST", "/tenants", `["x"]`, 400, bad, "must be a JSON object"},
		{"POST", "/tenants", `{name}`, 400, bad, "invalid JSON at byte 2"},
		{"POST", "/tenants", "{\"name\":\"\xff\"}", 400, bad, "UTF-8"},
		{"POST", "/tenants", `{"name":"` + strings.Repeat("x", 70000) + `"}`, 413, "too_large", ""},
		{"POST", "/tenants", strings.Repeat("[", 60000), 400, bad, ""},
		{"POST", "/tenants", `{"name":""}`, 422, invalid, ""},
		{"POST", "/tenants", `{"name":"` + strings.Repeat("x", 2000) + `"}`, 422, invalid, ""},
		{"POST", "/subscriptions", `{"tenant_id":"ten_none","product_id":"llm-hub"}`, 404, gone, ""},
		{"POST", "/subscriptions", `{"product_id":"llm-hub"}`, 422, invalid, ""},
		{"POST", "/keys", `{"subscription_id":"sub_none","name":"x"}`, 404, gone, ""},
		{"POST", "/keys", `{"subscription_id":"` + sub + `","name":""}`, 422, invalid, ""},
		{"POST", "/keys", `{"subscription_id":"` + sub + `","name":"x","expires_at":"tomorrow"}`, 400, bad, ""},
		{"POST", "/keys", `{"subscription_id":"` + sub + `","name":"x","expires_at":"2020-01-01T00:00:00Z"}`, 422, invalid, ""},
		{"POST", "/keys/" + key + "/deactivate", `{"really":true}`, 400, bad, "unknown field"},
		{"POST", "/keys/key_none/deactivate", ``, 404, gone, ""},
		{"POST", "/subscriptions/sub_none/cancel", ``, 404, gone, ""},
		{"GET", "/subscriptions/sub_none", ``, 404, gone, ""},
		{"GET", "/keys/key_none", ``, 404, gone, ""},
		{"GET", "/keys/" + strings.Repeat("k", 1000), ``, 404, gone, ""},
		{"GET", "/keys/%00%0a", ``, 404, gone, ""},
		{"GET", "/keys/key_none/events", ``, 404, gone, ""},
		{"GET", "/keys/" + key + "/events?cursor=rubbish", ``, 400, bad, "cursor"},
		{"GET", "/keys?tenant_id=ten_none", ``, 404, gone, ""},
		{"GET", "/keys?subscription_id=sub_none", ``, 404, gone, ""},
		{"GET", "/keys?subscription=" + sub, ``, 400, bad, `unknown parameter "subscription"`},
		{"GET", "/keys?limit=5&limit=6", ``, 400, bad, "given twice"},
		{"GET", "/keys?limit=0", ``, 400, bad, "limit"},
		{"GET", "/keys?limit=1001", ``, 400, bad, "limit"},
		{"GET", "/keys?limit=ten", ``, 400, bad, "limit"},
		{"GET", "/subscriptions?tenant_id=ten_none", ``, 404, gone, ""},
		{"GET", "/usage?month=2026-13", ``, 400, bad, "month"},
		{"GET", "/usage?month=2026-11&from=2026-11-01", ``, 400, bad, "either month"},
		{"GET", "/usage?from=2026-11-01", ``, 400, bad, "together"},
		{"GET", "/usage?from=2026-11-02&to=2026-11-01", ``, 400, bad, "before"},
		{"GET", "/usage?from=1026-11-02&to=2026-11-01", ``, 400, bad, "longer"},
		{"GET", "/usage?from=2026-11-31&to=2026-12-01", ``, 400, bad, "not a day"},
		{"GET", "/usage?by=colour", ``, 400, bad, "colour"},
		{"GET", "/usage?key_id=key_none", ``, 404, gone, ""},
		{"GET", "/usage?tenant_id=ten_none", ``, 404, gone, ""},
		{"GET", "/usage?subscription_id=sub_none", ``, 404, gone, ""},
		{"GET", "/usage?key_id=" + key + "&subscription_id=" + sub, ``, 400, bad, "one of"},
		{"GET", "/nothing", ``, 404, gone, ""},
		{"DELETE", "/keys/" + key, ``, 405, "method_not_allowed", "GET"},
		{"PUT", "/tenants", `{}`, 405, "method_not_allowed", "GET, POST"},
	}
	for _, c := range cases {
		name := fmt.Sprintf("%s %.40s %.60q", c.method, c.path, c.body)
		t.Run(name, func(t *testing.T) {
			message := f.do(c.method, c.path, c.body).isError(t, c.status, c.code)
			if !strings.Contains(message, c.says) {
				t.Errorf("%q does not say %q", message, c.says)
			}
		})
	}
	for _, kind := range []string{"text/plain", "application/json; charset=latin1", "application/x-www-form-urlencoded", "///"} {
		f.do("POST", "/tenants", `{"name":"x"}`, "Content-Type", kind).isError(t, http.StatusUnsupportedMediaType, "unsupported_media_type")
	}
	f.do("POST", "/tenants", `{"name":"x"}`, "Content-Encoding", "gzip").isError(t, http.StatusUnsupportedMediaType, "unsupported_media_type")
	if n := len(f.must(200, "GET", "/tenants", "")["data"].([]any)); n != 1 {
		t.Errorf("%d tenants: a refused request had an effect", n)
	}
	if log := f.log.String(); strings.Contains(log, "ERROR") {
		t.Errorf("the caller's mistakes are logged as errors:\n%s", log)
	}
}

// TestNothingSharesFibersBuffers sends many requests on one connection, whose buffers are used again each time.
func TestNothingSharesFibersBuffers(t *testing.T) {
	f := newFixture(t)
	names := map[string]bool{}
	for i := range 40 {
		name := fmt.Sprintf("%c-%s", 'a'+i%26, strings.Repeat(fmt.Sprint(i%10), 5+i))
		names[name] = true
		f.create("/tenants", `{"name":"`+name+`"}`)
	}
	seen := 0
	for path := "/tenants?limit=7"; ; {
		list := f.must(200, "GET", path, "")
		for _, v := range list["data"].([]any) {
			seen++
			if name := v.(map[string]any)["name"].(string); !names[name] {
				t.Errorf("strange name %q", name)
			}
		}
		next, more := list["next"].(string)
		if !more {
			break
		}
		path = "/tenants?limit=7&after=" + next
	}
	if seen != 40 {
		t.Errorf("%d tenants in all pages, want 40", seen)
	}
}

func TestTroubleInsideIsNotShown(t *testing.T) {
	f := newFixture(t)
	if err := f.store.Close(); err != nil {
		t.Fatal(err)
	}
	a := f.do("GET", "/tenants", "")
	message := a.isError(t, http.StatusServiceUnavailable, "unavailable")
	if strings.Contains(message, "store") || strings.Contains(message, "badger") {
		t.Errorf("the answer tells of the inside: %s", message)
	}
	if log := f.log.String(); !strings.Contains(log, "level=ERROR") || !strings.Contains(log, a.header.Get("X-Request-Id")) {
		t.Errorf("the log does not tell the cause with the request ID:\n%s", log)
	}
}
