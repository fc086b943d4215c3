package iam_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"llmhub/identity"
	"llmhub/identity/iam"
	"llmhub/identity/iam/iamtest"
	"llmhub/secret"
)

// clock is a time that a test moves.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// simulated starts a simulated service and returns it with a client.
func simulated(t *testing.T, o iamtest.Options) (*iamtest.Server, *iam.Client) {
	t.Helper()
	s, err := iamtest.Start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	c, err := iam.New(iam.Config{URL: s.URL})
	if err != nil {
		t.Fatal(err)
	}
	return s, c
}

func TestSimulated(t *testing.T) {
	at := &clock{now: time.Now()}
	_, c := simulated(t, iamtest.Options{Domains: population(), Now: at.Now})
	contract(t, world{directory: c, now: at.Now, endLock: func() { at.pass(20 * time.Minute) }})
}

// What OTC has and Keystone lacks: the owner of a domain.
func TestOwner(t *testing.T) {
	_, c := simulated(t, iamtest.Options{})
	for _, d := range iamtest.People() {
		for _, u := range d.Users {
			cred := byPassword(d.Name, u.Name, u.Password)
			if u.Seed != "" {
				cred.Passcode = secret.New(iamtest.Passcode(u.Seed, time.Now()))
			}
			a, err := c.SignIn(t.Context(), cred)
			if err != nil || a.Owner != u.Owner {
				t.Errorf("%s: owner %v, %v", u.Name, a.Owner, err)
			}
		}
	}
}

// Where the service gives no sign, a missing passcode looks like a wrong password, and the passcode must be given at once.
func TestPasscodeUnasked(t *testing.T) {
	_, c := simulated(t, iamtest.Options{Domains: population(), NoReceipts: true})
	cred := byPassword(home, "mfa", "mfa's password")
	if _, err := c.SignIn(t.Context(), cred); !errors.Is(err, identity.ErrCredentials) {
		t.Errorf("without a passcode: %v", err)
	}
	cred.Passcode = secret.New(iamtest.Passcode(seed, time.Now()))
	if _, err := c.SignIn(t.Context(), cred); err != nil {
		t.Error(err)
	}
}

func TestLargeTokens(t *testing.T) {
	s, c := simulated(t, iamtest.Options{Domains: population(), TokenBytes: 64 << 10})
	a, err := c.SignIn(t.Context(), byPassword(home, "alice", "alice's password"))
	if err != nil || len(a.Token.Reveal()) != 64<<10 {
		t.Fatalf("token of %d bytes, %v", len(a.Token.Reveal()), err)
	}
	found, err := c.Projects(t.Context(), a.Token)
	if err != nil {
		t.Fatal(err)
	}
	project, _, err := c.Rescope(t.Context(), a.Token, found[0].ID)
	if err != nil {
		t.Fatal(err)
	}
	for _, token := range []secret.Text{project, a.Token} {
		if err := c.Revoke(t.Context(), token); err != nil {
			t.Error(err)
		}
	}
	if gone := s.Revoked(); s.LiveTokens() != 0 || len(gone) != 2 || gone[0] != project.Reveal() {
		t.Errorf("%d tokens live, %d revoked", s.LiveTokens(), len(gone))
	}
}

func TestTokensExpire(t *testing.T) {
	now := &clock{now: time.Now()}
	s, c := simulated(t, iamtest.Options{Domains: population(), Now: now.Now, TokenLife: time.Hour})
	a, err := c.SignIn(t.Context(), byPassword(home, "alice", "alice's password"))
	if err != nil {
		t.Fatal(err)
	}
	now.pass(time.Hour)
	if _, err := c.Projects(t.Context(), a.Token); !errors.Is(err, identity.ErrCredentials) || s.LiveTokens() != 0 {
		t.Errorf("%v, %d tokens live", err, s.LiveTokens())
	}
}

// A service that is away, or fails, is asked once per call, and the next call finds it again.
func TestAway(t *testing.T) {
	s, c := simulated(t, iamtest.Options{Domains: population()})
	right := byPassword(home, "alice", "alice's password")
	for _, status := range []int{http.StatusInternalServerError, http.StatusServiceUnavailable, http.StatusTooManyRequests, http.StatusNotFound} {
		s.Fail(status)
		before := s.Requests()
		if _, err := c.SignIn(t.Context(), right); !errors.Is(err, identity.ErrUnavailable) {
			t.Errorf("status %d gives %v", status, err)
		}
		if n := s.Requests() - before; n != 1 {
			t.Errorf("status %d: asked %d times", status, n)
		}
	}
	s.Fail(0)
	if _, err := c.SignIn(t.Context(), right); err != nil {
		t.Error(err)
	}
	s.Close()
	if _, err := c.SignIn(t.Context(), right); !errors.Is(err, identity.ErrUnavailable) {
		t.Errorf("no listener gives %v", err)
	}
}

func TestSlow(t *testing.T) {
	s, _ := simulated(t, iamtest.Options{Domains: population()})
	s.Slow(time.Hour)
	c, err := iam.New(iam.Config{URL: s.URL, Timeout: 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	right := byPassword(home, "alice", "alice's password")
	if _, err := c.SignIn(t.Context(), right); !errors.Is(err, identity.ErrUnavailable) {
		t.Errorf("an answer that does not come gives %v", err)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.SignIn(gone, right); !errors.Is(err, identity.ErrUnavailable) || !errors.Is(err, context.Canceled) {
		t.Errorf("a caller who has left gets %v", err)
	}
}

// What cannot be a user's name, password or passcode is not sent: it could count as an attempt.
func TestNotSent(t *testing.T) {
	s, c := simulated(t, iamtest.Options{Domains: population()})
	for name, cred := range map[string]identity.Credentials{
		"nothing":        {},
		"no domain":      byPassword("", "alice", "alice's password"),
		"no user":        byPassword(home, "", "alice's password"),
		"no password":    {Domain: home, User: "alice"},
		"control":        byPassword(home, "alice\x00", "alice's password"),
		"not UTF-8":      byPassword(home, "alice\xff", "alice's password"),
		"endless":        byPassword(home, strings.Repeat("e", 300), "alice's password"),
		"not a passcode": {Domain: home, User: "alice", Password: secret.New("alice's password"), Passcode: secret.New("abcdef")},
	} {
		if _, err := c.SignIn(t.Context(), cred); !errors.Is(err, identity.ErrCredentials) {
			t.Errorf("%s gives %v", name, err)
		}
	}
	if n := s.Requests(); n != 0 {
		t.Errorf("%d requests were made", n)
	}
}
