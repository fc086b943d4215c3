package config

import (
	"crypto/x509"
	"net"
	"net/netip"
	"net/url"
	"reflect"
	"regexp"
	"time"
)

// Portal is what the pages for customers and operators need to know.
type Portal struct {
	// PublicURL is what customers and applications reach llmhub by, scheme and host alone as a browser writes an origin;
	// nil means http:// and the address that is listened on. With https, cookies are Secure.
	PublicURL *url.URL
	// Name is the name of the product on every page.
	Name string
	// BrandCSS sets custom properties on :root and does nothing else; nil means the built-in look.
	BrandCSS []byte
	// Logo is an SVG image that runs nothing and loads nothing; nil means the built-in one.
	Logo []byte
	// AdminListen is the only address that operators' pages are served on; empty means Listen.
	AdminListen string
	// TrustedProxies are those whose X-Forwarded-For is believed.
	TrustedProxies []netip.Prefix
	Session        Session
	Links          Links
}

// Session says how long a sign-in lasts.
type Session struct {
	// Idle is how long without a request, Absolute how long in all; Idle is at most Absolute.
	Idle, Absolute time.Duration
}

// Links lead to pages of the operator's. Each is an https address, Contact may be a mailto one; empty means the
// built-in page.
type Links struct {
	Imprint, Privacy, Terms, Documentation, Contact string
}

// IAM is where customers' sign-ins are checked.
type IAM struct {
	// URL is the address of the API, version included and without a slash at the end; nil means that there is no IAM and
	// customers cannot sign in.
	URL *url.URL
	// CustomerRole is what a user's role must be; empty lets every user of a tenant in.
	CustomerRole string
	// Timeout bounds each call.
	Timeout time.Duration
	// RootCAs is what the certificate is checked against; nil means the system's.
	RootCAs *x509.CertPool
	// ConsoleURL and PasswordResetURL help users who cannot sign in; empty means that there is no such page.
	ConsoleURL, PasswordResetURL string
}

// Equal says whether i and o are the same in every setting. reflect.DeepEqual does not: two pools of the same
// certificates differ for it.
func (i IAM) Equal(o IAM) bool {
	roots := i.RootCAs.Equal(o.RootCAs)
	i.RootCAs, o.RootCAs = nil, nil
	return roots && reflect.DeepEqual(i, o)
}

const (
	minSession        = 5 * time.Minute
	maxBrandBytes     = 16 << 10
	maxLogoBytes      = 64 << 10
	maxTrustedProxies = 100
)

var roleForm = regexp.MustCompile(`^[!-~]+$`)

// portal is read after Config.Listen, which it is compared with.
func (d *decoder) portal(c *Config, n node) {
	p := &c.Portal
	d.Mapping(n,
		optional("public_url", d.origin(&p.PublicURL)),
		optional("name", d.Text(&p.Name, 64, nil, "")),
		optional("brand_css", d.checked(&p.BrandCSS, maxBrandBytes, checkBrand)),
		optional("logo", d.checked(&p.Logo, maxLogoBytes, checkLogo)),
		optional("admin_listen", func(n node) {
			d.address(&p.AdminListen)(n)
			if _, port, err := net.SplitHostPort(p.AdminListen); err == nil && port != "0" && p.AdminListen == c.Listen {
				d.Fault(n, "is the same as listen; leave it out, or give another port")
			}
		}),
		optional("trusted_proxies", d.prefixes(&p.TrustedProxies)),
		optional("session", d.session(&p.Session)),
		optional("links", d.links(&p.Links)),
	)
}

func (d *decoder) session(into *Session) reader {
	return func(n node) {
		d.Mapping(n,
			optional("idle", d.duration(&into.Idle, minSession, maxDuration)),
			optional("absolute", d.duration(&into.Absolute, minSession, maxDuration)),
		)
		if into.Idle > into.Absolute {
			d.Fault(n, "idle is %s, which must not be longer than absolute, %s", into.Idle, into.Absolute)
		}
	}
}

func (d *decoder) links(into *Links) reader {
	return func(n node) {
		d.Mapping(n,
			optional("imprint", d.link(&into.Imprint, "https")),
			optional("privacy", d.link(&into.Privacy, "https")),
			optional("terms", d.link(&into.Terms, "https")),
			optional("documentation", d.link(&into.Documentation, "https")),
			optional("contact", d.link(&into.Contact, "https", "mailto")),
		)
	}
}

func (d *decoder) iam(into *IAM) reader {
	return func(n node) {
		d.Mapping(n,
			required("url", d.service(&into.URL)),
			optional("customer_role", d.role(&into.CustomerRole)),
			optional("timeout", d.duration(&into.Timeout, time.Second, time.Minute)),
			optional("ca_file", d.certificates(&into.RootCAs)),
			optional("console_url", d.link(&into.ConsoleURL, "https")),
			optional("password_reset_url", d.link(&into.PasswordResetURL, "https")),
		)
	}
}

// role reads the name of a role, which may be empty.
func (d *decoder) role(into *string) reader {
	return func(n node) {
		if n.Value == "" && n.Anchor == "" && n.ShortTag() == "!!str" {
			*into = ""
			return
		}
		d.Text(into, 64, roleForm, "the name of a role")(n)
	}
}
