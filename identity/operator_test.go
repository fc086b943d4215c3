package identity

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"llmhub/fault"
	"llmhub/secret"
)

var goodPassword = secret.New("correct horse battery")

func (f *fixture) operator(name string) OperatorAccount {
	f.t.Helper()
	a, err := f.operators.Create(f.t.Context(), Administrator(), name, goodPassword)
	if err != nil {
		f.t.Fatal(err)
	}
	return a
}

func (f *fixture) verified(name string, password secret.Text, want bool) {
	f.t.Helper()
	a, err := f.operators.Verify(f.t.Context(), name, password)
	if want && (err != nil || a.ID == "") || !want && (!errors.Is(err, ErrCredentials) || a.ID != "") {
		f.t.Errorf("%q is verified as %+v, %v", name, a.Name, err)
	}
}

func TestOperator(t *testing.T) {
	f := newFixture(t)
	made := f.operator(" Jo.Doe@example ")
	if made.Name != "jo.doe@example" || !strings.HasPrefix(made.ID, "opr_") || !strings.HasPrefix(made.PasswordHash, "$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Errorf("%+v", made)
	}
	if a := made.Actor(); a.Kind != Operator || a.ID != made.ID || a.Name != made.Name {
		t.Errorf("%+v", a)
	}
	f.verified("jo.doe@example", goodPassword, true)
	f.verified(" JO.doe@example", goodPassword, true)
	f.verified("jo.doe@example", secret.New("correct horse batterY"), false)
	f.verified("jo.doe@example", secret.Text{}, false)
	f.verified("jo.doe@example", secret.New(strings.Repeat("x", 1<<20)), false)
	f.verified("somebody", goodPassword, false)
	f.verified("", goodPassword, false)
	f.verified("\x00", goodPassword, false)

	_, err := f.operators.Create(t.Context(), Administrator(), "JO.DOE@example", goodPassword)
	isFault(t, err, fault.Conflict, "name")
	f.pass(time.Minute)
	changed, err := f.operators.SetPassword(t.Context(), made.Actor(), made.ID, secret.New("another long password"))
	if err != nil || !changed.PasswordAt.Equal(f.now()) || changed.PasswordHash == made.PasswordHash {
		t.Errorf("%+v, %v", changed, err)
	}
	f.verified("jo.doe@example", goodPassword, false)
	f.verified("jo.doe@example", secret.New("another long password"), true)
	f.pass(time.Minute)
	if got, err := f.operators.Disable(t.Context(), Administrator(), made.ID); err != nil || got.DisabledAt == nil {
		t.Errorf("%+v, %v", got, err)
	}
	_, err = f.operators.Disable(t.Context(), Administrator(), made.ID)
	isFault(t, err, fault.State, "")
	f.verified("jo.doe@example", secret.New("another long password"), false)
	_, err = f.operators.Create(t.Context(), Administrator(), "jo.doe@example", goodPassword)
	isFault(t, err, fault.Conflict, "name")

	if got := f.actions(""); !slices.Equal(got, []string{"operator.create", "operator.disable", "operator.password"}) {
		t.Errorf("audited: %v", got)
	}
	if audit := f.kind(kindAudit); strings.Contains(audit, "argon2") || strings.Contains(audit, "password_hash") {
		t.Errorf("a hash in the audit: %s", audit)
	}
	if all := f.stored(); strings.Contains(all, goodPassword.Reveal()) {
		t.Error("the password is stored")
	}
}

