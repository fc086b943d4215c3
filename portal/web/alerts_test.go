package web_test

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"llmhub/alert"
	"llmhub/store"
)

// raise makes an alert of a tenant in the current month.
func (f *fixture) raise(tenant string, percent int) {
	f.t.Helper()
	err := f.options.Alerts.Raise(f.t.Context(), alert.Reached{
		TenantID: tenant, Scope: "key_x", Subject: alert.Subject{KeyID: "key_x", KeyName: "<app>", SubscriptionID: "sub_x", SubscriptionName: "LLM Hub"},
		Month: store.DayOf(time.Now(), f.options.Location).Month(), Percent: percent, Spent: "40120", Budget: "50000", Unit: "tokens",
	})
	if err != nil {
		f.t.Fatal(err)
	}
}

func TestAlertsAreShownAndDismissed(t *testing.T) {
	f := newFixture(t)
	owned, _ := f.approve("D1", "owner.one")
	tenant := owned.ID
	f.raise(tenant, 80)
	owner, stranger := f.signIn("D1", "owner.one"), f.signIn("D2", "owner.two")
	const text = "80 % of the monthly budget of the key &lt;app&gt; has been used: 40,120 tokens of 50,000 tokens."
	for _, path := range []string{"/subscriptions", "/consumption", "/alerts"} {
		if a := owner.get(path); a.status != http.StatusOK || strings.Count(a.text, text) != 1 {
			t.Errorf("%s: %d, shown %d times", path, a.status, strings.Count(a.text, text))
		}
	}
	if a := stranger.get("/alerts"); strings.Contains(a.text, "40,120") {
		t.Error("another tenant sees the alert")
	}
	action := regexp.MustCompile(`/alerts/alr_[0-9a-f_]+/dismiss`).FindString(owner.get("/subscriptions").text)
	if a := stranger.post(action); a.status != http.StatusNotFound {
		t.Errorf("another tenant dismisses: %d", a.status)
	}
	if a := owner.post(action, "back", "/consumption"); a.status != http.StatusSeeOther || a.location() != "/consumption" {
		t.Errorf("dismiss: %d to %q", a.status, a.location())
	}
	if a := owner.get("/subscriptions"); strings.Contains(a.text, text) {
		t.Error("a dismissed alert is still on every page")
	}
	if a := owner.get("/alerts"); !strings.Contains(a.text, "dismissed by") {
		t.Error("the list does not say who dismissed it")
	}
	f.raise(tenant, 100)
	if a := owner.get("/subscriptions"); !strings.Contains(a.text, "is used up") {
		t.Error("a budget that is used up is not told")
	}
}

func TestWebhookIsSetOnItsPage(t *testing.T) {
	f := newFixture(t)
	f.approve("D1", "owner.one")
	calls, status := 0, http.StatusOK
	hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { calls++; w.WriteHeader(status) }))
	defer hook.Close()
	owner := f.signIn("D1", "owner.one")
	if a := owner.post("/webhook", "url", "ftp://example.com/<x>"); a.status != http.StatusUnprocessableEntity || !strings.Contains(a.text, "ftp://example.com/&lt;x&gt;") {
		t.Errorf("a bad address: %d", a.status)
	}
	a := owner.post("/webhook", "url", hook.URL)
	key := regexp.MustCompile(`whsec_[A-Za-z0-9+/=&#;]+`).FindString(a.text)
	if a.status != http.StatusOK || key == "" {
		t.Fatalf("set: %d", a.status)
	}
	if a := owner.get("/alerts"); strings.Contains(a.text, key) || !strings.Contains(a.text, hook.URL) {
		t.Error("the page shows the secret again, or not where alerts are sent")
	}
	if a := owner.post("/webhook/test"); a.status != http.StatusOK || !strings.Contains(a.text, "The test has been delivered.") || calls != 1 {
		t.Errorf("test: %d, %d calls", a.status, calls)
	}
	status = http.StatusTeapot
	if a := owner.post("/webhook/test"); !strings.Contains(a.text, "status 418") {
		t.Error("a test that fails is not told")
	}
	owner.post("/preferences", "language", "de")
	if a := owner.post("/webhook/test"); !strings.Contains(a.text, "Der Empfänger hat mit Status 418 geantwortet.") {
		t.Error("a test that fails is not told in German")
	}
	if a := owner.get("/webhook/remove"); a.status != http.StatusOK || !strings.Contains(a.text, hook.URL) {
		t.Errorf("question: %d", a.status)
	}
	if a := owner.post("/webhook/remove"); a.status != http.StatusSeeOther {
		t.Errorf("remove: %d", a.status)
	}
	if a := owner.get("/webhook/remove"); a.status != http.StatusNotFound {
		t.Errorf("removed twice: %d", a.status)
	}
}
