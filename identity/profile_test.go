package identity

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"llmhub/fault"
)

var goodProfile = ProfileData{
	Company: "Muster GmbH", Website: "https://www.muster.example/de", SellerEmail: "it@muster.example",
	MarketplaceEmail: "cloud@muster.example", Phone: "+49 (30) 12-34/56",
}

// profileFixture is a tenant whose owner acts.
type profileFixture struct {
	*fixture
	by     Actor
	tenant string
}

func newProfileFixture(t *testing.T) *profileFixture {
	f := newFixture(t)
	owner, tenant := f.enrolled("OTC-1", "owner", true)
	return &profileFixture{f, f.actor(owner), tenant.ID}
}

func (f *profileFixture) get() Profile {
	f.t.Helper()
	p, err := f.profiles.Get(f.t.Context(), f.by, f.tenant)
	if err != nil {
		f.t.Fatal(err)
	}
	return p
}

func (f *profileFixture) submit(d ProfileData) Profile {
	f.t.Helper()
	p, err := f.profiles.Submit(f.t.Context(), f.by, f.tenant, d)
	if err != nil {
		f.t.Fatal(err)
	}
	return p
}

func (f *profileFixture) approve() Profile {
	f.t.Helper()
	p, err := f.profiles.Approve(f.t.Context(), Administrator(), f.tenant, f.get().Change.SubmittedAt)
	if err != nil {
		f.t.Fatal(err)
	}
	return p
}

// missing insists on what RequireApproved says; an empty text means that nothing is missing.
func (f *profileFixture) missing(want string) {
	f.t.Helper()
	w, err := f.profiles.RequireApproved(f.t.Context(), f.tenant)
	if want == "" {
		if err == nil {
			_, err = f.store.Put(f.t.Context(), w)
		}
		if err != nil || !w.Check {
			f.t.Errorf("%+v, %v", w, err)
		}
		return
	}
	isFault(f.t, err, fault.State, "")
	if err == nil || err.Error() != want {
		f.t.Errorf("missing: %v, want %q", err, want)
	}
}

func TestProfile(t *testing.T) {
	f := newProfileFixture(t)
	if p := f.get(); p != (Profile{TenantID: f.tenant}) || p.State() != ProfileNone || p.Approved() {
		t.Errorf("%+v", p)
	}
	f.missing("the organization profile has not been submitted")

	typed := goodProfile
	typed.Company, typed.SellerEmail, typed.Phone = "  Muster GmbH\n", " it@muster.example ", goodProfile.Phone+" "
	first := f.submit(typed)
	if first.State() != ProfileSubmitted || first.Approved() || first.Change.Data != goodProfile || first.Change.SubmittedBy != "owner" {
		t.Errorf("%+v", first.Change)
	}
	f.missing("the organization profile is in review")

	_, err := f.profiles.Reject(t.Context(), Administrator(), f.tenant, first.Change.SubmittedAt, " The website\r\nis not yours ")
	if err != nil {
		t.Fatal(err)
	}
	if p := f.get(); p.State() != ProfileRejected || p.Change.Reason != "The website\nis not yours" || p.Change.ReviewedBy != "administrator" || p.Change.ReviewedAt == nil || p.Change.Data != goodProfile {
		t.Errorf("%+v", p.Change)
	}
	f.missing("the organization profile was rejected: The website\nis not yours")
	_, err = f.profiles.Withdraw(t.Context(), f.by, f.tenant)
	isFault(t, err, fault.State, "")

	if p := f.submit(goodProfile); p.State() != ProfileSubmitted || p.Change.Reason != "" || p.Change.ReviewedAt != nil {
		t.Errorf("submitted again: %+v", p.Change)
	}
	approved := f.approve()
	if approved.State() != ProfileApproved || !approved.Approved() || *approved.InForce != goodProfile || approved.Change != nil || approved.ApprovedBy != "administrator" || !approved.ApprovedAt.Equal(f.now()) {
		t.Errorf("%+v", approved)
	}
	if tenant, err := f.tenants.Get(t.Context(), f.tenant); err != nil || tenant.Name != "Muster GmbH" || tenant.Domain != "OTC-1" {
		t.Errorf("%+v, %v", tenant, err)
	}
	f.missing("")
	want := []string{"profile.approve", "profile.reject", "profile.submit", "profile.submit", "tenant.create", "user.create"}
	if got := f.actions(f.tenant); !slices.Equal(got, want) {
		t.Errorf("audited: %v", got)
	}
}

