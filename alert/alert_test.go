package alert

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"llmhub/fault"
	"llmhub/identity"
	"llmhub/secret"
	"llmhub/store"
	"llmhub/store/local"
)

var (
	owner  = identity.Actor{Kind: identity.Customer, ID: "u1", Name: "Ada", TenantID: "ten_a", Rights: []identity.Right{identity.Subscribe, identity.Reports}}
	reader = identity.Actor{Kind: identity.Customer, ID: "u2", Name: "Ben", TenantID: "ten_a", Rights: []identity.Right{identity.Reports}}
	other  = identity.Actor{Kind: identity.Customer, ID: "u3", Name: "Cleo", TenantID: "ten_b", Rights: []identity.Right{identity.Subscribe, identity.Reports}}
)

// fixture is a service on a real store with a clock.
type fixture struct {
	*Service
	t     *testing.T
	store *local.Store
	mu    sync.Mutex
	clock time.Time
}

func newFixture(t *testing.T, allowPrivate bool) *fixture {
	t.Helper()
	d, err := local.Open(t.TempDir(), local.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	sealer, err := secret.NewSealer(make([]byte, 32), "webhook")
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{t: t, store: d, clock: time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)}
	f.Service = NewService(Options{Documents: d, Sealer: sealer, AllowPrivate: allowPrivate, Now: func() time.Time {
		f.mu.Lock()
		defer f.mu.Unlock()
		return f.clock
	}})
	return f
}

func (f *fixture) wait(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.clock = f.clock.Add(d)
}

func november(t *testing.T) store.Month {
	t.Helper()
	m, err := store.ParseMonth("2026-11")
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func (f *fixture) raise(percent int) {
	f.t.Helper()
	f.raiseOf("key_1", "1000", percent)
}

func (f *fixture) raiseOf(scope, budget string, percent int) {
	f.t.Helper()
	err := f.Raise(f.t.Context(), Reached{
		TenantID: "ten_a", Scope: scope, Subject: Subject{KeyID: "key_1", KeyName: "app", SubscriptionID: "sub_1", SubscriptionName: "AI LLM HUB"},
		Month: november(f.t), Percent: percent, Spent: "800", Budget: budget, Unit: "tokens",
	})
	if err != nil {
		f.t.Fatal(err)
	}
}

func (f *fixture) only(by identity.Actor) Alert {
	f.t.Helper()
	all, next, err := f.List(f.t.Context(), by, "ten_a", "", 10)
	if err != nil || len(all) != 1 || next != "" {
		f.t.Fatalf("%+v, %q, %v", all, next, err)
	}
	return all[0]
}

// receiver is a webhook's other end.
type receiver struct {
	*httptest.Server
	mu     sync.Mutex
	status int
	got    []*http.Request
	bodies []string
}

func newReceiver(t *testing.T) *receiver {
	r := &receiver{status: 204}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		body, err := io.ReadAll(q.Body)
		if err != nil {
			t.Error(err)
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		r.got, r.bodies = append(r.got, q), append(r.bodies, string(body))
		w.Header().Set("Location", "http://192.0.2.1/elsewhere")
		w.WriteHeader(r.status)
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) calls() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.got)
}

func (r *receiver) answerWith(status int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.status = status
}

func (f *fixture) due() {
	f.t.Helper()
	if err := f.deliverDue(f.t.Context()); err != nil {
		f.t.Fatal(err)
	}
}

