package identity

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"llmhub/fault"
	"llmhub/secret"
	"llmhub/store"
)

func (f *fixture) begin(n NewSession) (string, Session) {
	f.t.Helper()
	cookie, s, err := f.sessions.Begin(f.t.Context(), n)
	if err != nil {
		f.t.Fatal(err)
	}
	return cookie.Reveal(), s
}

// found insists on a session being found, or not.
func (f *fixture) found(cookie string, want bool) Session {
	f.t.Helper()
	s, err := f.sessions.Find(f.t.Context(), cookie)
	if want && err != nil {
		f.t.Errorf("Find: %v", err)
	}
	if !want {
		isFault(f.t, err, fault.NotFound, "")
		if s.ID != "" {
			f.t.Errorf("found %+v", s)
		}
	}
	return s
}

func TestSession(t *testing.T) {
	f := newFixture(t)
	agent := "Browser/1 \u202e\x00" + strings.Repeat("ä", 300) + "\xff"
	cookie, s := f.begin(NewSession{
		Kind: Customer, UserID: "usr_1", TenantID: "ten_1", Agent: agent, Token: secret.New("iam-token"), TokenEnds: f.now().Add(24 * time.Hour),
	})
	if len(cookie) != 43 || strings.Contains(s.ID, cookie) || s.Kind != Customer || s.UserID != "usr_1" || s.TenantID != "ten_1" {
		t.Errorf("cookie %q, %+v", cookie, s)
	}
	if want := "Browser/1 " + strings.Repeat("ä", 190); s.Agent != want {
		t.Errorf("agent %q", s.Agent)
	}
	if !s.IdleAt.Equal(f.now().Add(time.Hour)) || !s.EndsAt.Equal(f.now().Add(12*time.Hour)) {
		t.Errorf("idle at %v, ends at %v", s.IdleAt, s.EndsAt)
	}
	if got := f.found(cookie, true); got.ID != s.ID {
		t.Errorf("found %+v", got)
	}
	if token, err := f.sessions.Token(s); err != nil || token.Reveal() != "iam-token" {
		t.Errorf("token %q, %v", token.Reveal(), err)
	}
	moved := s
	moved.ID = "ses_other"
	if _, err := f.sessions.Token(moved); !errors.Is(err, secret.ErrSealed) {
		t.Errorf("the token of another session: %v", err)
	}
	if all := f.stored(); strings.Contains(all, cookie) || strings.Contains(all, "iam-token") || !strings.Contains(all, s.ID) {
		t.Errorf("stored: %s", all)
	}
	for _, bad := range []string{"", "x", s.ID, strings.TrimPrefix(s.ID, "ses_"), cookie + "A", cookie[1:], strings.ToLower(cookie), strings.Repeat("A", 43), strings.Repeat("A", 1<<20)} {
		f.found(bad, false)
	}
	_, operators := f.begin(NewSession{Kind: Operator, UserID: "opr_1"})
	if token, err := f.sessions.Token(operators); err != nil || token.IsSet() || operators.Sealed != nil {
		t.Errorf("an operator's token: %v, set %t", err, token.IsSet())
	}
}

func TestSessionEndsByItself(t *testing.T) {
	f := newFixture(t)
	user := NewSession{Kind: Customer, UserID: "usr_1", Token: secret.New("x"), TokenEnds: f.now().Add(90 * time.Minute)}
	short, s := f.begin(user)
	if !s.EndsAt.Equal(user.TokenEnds) {
		t.Errorf("it ends at %v, after its token", s.EndsAt)
	}
	idle, _ := f.begin(NewSession{Kind: Operator, UserID: "opr_1"})
	used, _ := f.begin(NewSession{Kind: Operator, UserID: "opr_1"})
	f.pass(59 * time.Minute)
	f.found(short, true)
	f.found(used, true)
	f.pass(time.Minute)
	f.found(idle, false)
	f.found(short, true)
	f.pass(30 * time.Minute)
	f.found(short, false) // though used
	for range 10*2 + 1 {
		f.found(used, true)
		f.pass(30 * time.Minute)
	}
	f.found(used, false) // 12 hours are over
}