func TestOperatorRefuses(t *testing.T) {
	f := newFixture(t)
	account := f.operator("jo")
	for _, name := range []string{"", " ", "a b", "ä", ".a", strings.Repeat("a", 65), "a\x00", "a/b"} {
		_, err := f.operators.Create(t.Context(), Administrator(), name, goodPassword)
		isFault(t, err, fault.Invalid, "name")
	}
	for _, p := range []string{"", "elevenchars", "ääääääääääa", strings.Repeat("x", 257), strings.Repeat("\xff", 20)} {
		_, err := f.operators.Create(t.Context(), Administrator(), "new", secret.New(p))
		isFault(t, err, fault.Invalid, "password")
		_, err = f.operators.SetPassword(t.Context(), Administrator(), account.ID, secret.New(p))
		isFault(t, err, fault.Invalid, "password")
	}
	_, err := f.operators.Create(t.Context(), Administrator(), "a b", secret.New("short"))
	var all fault.Faults
	if !errors.As(err, &all) || len(all) != 2 {
		t.Errorf("bad name and password give %v", err)
	}
	customer := Actor{Kind: Customer, ID: "usr_1", TenantID: "ten_1", Rights: allRights}
	_, err = f.operators.Create(t.Context(), customer, "new", goodPassword)
	isFault(t, err, fault.Forbidden, "")
	_, err = f.operators.SetPassword(t.Context(), customer, account.ID, goodPassword)
	isFault(t, err, fault.Forbidden, "")
	_, err = f.operators.Disable(t.Context(), customer, account.ID)
	isFault(t, err, fault.Forbidden, "")
	_, _, err = f.operators.List(t.Context(), customer, "", 0)
	isFault(t, err, fault.Forbidden, "")
	_, err = f.operators.Disable(t.Context(), Administrator(), "opr_none")
	isFault(t, err, fault.NotFound, "")
	if list, _, err := f.operators.List(t.Context(), Administrator(), "", 0); err != nil || len(list) != 1 || list[0].ID != account.ID {
		t.Errorf("%+v, %v", list, err)
	}
}

// One of several who want a name gets it.
func TestOperatorNameAtOnce(t *testing.T) {
	f := newFixture(t)
	var wg sync.WaitGroup
	errs := make([]error, 4)
	for i := range errs {
		wg.Go(func() { _, errs[i] = f.operators.Create(t.Context(), Administrator(), "jo", goodPassword) })
	}
	wg.Wait()
	made := 0
	for _, err := range errs {
		if err == nil {
			made++
			continue
		}
		isFault(t, err, fault.Conflict, "name")
	}
	if made != 1 {
		t.Errorf("%d accounts have the name", made)
	}
}

// Unknown names, wrong passwords and disabled accounts all have one password hashed, and never more than two at once.
func TestVerifyHashesAlways(t *testing.T) {
	f := newFixture(t)
	f.operator("jo")
	f.verified("nobody", goodPassword, false) // makes the hash for unknown names
	for i := range cap(f.operators.hashing) {
		if err := f.operators.hashing.enter(t.Context()); err != nil {
			t.Fatal(i, err)
		}
	}
	for _, name := range []string{"jo", "nobody"} {
		// Both wait for a place until the caller's patience ends.
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		if _, err := f.operators.Verify(ctx, name, goodPassword); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s is judged without hashing: %v", name, err)
		}
		cancel()
	}
}

func TestPasswordHash(t *testing.T) {
	h := make(hashing, 1)
	phc, err := h.hash(t.Context(), goodPassword)
	if err != nil {
		t.Fatal(err)
	}
	if again, _ := h.hash(t.Context(), goodPassword); again == phc {
		t.Error("the salt is not random")
	}
	// A hash made elsewhere, by the reference implementation: argon2id, "password", "somesalt".
	known := "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"
	if ok, err := h.matches(t.Context(), secret.New("password"), known); !ok || err != nil {
		t.Errorf("a known hash: %t, %v", ok, err)
	}
	parts := strings.Split(phc, "$")
	with := func(i int, s string) string {
		p := slices.Clone(parts)
		p[i] = s
		return strings.Join(p, "$")
	}
	for _, bad := range []string{
		"", "x", "$", phc + "$", with(1, "argon2i"), with(2, "v=16"), with(3, "m=1,t=2,p=1"), with(3, fmt.Sprintf("m=%d,t=2,p=1", 1<<30)),
		with(3, "m=19456,t=0,p=1"), with(3, "m=19456,t=1000,p=1"), with(3, "m=19456,t=2,p=0"), with(3, "m=19456"), with(3, "m=-1,t=2,p=1"),
		with(4, "!"), with(4, "YQ"), with(5, "!"), with(5, "YQ"), with(5, strings.Repeat("YWFh", 30)),
	} {
		if ok, err := h.matches(t.Context(), goodPassword, bad); ok || !errors.Is(err, errPasswordHash) {
			t.Errorf("%q: %t, %v", bad, ok, err)
		}
	}
}

// BenchmarkVerify shows what a sign-in of an operator costs.
func BenchmarkVerify(b *testing.B) {
	h := make(hashing, 1)
	phc, err := h.hash(b.Context(), goodPassword)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if ok, err := h.matches(b.Context(), goodPassword, phc); !ok || err != nil {
			b.Fatal(ok, err)
		}
	}
}
