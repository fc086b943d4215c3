package web_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
	_ "time/tzdata"

	"github.com/gofiber/fiber/v2"

	"llmhub/alert"
	"llmhub/catalog"
	"llmhub/drain"
	"llmhub/identity"
	"llmhub/limit"
	"llmhub/metering"
	"llmhub/portal/access"
	"llmhub/portal/gateway"
	"llmhub/portal/web"
	"llmhub/secret"
	"llmhub/store"
	"llmhub/store/local"
	"llmhub/subscription"
)

// directory stands for IAM: each password is the user's name reversed.
type directory struct {
	mu      sync.Mutex
	down    bool
	revoked []string
}

func (d *directory) SignIn(_ context.Context, c identity.Credentials) (identity.Account, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.down:
		return identity.Account{}, identity.ErrUnavailable
	case c.Password.Reveal() != passwordOf(c.User):
		return identity.Account{}, identity.ErrCredentials
	case strings.HasPrefix(c.User, "mfa") && !c.Passcode.IsSet():
		return identity.Account{}, identity.ErrPasscodeNeeded
	case strings.HasPrefix(c.User, "mfa") && c.Passcode.Reveal() != "123456":
		return identity.Account{}, identity.ErrCredentials
	}
	roles := []string{"te_admin"}
	if strings.HasPrefix(c.User, "guest") {
		roles = []string{"readonly"}
	}
	return identity.Account{
		UserID: "id-" + c.User, UserName: c.User, DomainID: "id-" + c.Domain, DomainName: c.Domain, Roles: roles,
		Owner: strings.HasPrefix(c.User, "owner"), Token: secret.New("canary-iam-token-" + c.User), ExpiresAt: time.Now().Add(24 * time.Hour),
	}, nil
}

func passwordOf(user string) string { return "password of " + user }

func (d *directory) Projects(context.Context, secret.Text) ([]identity.Project, error) {
	return nil, nil
}

func (d *directory) Rescope(context.Context, secret.Text, string) (secret.Text, time.Time, error) {
	return secret.Text{}, time.Time{}, errors.New("not here")
}

func (d *directory) Account(context.Context, secret.Text) (identity.Account, error) {
	return identity.Account{}, errors.New("not here")
}

func (d *directory) Revoke(_ context.Context, t secret.Text) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.revoked = append(d.revoked, t.Reveal())
	return nil
}