func TestAlertIsMadeOnce(t *testing.T) {
	f := newFixture(t, true)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() { f.raise(50) })
	}
	wg.Wait()
	a := f.only(reader)
	if a.Percent != 50 || a.Subject.KeyName != "app" || a.Delivery.State != NotDue || a.Month != "2026-11" || a.Budget != "1000" {
		t.Errorf("%+v", a)
	}
	if err := f.Raise(t.Context(), Reached{TenantID: "ten_a", Scope: "key_1", Month: november(t) + 1, Percent: 50, Unit: "tokens"}); err != nil {
		t.Fatal(err)
	}
	all, _, err := f.List(t.Context(), owner, "ten_a", "", 10)
	if err != nil || len(all) != 2 || all[0].Month != "2026-12" {
		t.Errorf("newest first: %+v, %v", all, err)
	}
	if err := f.Raise(t.Context(), Reached{TenantID: "ten_a", Scope: "key_1", Month: november(t), Percent: 50, Unit: "EUR"}); err != nil {
		t.Fatal(err)
	}
	if all, _, err = f.List(t.Context(), owner, "ten_a", "", 10); err != nil || len(all) != 3 {
		t.Errorf("a budget of money is another one: %+v, %v", all, err)
	}
}

func TestOpenAlerts(t *testing.T) {
	f := newFixture(t, true)
	f.raise(50)
	f.raise(80)
	open, err := f.Open(t.Context(), reader, "ten_a", november(t))
	if err != nil || len(open) != 1 || open[0].Percent != 80 {
		t.Fatalf("%+v, %v", open, err)
	}
	if _, err := f.Dismiss(t.Context(), reader, open[0].ID); !errors.Is(err, &fault.Error{Kind: fault.Forbidden}) {
		t.Errorf("who may only read dismisses: %v", err)
	}
	if _, err := f.Dismiss(t.Context(), other, open[0].ID); !errors.Is(err, &fault.Error{Kind: fault.NotFound}) {
		t.Errorf("another tenant's alert: %v", err)
	}
	if _, err := f.Dismiss(t.Context(), owner, "nothing"); !errors.Is(err, &fault.Error{Kind: fault.NotFound}) {
		t.Errorf("no alert: %v", err)
	}
	for range 2 {
		if a, err := f.Dismiss(t.Context(), owner, open[0].ID); err != nil || a.DismissedBy != "Ada" {
			t.Errorf("%+v, %v", a, err)
		}
	}
	if open, err = f.Open(t.Context(), reader, "ten_a", november(t)); err != nil || len(open) != 0 {
		t.Errorf("a dismissed one shows a lower one again: %+v, %v", open, err)
	}
	f.raise(100)
	if open, err = f.Open(t.Context(), reader, "ten_a", november(t)); err != nil || len(open) != 1 || open[0].Percent != 100 {
		t.Errorf("%+v, %v", open, err)
	}
	if open, err = f.Open(t.Context(), reader, "ten_a", november(t)+1); err != nil || len(open) != 0 {
		t.Errorf("next month: %+v, %v", open, err)
	}
	for _, by := range []identity.Actor{other, {Kind: identity.Customer, TenantID: "ten_a"}} {
		if _, err := f.Open(t.Context(), by, "ten_a", november(t)); err == nil {
			t.Error("a stranger sees alerts")
		}
		if _, _, err := f.List(t.Context(), by, "ten_a", "", 1); err == nil {
			t.Error("a stranger lists alerts")
		}
	}
}

// TestOpenAlertsBehindDismissedOnes has more budgets than are shown, of which those that come first are put away.
func TestOpenAlertsBehindDismissedOnes(t *testing.T) {
	f := newFixture(t, true)
	for i := range maxOpen + 5 {
		f.raiseOf("key_"+strconv.Itoa(i), "1000", 50)
	}
	for range 2 {
		open, err := f.Open(t.Context(), reader, "ten_a", november(t))
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range open {
			if _, err := f.Dismiss(t.Context(), owner, a.ID); err != nil {
				t.Fatal(err)
			}
		}
	}
	if open, err := f.Open(t.Context(), reader, "ten_a", november(t)); err != nil || len(open) != 0 {
		t.Errorf("%+v, %v", open, err)
	}
	all, _, err := f.List(t.Context(), reader, "ten_a", "", 100)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range all {
		if a.DismissedAt == nil {
			t.Errorf("%s was never shown", a.ID)
		}
	}
}

