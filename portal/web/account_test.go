package web_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"llmhub/identity"
)

func TestAccountSessions(t *testing.T) {
	f := newFixture(t)
	f.approve("D1", "owner.one")
	here, there, third := f.signIn("D1", "owner.one"), f.signIn("D1", "owner.one"), f.signIn("D1", "owner.one")
	other := f.signIn("D1", "other")
	a := here.get("/account")
	a.wants(t, http.StatusOK, "owner.one", "D1", "Reports, Profile Management, Deployment/Subscription, Owner", "this browser", `href="/rights"`, "Europe/Berlin")
	ends := regexp.MustCompile(`action="(/account/sessions/[^/]+/end)"`)
	actions := ends.FindAllStringSubmatch(a.text, -1)
	if len(actions) < 2 {
		t.Fatalf("%d sessions can be ended", len(actions))
	}
	foreign := ends.FindStringSubmatch(here.get("/account").text)[1]
	other.post(foreign).wants(t, http.StatusNotFound)
	ended := 0
	for _, m := range actions {
		if a := here.post(m[1]); a.location() != "/account?done=session-ended" {
			t.Errorf("%d to %q", a.status, a.location())
		}
		if ended++; ended == len(actions)-1 {
			break
		}
	}
	here.post(actions[0][1]).wants(t, http.StatusNotFound)
	if a := here.post("/account/sessions"); a.location() != "/account?done=sessions-ended" {
		t.Errorf("%d to %q", a.status, a.location())
	}
	for _, b := range []*browser{there, third} {
		if a := b.get("/account"); a.status != http.StatusSeeOther {
			t.Errorf("a session that was ended gives %d", a.status)
		}
	}
	here.get("/account?done=sessions-ended").wants(t, http.StatusOK, "-/end\"", "-End all others")
	other.get("/account").wants(t, http.StatusOK, "-href=\"/rights\"")
	if a := f.operator().get("/account"); a.location() != "/operator/account" {
		t.Errorf("an operator gets %d to %q", a.status, a.location())
	}
}

func TestPersonalTokens(t *testing.T) {
	f := newFixture(t)
	f.approve("D1", "owner.one")
	b := f.signIn("D1", "owner.one")
	b.get("/account").wants(t, http.StatusOK, "There is no personal token")
	day := time.Now().AddDate(0, 0, 30).Format(time.DateOnly)
	a := b.post("/account/tokens", "name", "monthly <report>", "expires_at", day)
	a.wants(t, http.StatusOK, "This is the only time the token is shown", "monthly &lt;report&gt;", `data-variable="LLM_HUB_TOKEN"`, "/api/v1/subscriptions")
	text := regexp.MustCompile(`lhp_[a-z0-9]{30,}`).FindString(a.text)
	actor, err := f.options.Tokens.Authenticate(t.Context(), text)
	if err != nil || actor.Name != "owner.one" {
		t.Fatalf("%+v, %v", actor, err)
	}
	again := b.post("/account/tokens", "name", "monthly <report>", "expires_at", day)
	again.wants(t, http.StatusUnprocessableEntity, "there is a usable token with this name already", "-data-once")
	page := b.get("/account")
	page.wants(t, http.StatusOK, "Usable", "-"+text)
	revoke := regexp.MustCompile(`href="(/account/tokens/[^/]+/revoke)"`).FindStringSubmatch(page.text)[1]
	stranger := f.signIn("D1", "other")
	stranger.get(revoke).wants(t, http.StatusNotFound)
	stranger.post(revoke).wants(t, http.StatusNotFound)
	b.get(revoke).wants(t, http.StatusOK, "Revoke the token “monthly &lt;report&gt;”?", "Programs that use the token are refused at once", `action="`+revoke+`"`)
	if a := b.post(revoke); a.location() != "/account?done=token-revoked" {
		t.Errorf("%d to %q", a.status, a.location())
	}
	if _, err := f.options.Tokens.Authenticate(t.Context(), text); err == nil {
		t.Error("a token that was revoked is good")
	}
	b.get("/account").wants(t, http.StatusOK, "Revoked", "-"+revoke)
	b.get(revoke).wants(t, http.StatusNotFound)
	if strings.Contains(f.log.String(), text) {
		t.Error("the log has the token")
	}
}

func TestPersonalTokensAreChecked(t *testing.T) {
	f := newFixture(t)
	f.approve("D1", "owner.one")
	b := f.signIn("D1", "owner.one")
	for expires, want := range map[string]string{
		"": "must be within the next 365 days", "2020-01-01": "must be within the next 365 days", "someday": "must be a day such as",
		time.Now().AddDate(2, 0, 0).Format(time.DateOnly): "must be within the next 365 days",
	} {
		b.post("/account/tokens", "name", "kept", "expires_at", expires).wants(t, http.StatusUnprocessableEntity, want, `value="kept"`, "-data-once")
	}
	if _, err := f.options.Tenants.Suspend(t.Context(), identity.Administrator(), f.tenantID("D1", "owner.one"), "unpaid"); err != nil {
		t.Fatal(err)
	}
	b.get("/account").wants(t, http.StatusOK, "-id=\"new-token\"")
}

func TestRights(t *testing.T) {
	f := newFixture(t)
	f.approve("D1", "owner.one")
	owner, anna := f.signIn("D1", "owner.one"), f.signIn("D1", "anna")
	anna.get("/rights").wants(t, http.StatusForbidden)
	owner.get("/rights").wants(t, http.StatusOK, "No rights have been given yet", "1 user then loses", "The owner of the organization always has all rights")
	_, user := f.tenantOf("D1", "anna")
	_, ben := f.tenantOf("D1", "ben")
	path := "/rights/" + user.ID
	anna.post(path, "right", "reports").wants(t, http.StatusForbidden)
	owner.get(path+"/revoke").wants(t, http.StatusOK, "Revoke all rights of anna?", "1 user then loses", `action="`+path+`/revoke"`)
	if a := owner.post(path, "right", "profile"); a.location() != "/rights?done=rights-given" {
		t.Fatalf("%d to %q", a.status, a.location())
	}
	a := owner.get("/rights")
	a.wants(t, http.StatusOK, "-No rights have been given", `value="profile" checked`, `value="reports" checked`, `-value="subscribe" checked`, path+"/revoke", "-/rights/"+ben.ID+"/revoke")
	anna.get("/catalog").wants(t, http.StatusOK)
	anna.get("/subscriptions").wants(t, http.StatusOK)
	owner.post(path, "right", "rights").wants(t, http.StatusUnprocessableEntity, "is not a right that can be given")
	if a := owner.post(path + "/revoke"); a.location() != "/rights?done=rights-revoked" {
		t.Fatalf("%d to %q", a.status, a.location())
	}
	anna.get("/subscriptions").wants(t, http.StatusForbidden)
	anna.get("/account").wants(t, http.StatusOK, "the owner of your organization gives them", "-id=\"new-token\"")
	f.approve("D2", "owner.two")
	stranger := f.signIn("D2", "owner.two")
	stranger.post(path, "right", "profile").wants(t, http.StatusNotFound)
	stranger.get("/rights").wants(t, http.StatusOK, "Nobody else has signed in yet", "-anna")
	_, self := f.tenantOf("D1", "owner.one")
	owner.get("/rights/"+self.ID+"/revoke").wants(t, http.StatusNotFound)
	owner.post("/rights/"+self.ID).wants(t, http.StatusConflict, "has all rights")
}