// fixture is the portal on a real listener over a real store.
type fixture struct {
	t         *testing.T
	url       string
	store     *local.Store
	directory *directory
	options   web.Options
	operators *identity.Operators
	web       *web.Web
	// deployments stands for what deploys.
	deployments *deployments
	// spent is what has been used of every budget.
	spent  limit.BudgetState
	log    *lockedBuffer
	source store.Source
	seq    uint64
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

const operatorPassword = "a password of some length"

// newFixture starts a portal; change may alter its options first.
func newFixture(t *testing.T, change ...func(*web.Options)) *fixture {
	t.Helper()
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{t: t, log: &lockedBuffer{}, directory: &directory{}}
	if f.store, err = local.Open(t.TempDir(), local.Options{Location: berlin}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.store.Close() })
	if f.source, err = f.store.NewSource(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.options = f.newOptions(berlin)
	for _, c := range change {
		c(&f.options)
	}
	if f.web, err = web.New(f.options); err != nil {
		t.Fatal(err)
	}
	// As in the server: forms with files are read by the page, and bodies are not bounded closer than the pages bound them.
	app := fiber.New(fiber.Config{DisableStartupMessage: true, ReadBufferSize: 16 << 10, DisablePreParseMultipartForm: true, BodyLimit: 8 << 20})
	f.web.Register(app)
	f.serve(app)
	return f
}

func (f *fixture) newOptions(zone *time.Location) web.Options {
	f.t.Helper()
	d, now := f.store, time.Now
	key := bytes.Repeat([]byte{7}, secret.KeyBytes)
	sealer, err := secret.NewSealer(key, "session")
	if err != nil {
		f.t.Fatal(err)
	}
	products, err := catalog.Default()
	if err != nil {
		f.t.Fatal(err)
	}
	hasher := subscription.NewHasher(nil)
	gate := subscription.NewGate(hasher)
	f.follow(gate)
	o := web.Options{
		Audit: identity.NewAudit(d), Sessions: identity.NewSessions(d, sealer, identity.SessionOptions{}, now), Ledger: d,
		Catalog: func() *catalog.Catalog { return products }, Models: testModels, Prices: func() metering.PriceList { return testPrices(f.t) },
		Alerts: alert.NewService(alert.Options{Documents: d, Sealer: sealer, Now: now, AllowPrivate: true}),
		Budget: func(context.Context, limit.Scope) (limit.BudgetState, error) {
			return limit.BudgetState{Month: store.DayOf(now(), zone).Month(), SpentTokens: f.spent.SpentTokens, ReservedTokens: f.spent.ReservedTokens, SpentAmount: f.spent.SpentAmount}, nil
		},
		Upstreams: func() []gateway.Upstream { return nil }, CustomersSignIn: true, PublicURL: &url.URL{Scheme: "http", Host: "localhost"},
		DrainUpstream: func(context.Context, identity.Actor, string, bool) error { return drain.ErrNoDeployment },
		Chat:          func(context.Context, string, string, string) (string, error) { return "an answer", nil },
		Location:      zone, Currency: "EUR", Brand: web.Brand{Name: "Cloud Marketplace"}, Now: now, Logger: slog.New(slog.NewTextHandler(f.log, nil)),
	}
	o.Tenants = identity.NewTenants(d, o.Audit, now)
	o.Users = identity.NewUsers(d, o.Audit, o.Tenants, now)
	o.Profiles = identity.NewProfiles(d, o.Audit, o.Tenants, now)
	f.operators = identity.NewOperators(d, o.Audit, now)
	o.Tokens = identity.NewPersonalTokens(d, o.Audit, o.Users, o.Tenants, now)
	o.Service = subscription.NewService(subscription.Options{Documents: d, Hasher: hasher, Gate: gate, Profiles: o.Profiles, Now: now})
	o.TenantUsage = metering.NewTenants(d, o.Service.TenantOfKey, now)
	f.deployments = newDeployments(d, o.Profiles, o.Catalog)
	o.Deployments = f.deployments
	o.SignIn = identity.NewSignIn(identity.SignInOptions{
		Directory: f.directory, Tenants: o.Tenants, Users: o.Users, Sessions: o.Sessions, Operators: f.operators,
		Throttle: identity.NewThrottle(now), Audit: o.Audit, CustomerRole: "te_admin", Now: now,
	})
	o.Guard = access.New(access.Options{
		Sessions: o.Sessions, SignIn: o.SignIn, PublicURL: o.PublicURL, Key: key,
	})
	return o
}

func testModels() []gateway.Model {
	return []gateway.Model{{Name: "m1", DisplayName: "Model One", Kind: "chat", ContextTokens: 128000, Location: "eu-de"}, {Name: "m2"}}
}

// testPrices has a price for m1 only.
func testPrices(t *testing.T) metering.PriceList {
	day, err := store.ParseDay("2020-01-01")
	in, err1 := metering.ParseAmount("0.40")
	out, err2 := metering.ParseAmount("1.60")
	if err := errors.Join(err, err1, err2); err != nil {
		t.Error(err)
	}
	return metering.PriceList{"m1": {{From: day, InputPerMillion: in, OutputPerMillion: out}}}
}

// follow keeps the gate up to date until the test ends.
func (f *fixture) follow(gate *subscription.Gate) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- gate.Run(ctx, f.store) }()
	f.t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil && !errors.Is(err, context.Canceled) && !errors.Is(err, store.ErrClosed) {
			f.t.Errorf("gate: %v", err)
		}
	})
	<-gate.Ready()
}

func (f *fixture) serve(app *fiber.App) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		f.t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- app.Listener(ln) }()
	f.t.Cleanup(func() {
		if err := errors.Join(app.ShutdownWithTimeout(5*time.Second), <-served); err != nil {
			f.t.Error(err)
		}
	})
	f.url = "http://" + ln.Addr().String()
}

// browser is somebody at the portal, with cookies of their own.
type browser struct {
	t      *testing.T
	f      *fixture
	client *http.Client
	lang   string
}

// browser returns a new browser that follows no redirects.
func (f *fixture) browser() *browser {
	jar, err := cookiejar.New(nil)
	if err != nil {
		f.t.Fatal(err)
	}
	transport := &http.Transport{}
	f.t.Cleanup(transport.CloseIdleConnections)
	return &browser{t: f.t, f: f, lang: "en", client: &http.Client{Jar: jar, Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	}}}
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	text   string
}

func (a answer) location() string { return a.header.Get("Location") }