// TestBudgetOfAnotherSize has a budget raised in the month: its shares are told of anew.
func TestBudgetOfAnotherSize(t *testing.T) {
	f := newFixture(t, true)
	f.raiseOf("key_1", "1000", 80)
	f.raiseOf("key_1", "2000", 80)
	f.raiseOf("key_1", "2000", 80)
	if all, _, err := f.List(t.Context(), reader, "ten_a", "", 10); err != nil || len(all) != 2 {
		t.Errorf("%+v, %v", all, err)
	}
}

func TestWebhookIsCalledOnceAndSigned(t *testing.T) {
	f, r := newFixture(t, true), newReceiver(t)
	_, key, err := f.SetWebhook(t.Context(), owner, "ten_a", r.URL+"/hooks?x=1")
	if err != nil {
		t.Fatal(err)
	}
	f.raise(80)
	f.due()
	f.due()
	if r.calls() != 1 {
		t.Fatalf("%d calls", r.calls())
	}
	q, body := r.got[0], r.bodies[0]
	a := f.only(owner)
	if a.Delivery.State != Delivered || a.Delivery.Attempts != 1 || q.Header.Get("Webhook-Id") != a.ID {
		t.Errorf("%+v, %v", a, q.Header)
	}
	if want := Signature(key, a.ID, q.Header.Get("Webhook-Timestamp"), []byte(body)); q.Header.Get("Webhook-Signature") != want {
		t.Errorf("signature %q, want %q", q.Header.Get("Webhook-Signature"), want)
	}
	var m struct {
		Type string
		Data map[string]any
	}
	if err := json.Unmarshal([]byte(body), &m); err != nil || m.Type != "budget.threshold_reached" || m.Data["percent"] != 80.0 ||
		m.Data["key_name"] != "app" || m.Data["spent"] != "800" || m.Data["alert_id"] != a.ID {
		t.Errorf("%s, %v", body, err)
	}
}

// TestSignature is the example of the specification at standardwebhooks.com.
func TestSignature(t *testing.T) {
	got := Signature(secret.New("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"), "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", []byte(`{"test": 2432232314}`))
	if got != "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=" {
		t.Errorf("got %s", got)
	}
}

func TestWebhookIsTriedAgain(t *testing.T) {
	f, r := newFixture(t, true), newReceiver(t)
	if _, _, err := f.SetWebhook(t.Context(), owner, "ten_a", r.URL); err != nil {
		t.Fatal(err)
	}
	r.answerWith(302) // not followed
	f.raise(100)
	for i, pause := range pauses {
		f.due()
		f.due() // too early for another
		a := f.only(owner)
		if r.calls() != i+1 || a.Delivery.State != Pending || a.Delivery.Problem.String() != "the receiver answered with status 302" {
			t.Fatalf("%d calls behind attempt %d: %+v", r.calls(), i+1, a.Delivery)
		}
		f.wait(pause)
	}
	f.due()
	if a := f.only(owner); a.Delivery.State != Failed || r.calls() != len(pauses)+1 {
		t.Errorf("%d calls: %+v", r.calls(), a.Delivery)
	}
	f.wait(48 * time.Hour)
	f.due()
	if r.calls() != len(pauses)+1 {
		t.Error("one that was given up is called again")
	}
}

func TestWebhookRecovers(t *testing.T) {
	f, r := newFixture(t, true), newReceiver(t)
	if _, _, err := f.SetWebhook(t.Context(), owner, "ten_a", r.URL); err != nil {
		t.Fatal(err)
	}
	r.answerWith(500)
	f.raise(50)
	f.due()
	r.answerWith(200)
	f.wait(pauses[0])
	f.due()
	if a := f.only(owner); a.Delivery.State != Delivered || a.Delivery.Attempts != 2 || a.Delivery.Problem != (Problem{}) || r.got[0].Header.Get("Webhook-Id") != r.got[1].Header.Get("Webhook-Id") {
		t.Errorf("%+v", a.Delivery)
	}
}