// Use is written at most once a minute.
func TestSessionSeen(t *testing.T) {
	f := newFixture(t)
	cookie, s := f.begin(NewSession{Kind: Operator, UserID: "opr_1"})
	version := func() store.Version {
		d, err := f.store.Get(t.Context(), kindSession, s.ID)
		if err != nil {
			t.Fatal(err)
		}
		return d.Version
	}
	first := version()
	f.pass(59 * time.Second)
	if got := f.found(cookie, true); version() != first || !got.SeenAt.Equal(s.SeenAt) {
		t.Errorf("seen at %v, written within a minute: %t", got.SeenAt, version() != first)
	}
	f.pass(time.Second)
	if got := f.found(cookie, true); version() == first || !got.SeenAt.Equal(f.now()) || !got.IdleAt.Equal(f.now().Add(time.Hour)) {
		t.Errorf("%+v, written: %t", got, version() != first)
	}
	// Of those that use it at once none is refused.
	f.pass(time.Minute)
	var wg sync.WaitGroup
	for range 30 {
		wg.Go(func() { f.found(cookie, true) })
	}
	wg.Wait()
	// One that ends soon is written often enough not to end in use.
	brief := NewSessions(f.store, f.sessions.sealer, SessionOptions{Idle: 20 * time.Second, Absolute: time.Minute}, f.now)
	c, _, err := brief.Begin(t.Context(), NewSession{Kind: Operator, UserID: "opr_2"})
	if err != nil {
		t.Fatal(err)
	}
	for range 5 {
		f.pass(10 * time.Second)
		if _, err := brief.Find(t.Context(), c.Reveal()); err != nil {
			t.Error(err)
		}
	}
}

func TestEndSessions(t *testing.T) {
	f := newFixture(t)
	var cookies []string
	var all []Session
	for i := range 4 {
		c, s := f.begin(NewSession{Kind: Customer, UserID: "usr_1", Token: secret.New(fmt.Sprint(i)), TokenEnds: f.now().Add(24 * time.Hour)})
		cookies, all = append(cookies, c), append(all, s)
		f.pass(time.Second)
	}
	foreign, _ := f.begin(NewSession{Kind: Customer, UserID: "usr_2"})
	if got, err := f.sessions.Of(t.Context(), "usr_1"); err != nil || len(got) != 4 || got[0].ID != all[3].ID || got[3].ID != all[0].ID {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err := f.sessions.End(t.Context(), all[0].ID); err != nil || got.ID != all[0].ID || len(got.Sealed) == 0 {
		t.Errorf("%+v, %v", got, err)
	}
	f.found(cookies[0], false)
	_, err := f.sessions.End(t.Context(), all[0].ID)
	isFault(t, err, fault.NotFound, "")
	got, err := f.sessions.EndAll(t.Context(), "usr_1", all[2].ID)
	if err != nil || len(got) != 2 {
		t.Errorf("%+v, %v", got, err)
	}
	f.found(cookies[1], false)
	f.found(cookies[2], true)
	f.found(cookies[3], false)
	f.found(foreign, true)
	if got, err := f.sessions.EndAll(t.Context(), "usr_none", ""); err != nil || len(got) != 0 {
		t.Errorf("%+v, %v", got, err)
	}
	f.pass(2 * time.Hour)
	if got, err := f.sessions.Of(t.Context(), "usr_1"); err != nil || len(got) != 0 {
		t.Errorf("%+v, %v", got, err)
	}
}

// The oldest session makes room, and those that have ended do first.
func TestSessionsOfAUserAreBounded(t *testing.T) {
	f := newFixture(t)
	var cookies []string
	for range maxSessions + 2 {
		c, _ := f.begin(NewSession{Kind: Customer, UserID: "usr_1"})
		cookies = append(cookies, c)
		f.pass(time.Second)
	}
	f.found(cookies[0], false)
	f.found(cookies[1], false)
	for _, c := range cookies[2:] {
		f.found(c, true)
	}
	f.pass(59 * time.Minute)
	f.found(cookies[2], true)
	f.pass(10 * time.Minute) // all others end
	f.begin(NewSession{Kind: Customer, UserID: "usr_1"})
	f.found(cookies[2], true)
	if all, err := f.sessions.of(t.Context(), "usr_1"); err != nil || len(all) != 2 {
		t.Errorf("%d sessions are kept, %v", len(all), err)
	}
}

func TestSweep(t *testing.T) {
	f := newFixture(t)
	const ended = sweepRemoves + 50
	var w writes
	for i := range ended {
		s := f.sessions.fresh(fmt.Sprintf("ses_%04d", i*2), NewSession{Kind: Customer, UserID: fmt.Sprint("usr_", i)})
		w.add(f.sessions.sessions.Write(s.ID, 0, s))
	}
	if _, err := f.store.Put(t.Context(), w.list...); err != nil || w.err != nil {
		t.Fatal(err, w.err)
	}
	if got, err := f.sessions.Sweep(t.Context()); err != nil || len(got) != 0 {
		t.Errorf("%d swept, %v", len(got), err)
	}
	f.pass(time.Hour)
	live, _ := f.begin(NewSession{Kind: Customer, UserID: "usr_1"})
	total := 0
	for i, want := range []int{sweepRemoves, 50, 0} {
		got, err := f.sessions.Sweep(t.Context())
		if err != nil || len(got) > sweepRemoves || i == 0 && len(got) != want {
			t.Errorf("sweep %d removes %d, %v", i, len(got), err)
		}
		total += len(got)
	}
	if rest := strings.Count(f.kind(kindSession), "\n"); total != ended-1 || rest != 1 { // one made room for that of usr_1
		t.Errorf("%d swept, %d left", total, rest)
	}
	f.found(live, true)
}