func TestProfileChange(t *testing.T) {
	f := newProfileFixture(t)
	f.submit(goodProfile)
	f.approve()
	_, err := f.profiles.Submit(t.Context(), f.by, f.tenant, goodProfile)
	isFault(t, err, fault.State, "")
	_, err = f.profiles.Withdraw(t.Context(), f.by, f.tenant)
	isFault(t, err, fault.State, "")

	moved := goodProfile
	moved.Company = "Muster AG"
	p := f.submit(moved)
	if p.State() != ProfileApproved || *p.InForce != goodProfile || p.Change.State != ProfileSubmitted || p.Change.Data != moved {
		t.Errorf("%+v", p)
	}
	f.missing("")
	if again := f.submit(moved); !again.Change.SubmittedAt.Equal(p.Change.SubmittedAt) {
		t.Error("what is sent twice is submitted twice")
	}
	if p, err := f.profiles.Withdraw(t.Context(), f.by, f.tenant); err != nil || p.Change != nil || *p.InForce != goodProfile {
		t.Errorf("%+v, %v", p, err)
	}
	f.submit(moved)
	if p := f.submit(goodProfile); p.Change != nil || *p.InForce != goodProfile {
		t.Errorf("the values in force, submitted: %+v", p)
	}
	p = f.submit(moved)
	if p, err = f.profiles.Reject(t.Context(), Administrator(), f.tenant, p.Change.SubmittedAt, "no"); err != nil || p.State() != ProfileApproved || *p.InForce != goodProfile || p.Change.State != ProfileRejected {
		t.Errorf("%+v, %v", p, err)
	}
	f.missing("")
	f.submit(moved)
	if p := f.approve(); *p.InForce != moved || p.Change != nil {
		t.Errorf("%+v", p)
	}
	if tenant, _ := f.tenants.Get(t.Context(), f.tenant); tenant.Name != "Muster AG" {
		t.Errorf("the tenant is called %q", tenant.Name)
	}
}

// An operator decides on what was on the page, and on nothing else.
func TestReviewOfWhatWasSeen(t *testing.T) {
	f := newProfileFixture(t)
	_, err := f.profiles.Approve(t.Context(), Administrator(), f.tenant, time.Time{})
	isFault(t, err, fault.Conflict, "")
	seen := f.submit(goodProfile).Change.SubmittedAt
	other := goodProfile
	other.Website = "https://other.example"
	now := f.submit(other).Change.SubmittedAt // at the same time of the clock
	for _, decide := range []func(time.Time) error{
		func(at time.Time) error {
			_, err := f.profiles.Approve(t.Context(), Administrator(), f.tenant, at)
			return err
		},
		func(at time.Time) error {
			_, err := f.profiles.Reject(t.Context(), Administrator(), f.tenant, at, "no")
			return err
		},
	} {
		isFault(t, decide(seen), fault.Conflict, "")
	}
	if _, err := f.profiles.Reject(t.Context(), Administrator(), f.tenant, now.In(time.FixedZone("", 3600)), "no"); err != nil {
		t.Error(err)
	}
	_, err = f.profiles.Approve(t.Context(), Administrator(), f.tenant, now)
	isFault(t, err, fault.Conflict, "")
	for _, reason := range []string{"", " \n", strings.Repeat("ä", 1001), "a\x00b"} {
		_, err = f.profiles.Reject(t.Context(), Administrator(), f.tenant, now, reason)
		isFault(t, err, fault.Invalid, "reason")
	}
	_, err = f.profiles.Approve(t.Context(), Administrator(), "ten_none", now)
	isFault(t, err, fault.NotFound, "")
}

func TestProfileQueue(t *testing.T) {
	f := newProfileFixture(t)
	waiting := map[string]bool{}
	for _, domain := range []string{"OTC-2", "OTC-3", "OTC-4", "OTC-5"} {
		owner, tenant := f.enrolled(domain, "owner", true)
		if _, err := f.profiles.Submit(t.Context(), f.actor(owner), tenant.ID, goodProfile); err != nil {
			t.Fatal(err)
		}
		waiting[tenant.ID] = true
	}
	f.submit(goodProfile)
	f.approve()
	decided, _, err := f.profiles.Queue(t.Context(), Administrator(), "", 1)
	if err != nil || len(decided) != 1 {
		t.Fatal(decided, err)
	}
	if _, err := f.profiles.Reject(t.Context(), Administrator(), decided[0].TenantID, decided[0].Change.SubmittedAt, "no"); err != nil {
		t.Fatal(err)
	}
	delete(waiting, decided[0].TenantID)
	for after := ""; len(waiting) > 0; {
		page, next, err := f.profiles.Queue(t.Context(), Administrator(), after, 2)
		if err != nil || len(page) == 0 || (next == "") != (len(waiting) == len(page)) {
			t.Fatalf("%+v, %q, %v", page, next, err)
		}
		for _, p := range page {
			if !waiting[p.TenantID] || p.Change.Data != goodProfile {
				t.Errorf("%+v waits", p)
			}
			delete(waiting, p.TenantID)
		}
		after = next
	}
}