func TestTwoProcessesCallOnce(t *testing.T) {
	f, r := newFixture(t, true), newReceiver(t)
	if _, _, err := f.SetWebhook(t.Context(), owner, "ten_a", r.URL); err != nil {
		t.Fatal(err)
	}
	f.raise(50)
	second := NewService(Options{Documents: f.store, Sealer: f.sealer, Now: f.now, AllowPrivate: true})
	var wg sync.WaitGroup
	for _, s := range []*Service{f.Service, second} {
		wg.Go(func() {
			if err := s.deliverDue(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if r.calls() != 1 {
		t.Errorf("%d calls", r.calls())
	}
}

func TestRunDeliversAndStops(t *testing.T) {
	f, r := newFixture(t, true), newReceiver(t)
	if _, _, err := f.SetWebhook(t.Context(), owner, "ten_a", r.URL); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); f.Run(ctx) }()
	f.raise(50)
	for deadline := time.Now().Add(20 * time.Second); f.only(owner).Delivery.State != Delivered; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("not delivered")
		}
	}
	stop()
	<-done
	if r.calls() != 1 {
		t.Errorf("%d calls", r.calls())
	}
}

func TestWebhookRights(t *testing.T) {
	f := newFixture(t, true)
	for _, by := range []identity.Actor{reader, other} {
		if _, _, err := f.SetWebhook(t.Context(), by, "ten_a", "https://example.com"); err == nil {
			t.Errorf("%s sets a webhook", by.Name)
		}
		if err := f.RemoveWebhook(t.Context(), by, "ten_a"); err == nil {
			t.Errorf("%s removes a webhook", by.Name)
		}
		if _, err := f.Test(t.Context(), by, "ten_a"); err == nil {
			t.Errorf("%s tests a webhook", by.Name)
		}
	}
	if _, err := f.Webhook(t.Context(), other, "ten_a"); !errors.Is(err, &fault.Error{Kind: fault.NotFound}) {
		t.Errorf("another tenant's webhook: %v", err)
	}
	if hook, err := f.Webhook(t.Context(), reader, "ten_a"); hook != nil || err != nil {
		t.Errorf("no webhook: %v, %v", hook, err)
	}
	if _, err := f.Test(t.Context(), owner, "ten_a"); !errors.Is(err, &fault.Error{Kind: fault.NotFound}) {
		t.Errorf("no webhook is tested: %v", err)
	}
}

func TestWebhookSecretIsShownOnce(t *testing.T) {
	f, r := newFixture(t, true), newReceiver(t)
	_, first, err := f.SetWebhook(t.Context(), owner, "ten_a", r.URL)
	if err != nil {
		t.Fatal(err)
	}
	_, second, err := f.SetWebhook(t.Context(), owner, "ten_a", r.URL+"/other")
	if err != nil || first.Equal(second) || !strings.HasPrefix(second.Reveal(), "whsec_") {
		t.Fatalf("%v", err)
	}
	hook, err := f.Webhook(t.Context(), reader, "ten_a")
	if err != nil || hook.URL != r.URL+"/other" || hook.Secret != nil {
		t.Errorf("%+v, %v", hook, err)
	}
	if problem, err := f.Test(t.Context(), owner, "ten_a"); problem != (Problem{}) || err != nil || !strings.Contains(r.bodies[0], `"webhook.test"`) {
		t.Errorf("%q, %v", problem, err)
	}
	q := r.got[0]
	if q.Header.Get("Webhook-Signature") != Signature(second, q.Header.Get("Webhook-Id"), q.Header.Get("Webhook-Timestamp"), []byte(r.bodies[0])) {
		t.Error("the test is signed by another secret")
	}
	f.wait(time.Second)
	if err := f.RemoveWebhook(t.Context(), owner, "ten_a"); err != nil {
		t.Fatal(err)
	}
	if err := f.RemoveWebhook(t.Context(), owner, "ten_a"); !errors.Is(err, &fault.Error{Kind: fault.NotFound}) {
		t.Errorf("removed twice: %v", err)
	}
	changes, _, err := identity.NewAudit(f.store).List(t.Context(), identity.AuditQuery{TenantID: "ten_a"}, "", 10)
	if err != nil || len(changes) != 3 || changes[0].Action != "webhook.remove" {
		t.Errorf("%+v, %v", changes, err)
	}
	for _, c := range changes {
		if strings.Contains(string(c.Before)+string(c.After), `"secret"`) {
			t.Errorf("the audit holds a secret: %s %s", c.Before, c.After)
		}
	}
}

