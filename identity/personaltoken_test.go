package identity

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"llmhub/fault"
)

func (f *fixture) token(by Actor, name string) (PersonalToken, string) {
	f.t.Helper()
	token, text, err := f.tokens.Create(f.t.Context(), by, name, f.now().Add(24*time.Hour))
	if err != nil {
		f.t.Fatal(err)
	}
	return token, text.Reveal()
}

// acts insists on a token being good, or not.
func (f *fixture) acts(text string, want bool) Actor {
	f.t.Helper()
	a, err := f.tokens.Authenticate(f.t.Context(), text)
	if want && err != nil || !want && (!errors.Is(err, ErrPersonalToken) || a.Kind != "") {
		f.t.Errorf("%.12s: %+v, %v", text, a, err)
	}
	return a
}

func TestPersonalToken(t *testing.T) {
	f := newFixture(t)
	owner, tenant := f.enrolled("OTC-1", "owner", true)
	ann, _ := f.enrolled("OTC-1", "ann", false, TenantAdministrator)
	stranger, _ := f.enrolled("OTC-2", "stranger", true)
	by := f.actor(ann)
	token, text := f.token(by, " ci ")
	if !strings.HasPrefix(text, "lhp_") || !strings.HasPrefix(text, token.Prefix) || token.Name != "ci" || token.UserID != ann.ID || token.TenantID != tenant.ID {
		t.Errorf("%+v", token)
	}
	if a := f.acts(text, true); a.ID != ann.ID || a.TenantID != tenant.ID || !slices.Equal(a.Rights, by.Rights) {
		t.Errorf("%+v", a)
	}
	if all := f.stored(); strings.Contains(all, text[len(token.Prefix):]) || strings.Contains(f.kind(kindAudit), `"hash"`) {
		t.Errorf("stored: %s", all)
	}
	_, other := f.token(by, "other")
	for _, bad := range []string{"", "lhp_", text[:len(text)-1], text + "a", strings.ToUpper(text), "sk-lh-" + text[4:], string(personalTokenForm.New())} {
		f.acts(bad, false)
	}
	// The right ID with another secret.
	forged, err := f.tokens.tokens.Get(t.Context(), token.ID)
	if err != nil {
		t.Fatal(err)
	}
	forged.Value.Hash = []byte("another")
	w, err := f.tokens.tokens.Write(token.ID, forged.Version, forged.Value)
	if err == nil {
		_, err = f.store.Put(t.Context(), w)
	}
	if err != nil {
		t.Fatal(err)
	}
	f.acts(text, false)

	// Its rights are those of now.
	if _, err := f.users.Give(t.Context(), f.actor(owner), ann.ID, []Right{Reports}); err != nil {
		t.Fatal(err)
	}
	if a := f.acts(other, true); !slices.Equal(a.Rights, []Right{Reports}) {
		t.Errorf("%+v", a)
	}
	list, err := f.tokens.List(t.Context(), by)
	if err != nil || len(list) != 2 {
		t.Fatalf("%+v, %v", list, err)
	}
	if list, err := f.tokens.List(t.Context(), f.actor(owner)); err != nil || len(list) != 0 {
		t.Errorf("another user's list: %+v, %v", list, err)
	}
	for _, other := range []Actor{f.actor(owner), f.actor(stranger), Administrator(), {}} {
		_, err := f.tokens.Revoke(t.Context(), other, token.ID)
		isFault(t, err, fault.NotFound, "")
	}
	f.acts(other, true)
	otherID := personalTokenID([]byte(other))
	if got, err := f.tokens.Revoke(t.Context(), by, otherID); err != nil || got.RevokedAt == nil {
		t.Errorf("%+v, %v", got, err)
	}
	f.acts(other, false)
	_, err = f.tokens.Revoke(t.Context(), by, otherID)
	isFault(t, err, fault.State, "")
	_, err = f.tokens.Revoke(t.Context(), by, "pat_none")
	isFault(t, err, fault.NotFound, "")
	want := []string{"personal_token.create", "personal_token.create", "personal_token.revoke", "tenant.create", "user.create", "user.create", "user.rights"}
	if got := f.actions(tenant.ID); !slices.Equal(got, want) {
		t.Errorf("audited: %v", got)
	}
}