// What users and operators may not do to profiles.
func TestProfileRights(t *testing.T) {
	f := newProfileFixture(t)
	reader := Actor{Kind: Customer, ID: "usr_r", TenantID: f.tenant, Rights: []Right{Reports, Subscribe}}
	stranger := Actor{Kind: Customer, ID: "usr_s", TenantID: "ten_other", Rights: allRights}
	at := f.submit(goodProfile).Change.SubmittedAt
	for _, c := range []struct {
		name      string
		by        Actor
		get, edit fault.Kind
	}{
		{"reader", reader, 0, fault.Forbidden}, {"stranger", stranger, fault.NotFound, fault.NotFound}, {"nobody", Actor{}, fault.NotFound, fault.NotFound},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, err := f.profiles.Get(t.Context(), c.by, f.tenant)
			if c.get == 0 && (err != nil || p.Change == nil) || c.get != 0 && (p != Profile{}) {
				t.Errorf("%+v, %v", p, err)
			} else if c.get != 0 {
				isFault(t, err, c.get, "")
			}
			_, err = f.profiles.Submit(t.Context(), c.by, f.tenant, goodProfile)
			isFault(t, err, c.edit, "")
			_, err = f.profiles.Withdraw(t.Context(), c.by, f.tenant)
			isFault(t, err, c.edit, "")
		})
	}
	for _, by := range []Actor{f.by, reader, {}} {
		_, err := f.profiles.Approve(t.Context(), by, f.tenant, at)
		isFault(t, err, fault.Forbidden, "")
		_, err = f.profiles.Reject(t.Context(), by, f.tenant, at, "no")
		isFault(t, err, fault.Forbidden, "")
		_, _, err = f.profiles.Queue(t.Context(), by, "", 0)
		isFault(t, err, fault.Forbidden, "")
	}
	if _, err := f.tenants.Suspend(t.Context(), Administrator(), f.tenant, "unpaid"); err != nil {
		t.Fatal(err)
	}
	other := goodProfile
	other.Phone = ""
	_, err := f.profiles.Submit(t.Context(), f.by, f.tenant, other)
	isFault(t, err, fault.State, "")
	if _, err := f.profiles.Approve(t.Context(), Administrator(), f.tenant, at); err != nil {
		t.Errorf("operators are bound by a suspension: %v", err)
	}
}

func TestProfileData(t *testing.T) {
	f := newProfileFixture(t)
	_, err := f.profiles.Submit(t.Context(), f.by, f.tenant, ProfileData{Phone: "call me"})
	var all fault.Faults
	if !errors.As(err, &all) || len(all) != 5 {
		t.Fatalf("an empty form gives %v", err)
	}
	for i, field := range []string{"company", "website", "seller_email", "marketplace_email", "phone"} {
		isFault(t, all[i], fault.Invalid, field)
	}
	for _, c := range []struct {
		field     string
		set       func(*ProfileData, string)
		good, bad []string
	}{
		{"company", func(d *ProfileData, s string) { d.Company = s }, []string{"X", strings.Repeat("ä", 100), "<b>&\"'"}, []string{"", strings.Repeat("ä", 101), "a\nb"}},
		{
			"website", func(d *ProfileData, s string) { d.Website = s },
			[]string{"http://a", "https://a.example:8443/x?y=1#z", "HTTPS://A.example", "https://[::1]/", "https://a/" + strings.Repeat("b", 190)},
			[]string{
				"", "a.example", "//a.example", "ftp://a.example", "javascript:alert(1)", "https://", "https:///x", "https://:80/", "https://user:pw@a.example",
				"https://a b", "https://a/<script>", "https://a/\nx", "https://a/" + strings.Repeat("b", 191), "https://a/\u202e", "https://a/%zz",
			},
		},
		{
			"seller_email", func(d *ProfileData, s string) { d.SellerEmail = s }, []string{"a@b", "a.b+c@d-e.example", strings.Repeat("a", 64) + "@b.example"},
			[]string{
				"", "a", "@b", "a@", "Ann <a@b.example>", "<a@b.example>", "a@b.example, c@d.example", "a@b.example (Ann)", "a@b\nBcc: c@d", "a b@c",
				strings.Repeat("a", 250) + "@b.ex",
			},
		},
		{
			"marketplace_email", func(d *ProfileData, s string) { d.MarketplaceEmail = s }, []string{"a@b.example"}, []string{"", "a@@b"},
		},
		{
			"phone", func(d *ProfileData, s string) { d.Phone = s }, []string{"", "110", "(030) 12 34", "+1-555-0100", "+" + strings.Repeat("1", 39)},
			[]string{"+", "12", "++49", "0x10", "1;2;3", "+49\n30", "+" + strings.Repeat("1", 40)},
		},
	} {
		t.Run(c.field, func(t *testing.T) {
			for _, s := range c.good {
				d := goodProfile
				c.set(&d, s)
				if out, err := d.checked(); err != nil || out != d {
					t.Errorf("%.40q gives %+v, %v", s, out, err)
				}
			}
			for _, s := range c.bad {
				d := goodProfile
				c.set(&d, s)
				out, err := d.checked()
				if out != (ProfileData{}) {
					t.Errorf("%.40q gives %+v", s, out)
				}
				isFault(t, err, fault.Invalid, c.field)
			}
		})
	}
}