func TestWebhookGoneMeanwhile(t *testing.T) {
	f, r := newFixture(t, true), newReceiver(t)
	if _, _, err := f.SetWebhook(t.Context(), owner, "ten_a", r.URL); err != nil {
		t.Fatal(err)
	}
	f.raise(50)
	if err := f.RemoveWebhook(t.Context(), owner, "ten_a"); err != nil {
		t.Fatal(err)
	}
	f.due()
	if a := f.only(owner); a.Delivery.State != NotDue || r.calls() != 0 {
		t.Errorf("%+v", a.Delivery)
	}
}

func TestWebhookAddresses(t *testing.T) {
	f := newFixture(t, false)
	for _, address := range []string{"", "example.com", "ftp://example.com", "http://example.com", "https://", "https://u:p@example.com", "https://example.com/#x",
		"https://example.com/" + strings.Repeat("x", maxURLBytes), "https://[::1", "javascript:alert(1)"} {
		if _, _, err := f.SetWebhook(t.Context(), owner, "ten_a", address); !errors.Is(err, &fault.Error{Kind: fault.Invalid}) {
			t.Errorf("%.40q: %v", address, err)
		}
	}
	if _, _, err := f.SetWebhook(t.Context(), owner, "ten_a", "https://example.com:8443/a?b=c"); err != nil {
		t.Error(err)
	}
}

// TestWebhookLeadsNowhereInside has a receiver that is reachable, at an address which is not public.
func TestWebhookLeadsNowhereInside(t *testing.T) {
	f := newFixture(t, false)
	reached := false
	inside := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached = true }))
	defer inside.Close()
	f.client.http.Transport.(*http.Transport).TLSClientConfig = &tls.Config{RootCAs: inside.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs}
	if _, _, err := f.SetWebhook(t.Context(), owner, "ten_a", inside.URL); err != nil {
		t.Fatal(err)
	}
	if problem, err := f.Test(t.Context(), owner, "ten_a"); problem.String() != "the address is not on the public internet" || err != nil || reached {
		t.Errorf("%q, %v, reached: %v", problem, err, reached)
	}
	for address, public := range map[string]bool{
		"8.8.8.8:443": true, "[2a00:1450::1]:443": true, "127.0.0.1:443": false, "10.1.2.3:443": false, "172.16.0.1:80": false, "192.168.1.1:80": false,
		"169.254.169.254:80": false, "100.100.100.200:80": false, "0.0.0.0:80": false, "[::]:80": false, "[::1]:80": false, "[fe80::1%eth0]:80": false,
		"[fd00::1]:80": false, "[::ffff:10.0.0.1]:80": false, "[64:ff9b::a00:1]:80": false, "224.0.0.1:80": false, "255.255.255.255:80": false, "[2002:a00:1::]:80": false, "x": false,
		"[64:ff9b::a00:1%eth0]:80": false, "[::10.0.0.1]:80": false, "[::ffff:0:10.0.0.1]:80": false, "[fec0::1]:80": false, "[2001:0:a00:1::]:80": false,
	} {
		if err := requirePublic(address); (err == nil) != public {
			t.Errorf("%s: %v", address, err)
		}
	}
}