func (b *browser) do(req *http.Request) answer {
	b.t.Helper()
	req.Header.Set("Accept", "text/html")
	req.Header.Set("Accept-Language", b.lang)
	resp, err := b.client.Do(req)
	if err != nil {
		b.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return answer{resp.StatusCode, resp.Header, string(text)}
}

func (b *browser) get(path string) answer {
	b.t.Helper()
	req, err := http.NewRequest(http.MethodGet, b.f.url+path, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	return b.do(req)
}

var formToken = regexp.MustCompile(`name="form_token" value="([^"]+)"`)

// token returns the form token of this browser.
func (b *browser) token() string {
	b.t.Helper()
	m := formToken.FindStringSubmatch(b.get("/catalog").text)
	if m == nil {
		b.t.Fatal("the page has no form token")
	}
	return m[1]
}

// post sends a form with the browser's form token; fields are pairs of a name and a value.
func (b *browser) post(path string, fields ...string) answer {
	b.t.Helper()
	form := url.Values{"form_token": {b.token()}}
	for i := 0; i+1 < len(fields); i += 2 {
		form.Add(fields[i], fields[i+1])
	}
	return b.send(path, form)
}

// send sends a form as it is, with further headers as pairs.
func (b *browser) send(path string, form url.Values, header ...string) answer {
	b.t.Helper()
	req, err := http.NewRequest(http.MethodPost, b.f.url+path, strings.NewReader(form.Encode()))
	if err != nil {
		b.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	return b.do(req)
}

// signIn returns a browser in which the user of a domain has signed in.
func (f *fixture) signIn(domain, user string) *browser {
	f.t.Helper()
	b := f.browser()
	if a := b.post("/login", "domain", domain, "user", user, "password", passwordOf(user)); a.status != http.StatusSeeOther {
		f.t.Fatalf("sign-in of %s: %d %s", user, a.status, a.text)
	}
	return b
}

// operator returns a browser in which an operator has signed in.
func (f *fixture) operator() *browser {
	f.t.Helper()
	_, err := f.operators.Create(f.t.Context(), identity.Administrator(), "olga", secret.New(operatorPassword))
	if err != nil && !strings.Contains(err.Error(), "name") {
		f.t.Fatal(err)
	}
	b := f.browser()
	if a := b.post("/operator/login", "name", "olga", "password", operatorPassword); a.status != http.StatusSeeOther {
		f.t.Fatalf("operator's sign-in: %d %s", a.status, a.text)
	}
	return b
}

// tenantOf returns the tenant and the user of one who has signed in.
func (f *fixture) tenantOf(domain, user string) (identity.Tenant, identity.User) {
	f.t.Helper()
	cookie, s, err := f.options.SignIn.Customer(f.t.Context(), identity.Credentials{Domain: domain, User: user, Password: secret.New(passwordOf(user))}, identity.Origin{})
	if err != nil || !cookie.IsSet() {
		f.t.Fatal(err)
	}
	u, err := f.options.Users.Get(f.t.Context(), s.UserID)
	if err != nil {
		f.t.Fatal(err)
	}
	tenant, err := f.options.Tenants.Get(f.t.Context(), u.TenantID)
	if err != nil {
		f.t.Fatal(err)
	}
	return tenant, u
}

var testProfile = identity.ProfileData{
	Company: "Muster GmbH", Website: "https://www.example.com", SellerEmail: "team@example.com", MarketplaceEmail: "market@example.com",
}

// approve approves the profile of a domain's tenant, submitted by the user.
func (f *fixture) approve(domain, user string) (identity.Tenant, identity.User) {
	f.t.Helper()
	tenant, u := f.tenantOf(domain, user)
	p, err := f.options.Profiles.Submit(f.t.Context(), u.Actor(tenant), tenant.ID, testProfile)
	if err == nil {
		_, err = f.options.Profiles.Approve(f.t.Context(), identity.Administrator(), tenant.ID, p.Change.SubmittedAt)
	}
	if err != nil {
		f.t.Fatal(err)
	}
	return f.tenantOf(domain, user)
}

// subscribe makes a subscription of the LLM Hub for a domain whose profile is approved by it, and returns its ID.
func (f *fixture) subscribe(domain, user string) string {
	f.t.Helper()
	tenant, _ := f.approve(domain, user)
	s, err := f.options.Service.CreateSubscription(f.t.Context(), identity.Administrator(), subscription.CreateSubscription{TenantID: tenant.ID, ProductID: "llm-hub"})
	if err != nil {
		f.t.Fatal(err)
	}
	return s.ID
}

// key makes a key in a subscription.
func (f *fixture) key(sub, name string) subscription.Key {
	f.t.Helper()
	k, _, err := f.options.Service.CreateKey(f.t.Context(), identity.Administrator(), subscription.CreateKey{SubscriptionID: sub, Name: name})
	if err != nil {
		f.t.Fatal(err)
	}
	return k
}

// commit puts events into the ledger and gives them IDs.
func (f *fixture) commit(events ...store.Event) {
	f.t.Helper()
	f.seq++
	for i := range events {
		events[i].ID = store.NewRequestID(f.source, f.seq<<10|uint64(i+1))
		events[i].Deployment = "up/m"
		if events[i].Provenance == 0 {
			events[i].Provenance = store.FromUpstream
		}
	}
	if err := f.store.Commit(f.t.Context(), store.Batch{Source: f.source, Seq: f.seq, Events: events}); err != nil {
		f.t.Fatal(err)
	}
}

// useTLS makes the portal believe that it is reached by https.
func useTLS(o *web.Options) {
	o.PublicURL = &url.URL{Scheme: "https", Host: "portal.example"}
	o.Guard = access.New(access.Options{Sessions: o.Sessions, SignIn: o.SignIn, PublicURL: o.PublicURL, Key: bytes.Repeat([]byte{7}, secret.KeyBytes)})
}
