package web

import (
	"errors"
	"strings"
	"unicode"
	"unicode/utf8"

	"llmhub/fault"
	"llmhub/identity"
)

// frame is what is around every page. Handlers set Title, Crumbs, Current and Narrow; complete fills in the rest.
type frame struct {
	Title  string
	Crumbs []link
	// Current is the path of the page's entry in the navigation.
	Current string
	// Narrow says that the page is a column of text or a form.
	Narrow bool
	// Plain says that there is no navigation at the side.
	Plain bool
	// Settled says that what the address says has been begun is over, so that it is not said again.
	Settled bool

	Brand   string
	Logo    bool
	Theme   string
	Token   string
	Path    string
	Done    string
	Nav     []navGroup
	Person  *person
	Tenant  *tenantLabel
	Banner  *banner
	Alerts  []alertLine
	Foot    []link
	SignIn  bool
	Support string
}

// link is a place with its name.
type link struct{ Href, Text string }

// navGroup is a part of the navigation at the side.
type navGroup struct {
	Heading string
	Links   []navLink
}

type navLink struct {
	Href, Text, Icon string
	Current          bool
	Count            int
}

// person is who has signed in.
type person struct {
	Name, Initials, Role string
	Operator             bool
	// Alert says that something is to be done in the profile.
	Alert bool
}

type tenantLabel struct{ Name, Domain string }

// banner is a line above the page.
type banner struct{ Text, Href, Action string }

// complete fills in what is the same on every page.
func (v *visit) complete(f *frame) error {
	f.Brand, f.Logo = v.web.Brand.Name, len(v.web.Brand.Logo) > 0
	f.Theme, f.Token = v.web.Guard.Theme(v.c), v.token
	f.Path = string(v.c.Request().RequestURI())
	if v.c.Method() != "GET" {
		f.Path = "/"
	}
	if done := v.query("done"); done != "" && isDone(done) && !f.Settled {
		f.Done = v.t("done." + done)
	}
	f.Foot = v.foot()
	f.Support = v.web.Links.Contact
	f.SignIn = !v.SignedIn()
	switch {
	case v.IsOperator():
		f.Person = &person{Name: v.Account.Name, Initials: initials(v.Account.Name), Role: v.t("frame.operator"), Operator: true}
		f.Nav = v.operatorNav()
	case v.IsCustomer():
		if err := v.completeCustomer(f); err != nil {
			return err
		}
	default:
		f.Nav = v.visitorNav()
	}
	markCurrent(f.Nav, f.Current)
	return nil
}

func (v *visit) completeCustomer(f *frame) error {
	f.Person = &person{Name: v.User.Name, Initials: initials(v.User.Name), Role: v.t("frame.customer")}
	f.Tenant = &tenantLabel{v.Tenant.Name, v.Tenant.Domain}
	if f.Tenant.Name == f.Tenant.Domain { // no company name is known before the profile's approval
		f.Tenant.Name = ""
	}
	f.Nav = v.customerNav()
	if f.Current != alertsPath {
		var err error
		if f.Alerts, err = v.openAlerts(); err != nil {
			return err
		}
	}
	profile, err := v.web.Profiles.Get(v.ctx, v.Actor, v.Tenant.ID)
	if err != nil {
		if errors.Is(err, &fault.Error{Kind: fault.Forbidden}) {
			return nil
		}
		return err
	}
	f.Person.Alert = !profile.Approved()
	f.Banner = v.banner(profile)
	return nil
}

// banner says what keeps the tenant from buying, if anything does.
func (v *visit) banner(p identity.Profile) *banner {
	if v.Tenant.State == identity.TenantSuspended {
		b := &banner{Text: v.t("banner.suspended")}
		if reason := v.Tenant.SuspendReason; reason != "" {
			b.Text += " " + v.t("banner.suspended.reason", "Reason", reason)
		}
		return b
	}
	b := &banner{Href: "/organization", Action: v.t("banner.organization")}
	switch p.State() {
	case identity.ProfileNone:
		b.Text, b.Action = v.t("banner.none"), v.t("banner.complete")
	case identity.ProfileSubmitted:
		b.Text = v.t("banner.submitted")
	case identity.ProfileRejected:
		b.Text = v.t("banner.rejected")
	default:
		return nil
	}
	return b
}

func (v *visit) foot() []link {
	l := v.web.Links
	or := func(own, built string) string {
		if own != "" {
			return own
		}
		return built
	}
	return []link{
		{"/accessibility", v.t("foot.accessibility")},
		{or(l.Privacy, "/privacy"), v.t("foot.privacy")},
		{or(l.Terms, "/terms"), v.t("foot.terms")},
		{or(l.Imprint, "/imprint"), v.t("foot.imprint")},
	}
}

// initials returns one or two letters that stand for a name.
func initials(name string) string {
	out := ""
	for _, word := range strings.FieldsFunc(name, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }) {
		r, _ := utf8.DecodeRuneInString(word)
		out += string(unicode.ToUpper(r))
		if utf8.RuneCountInString(out) == 2 {
			break
		}
	}
	return out
}

func isOperatorPath(path string) bool {
	return path == "/operator" || strings.HasPrefix(path, "/operator/")
}