func TestPersonalTokenExpires(t *testing.T) {
	f := newFixture(t)
	ann, _ := f.enrolled("OTC-1", "ann", true)
	by := f.actor(ann)
	_, text := f.token(by, "ci")
	f.pass(24*time.Hour - time.Second)
	f.acts(text, true)
	f.pass(time.Second)
	f.acts(text, false)
	for _, at := range []time.Time{{}, f.now(), f.now().Add(-time.Hour), f.now().AddDate(0, 0, 365).Add(time.Second), f.now().AddDate(10_000, 0, 0)} {
		_, _, err := f.tokens.Create(t.Context(), by, "ci", at)
		isFault(t, err, fault.Invalid, "expires_at")
	}
	if _, _, err := f.tokens.Create(t.Context(), by, "ci", f.now().AddDate(0, 0, 365)); err != nil {
		t.Error(err)
	}
	_, _, err := f.tokens.Create(t.Context(), by, "", time.Time{})
	var all fault.Faults
	if !errors.As(err, &all) || len(all) != 2 {
		t.Errorf("a bad name and expiry give %v", err)
	}
}

// A token does not outlive its user by long: who has left the directory cannot sign in any more.
func TestPersonalTokenOfAbsentUser(t *testing.T) {
	f := newFixture(t)
	f.enrolled("OTC-1", "owner", true)
	ann, _ := f.enrolled("OTC-1", "ann", false, TenantAdministrator)
	_, text, err := f.tokens.Create(t.Context(), f.actor(ann), "ci", f.now().AddDate(0, 0, 300))
	if err != nil {
		t.Fatal(err)
	}
	f.pass(personalTokenAbsence)
	f.acts(text.Reveal(), true)
	f.pass(time.Second)
	f.acts(text.Reveal(), false)
	f.enrolled("OTC-1", "ann", false, TenantAdministrator) // signs in again
	f.acts(text.Reveal(), true)
}

func TestPersonalTokensAreBounded(t *testing.T) {
	f := newFixture(t)
	ann, tenant := f.enrolled("OTC-1", "ann", true)
	by := f.actor(ann)
	var wg sync.WaitGroup
	var mu sync.Mutex
	made := 0
	for i := range maxPersonalTokens + 5 {
		f.token(by, fmt.Sprint("gone ", i)) // ended in time, and removed
		f.pass(25 * time.Hour)
	}
	for i := range maxPersonalTokens + 5 {
		wg.Go(func() {
			_, _, err := f.tokens.Create(t.Context(), by, fmt.Sprint(i), f.now().Add(time.Hour))
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				made++
			}
		})
	}
	wg.Wait()
	for made < maxPersonalTokens { // conflicts can have refused some
		f.token(by, "more")
		made++
	}
	_, _, err := f.tokens.Create(t.Context(), by, "one more", f.now().Add(time.Hour))
	isFault(t, err, fault.State, "")
	if list, err := f.tokens.List(t.Context(), by); err != nil || len(list) != maxPersonalTokens || made != maxPersonalTokens {
		t.Errorf("%d tokens, %d made, %v", len(list), made, err)
	}
	for _, c := range []struct {
		by   Actor
		want fault.Kind
	}{
		{Administrator(), fault.Forbidden}, {Actor{}, fault.NotFound}, {Actor{Kind: Customer, ID: "usr_x", TenantID: tenant.ID}, fault.Forbidden},
	} {
		_, _, err := f.tokens.Create(t.Context(), c.by, "ci", f.now().Add(time.Hour))
		isFault(t, err, c.want, "")
	}
	f.pass(25 * time.Hour)
	if _, err := f.tenants.Suspend(t.Context(), Administrator(), tenant.ID, "unpaid"); err != nil {
		t.Fatal(err)
	}
	_, _, err = f.tokens.Create(t.Context(), by, "ci", f.now().Add(time.Hour))
	isFault(t, err, fault.State, "")
}

// A form that is sent twice makes one token; a name is free again once its token cannot be used any more.
func TestPersonalTokensHaveDifferentNames(t *testing.T) {
	f := newFixture(t)
	owner, _ := f.enrolled("OTC-1", "owner", true)
	ann, _ := f.enrolled("OTC-1", "ann", false, TenantAdministrator)
	first, _ := f.token(f.actor(owner), "ci")
	f.token(f.actor(ann), "ci")
	_, _, err := f.tokens.Create(t.Context(), f.actor(owner), " ci ", f.now().Add(time.Hour))
	if !errors.Is(err, &fault.Error{Kind: fault.Conflict}) {
		t.Fatalf("a second token of the name: %v", err)
	}
	if _, err := f.tokens.Revoke(t.Context(), f.actor(owner), first.ID); err != nil {
		t.Fatal(err)
	}
	f.token(f.actor(owner), "ci")
}
