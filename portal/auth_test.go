package portal_test

import (
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gofiber/fiber/v2"

	"llmhub/portal"
)

// TestSessionsNeedTheFormToken tries what other sites could make a browser send.
func TestSessionsNeedTheFormToken(t *testing.T) {
	f := newFixture(t)
	owner, tenant := f.customer("Example", "owner")
	other, _ := f.customer("Example", "other")
	without := owner.header[:4]
	path := "/tenants/" + tenant + "/profile"
	for name, header := range map[string][]string{
		"no token":              without,
		"wrong token":           append(append([]string{}, without...), "X-CSRF-Token", "wrong"),
		"another's token":       append(append([]string{}, without...), "X-CSRF-Token", other.header[5]),
		"from another site":     append(append([]string{}, owner.header...), "Sec-Fetch-Site", "cross-site"),
		"from another host":     append(append([]string{}, owner.header...), "Origin", "https://evil.example"),
		"from a sibling domain": append(append([]string{}, owner.header...), "Sec-Fetch-Site", "same-site"),
	} {
		message := f.do("PUT", path, profileData, header...).isError(t, http.StatusForbidden, "forbidden")
		if !strings.Contains(message, "X-CSRF-Token") {
			t.Errorf("%s: %q", name, message)
		}
	}
	if v := owner.must(200, "GET", path, ""); v["state"] != "none" {
		t.Errorf("a refused request had an effect: %v", v)
	}
	(person{f, without}).must(200, "GET", path, "")
	owner.must(200, "PUT", path, profileData)
	(person{f, []string{"Authorization", "", "Cookie", "llmhub_session=rubbish", "X-CSRF-Token", owner.header[5]}}).
		do("GET", "/me", "").isError(t, http.StatusUnauthorized, "unauthorized")
}

// TestNothingIsOpenByMistake asks for everything in the document without saying who asks, and for all that changes something
// with a session alone.
func TestNothingIsOpenByMistake(t *testing.T) {
	f := newFixture(t)
	owner, _ := f.customer("Example", "owner")
	open := 0
	for template, item := range f.document.root["paths"].(map[string]any) {
		path := strings.NewReplacer("{id}", "x", "{document}", "x", "{cluster}", "x").Replace(template)
		for method, o := range item.(map[string]any) {
			if len(o.(map[string]any)["security"].([]any)) == 0 {
				open++
				continue
			}
			method = strings.ToUpper(method)
			f.do(method, path, "", "Authorization", "").isError(t, http.StatusUnauthorized, "unauthorized")
			if method != http.MethodGet {
				f.do(method, path, "", owner.header[:4]...).isError(t, http.StatusForbidden, "forbidden")
			}
		}
	}
	if open != 4 {
		t.Errorf("%d operations are open to all, want the document and three of the catalog", open)
	}
}

// TestBearerGoesBeforeCookie: a wrong token is not made good by a session.
func TestBearerGoesBeforeCookie(t *testing.T) {
	f := newFixture(t)
	owner, _ := f.customer("Example", "owner")
	both := append([]string{"Cookie", owner.header[3]}, "Authorization", "Bearer wrong")
	f.do("GET", "/me", "", both...).isError(t, http.StatusUnauthorized, "unauthorized")
}

// TestGuessingIsBounded guesses until the address has to wait: then even the right administrator's token is refused,
// while personal tokens, which nobody can guess, are not.
func TestGuessingIsBounded(t *testing.T) {
	f := newFixture(t)
	owner, _ := f.customer("Example", "owner")
	personal := owner.byToken()
	guess := func(token string) answer { return f.do("GET", "/tenants", "", "Authorization", "Bearer "+token) }
	for i := range 30 {
		text := "guess-" + strconv.Itoa(i)
		if i%2 == 1 {
			text = "lhp_" + text
		}
		guess(text).isError(t, http.StatusUnauthorized, "unauthorized")
	}
	for _, text := range []string{"guess-last", "lhp_guess", adminToken} {
		a := guess(text)
		a.isError(t, http.StatusTooManyRequests, "too_many_requests")
		if s, err := strconv.Atoi(a.header.Get("Retry-After")); err != nil || s < 1 || s > 600 {
			t.Errorf("Retry-After: %q", a.header.Get("Retry-After"))
		}
	}
	personal.must(200, "GET", "/me", "")
	owner.must(200, "GET", "/me", "")
	f.now = f.now.Add(10 * time.Minute)
	if a := guess(adminToken); a.status != http.StatusOK {
		t.Errorf("after the wait: %d %s", a.status, a.text)
	}
}

// TestOperatorsElsewhere: where operators have a listener of their own, their sessions hold there alone.
func TestOperatorsElsewhere(t *testing.T) {
	f := newFixture(t)
	operator := f.operator("ada")
	customer, _ := f.customer("Example", "owner")
	f.options.OperatorsElsewhere = true
	p := portal.New(f.options)
	public, own := fiber.New(fiber.Config{DisableStartupMessage: true}), fiber.New(fiber.Config{DisableStartupMessage: true})
	p.Register(public)
	p.RegisterOperators(own)
	for _, c := range []struct {
		app    *fiber.App
		who    person
		status int
	}{{public, operator, 401}, {public, customer, 200}, {public, person{f: f}, 200}, {own, operator, 200}} {
		req := httptest.NewRequest("GET", "/api/v1/me", nil)
		req.Header.Set("Authorization", "Bearer "+adminToken)
		for i := 0; i+1 < len(c.who.header); i += 2 {
			req.Header.Set(c.who.header[i], c.who.header[i+1])
		}
		resp, err := c.app.Test(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != c.status {
			t.Errorf("%v: %d, want %d", c.who.header, resp.StatusCode, c.status)
		}
	}
}
