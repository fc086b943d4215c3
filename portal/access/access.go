// Package access finds out who is asking: it reads the portal's cookies and bearer tokens, guards forms against other
// sites, and sets the cookies. It decides nothing about rights: that is the domain's.
package access

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"llmhub/fault"
	"llmhub/identity"
	"llmhub/secret"
)

// Options is what a Guard works with. All fields but TrustedProxies are required.
type Options struct {
	Sessions *identity.Sessions
	SignIn   *identity.SignIn
	// PublicURL is what the portal is reached by. Cookies are Secure, and bound to the host, if it is https.
	PublicURL *url.URL
	// TrustedProxies are those whose X-Forwarded-For is believed.
	TrustedProxies []netip.Prefix
	// Key is a random key of the data folder; form tokens are derived from it.
	Key []byte
}

// Guard knows visitors. It may be used concurrently.
type Guard struct {
	options Options
	secure  bool
	key     []byte
}

// New returns a Guard.
func New(o Options) *Guard {
	mac := hmac.New(sha256.New, o.Key)
	mac.Write([]byte("llmhub form tokens"))
	return &Guard{options: o, secure: o.PublicURL != nil && o.PublicURL.Scheme == "https", key: mac.Sum(nil)}
}

// Visitor is who asks. The zero Visitor is nobody in particular.
type Visitor struct {
	// Session is nil for visitors who have not signed in.
	Session *identity.Session
	identity.Who
}

// SignedIn says whether the visitor has a session.
func (v Visitor) SignedIn() bool { return v.Session != nil }

// IsCustomer says whether a tenant's user asks.
func (v Visitor) IsCustomer() bool { return v.Session != nil && v.Actor.Kind == identity.Customer }

// IsOperator says whether an operator asks.
func (v Visitor) IsOperator() bool { return v.Session != nil && v.Actor.Kind == identity.Operator }

// Visitor returns who has the request's session cookie; the zero Visitor if none that holds is there.
func (g *Guard) Visitor(ctx context.Context, c *fiber.Ctx) (Visitor, error) {
	cookie := g.cookie(c, sessionCookie)
	if cookie == "" {
		return Visitor{}, nil
	}
	s, err := g.options.Sessions.Find(ctx, cookie)
	if err != nil {
		return Visitor{}, ignoreMissing(err)
	}
	who, err := g.options.SignIn.Who(ctx, s)
	if err != nil {
		return Visitor{}, ignoreMissing(err)
	}
	return Visitor{Session: &s, Who: who}, nil
}

// Token returns the directory's token of a visitor; it is not set for operators, and for visitors who have not signed in.
func (g *Guard) Token(v Visitor) (secret.Text, error) {
	if v.Session == nil {
		return secret.Text{}, nil
	}
	return g.options.Sessions.Token(*v.Session)
}

// ignoreMissing takes what does not exist for a session that is over.
func ignoreMissing(err error) error {
	if errors.Is(err, &fault.Error{Kind: fault.NotFound}) {
		return nil
	}
	return err
}

// formTokenBytes is how much of the MAC is shown.
const formTokenBytes = 18

// FormToken returns what forms of this visitor carry, and makes sure that there is a cookie it belongs to.
func (g *Guard) FormToken(c *fiber.Ctx) string {
	owner := g.owner(c)
	if owner == "" {
		owner = rand.Text()
		g.setCookie(c, visitorCookie, owner, 0)
		c.Request().Header.SetCookie(g.name(visitorCookie), owner) // for the rest of this request
	}
	return g.tokenOf(owner)
}

// owner is the cookie that a form token belongs to: the session's, so that tokens end with it, or the visitor's.
func (g *Guard) owner(c *fiber.Ctx) string {
	if s := g.cookie(c, sessionCookie); s != "" {
		return "session " + s
	}
	return g.cookie(c, visitorCookie)
}

func (g *Guard) tokenOf(owner string) string {
	mac := hmac.New(sha256.New, g.key)
	mac.Write([]byte(owner))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:formTokenBytes])
}

// VisitorID returns what tells browsers apart, whether somebody has signed in or not; empty if they keep no cookies. It goes
// by the same cookie as the form token: a browser whose session is over has no other.
func (g *Guard) VisitorID(c *fiber.Ctx) string {
	owner := g.owner(c)
	if owner == "" {
		return ""
	}
	return g.tokenOf("visitor " + owner)
}

// CheckForm returns nil if a request that changes something comes from this site's own form: the browser says so, and
// the token is the visitor's.
func (g *Guard) CheckForm(c *fiber.Ctx, token string) error {
	if !g.SameOrigin(c) {
		return fault.New(fault.Forbidden, "", "the form was sent by another site")
	}
	owner := g.owner(c)
	if owner == "" || subtle.ConstantTimeCompare([]byte(token), []byte(g.tokenOf(owner))) != 1 {
		return fault.New(fault.Forbidden, "", "the form is too old, or cookies are off: load the page again")
	}
	return nil
}

// SameOrigin says whether the browser says that the request comes from this site. Browsers that say nothing are let
// pass: the token decides.
func (g *Guard) SameOrigin(c *fiber.Ctx) bool {
	if site := c.Get("Sec-Fetch-Site"); site != "" {
		return site == "same-origin"
	}
	origin := c.Get(fiber.HeaderOrigin)
	if origin == "" {
		return true
	}
	u, err := url.Parse(origin)
	return err == nil && strings.EqualFold(u.Host, string(c.Request().Host()))
}

// Address returns where the request comes from. What a proxy says is believed only if it is a trusted one.
func (g *Guard) Address(c *fiber.Ctx) string {
	peer, err := netip.ParseAddr(c.Context().RemoteIP().String())
	if err != nil {
		return ""
	}
	peer = peer.Unmap()
	// All lines of the header: some proxies add one of their own behind what the client has sent.
	hops := strings.Split(string(bytes.Join(c.Request().Header.PeekAll(fiber.HeaderXForwardedFor), []byte(","))), ",")
	for i := len(hops) - 1; i >= 0 && g.trusted(peer); i-- {
		next, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			break
		}
		peer = next.Unmap()
	}
	return peer.String()
}

func (g *Guard) trusted(a netip.Addr) bool {
	for _, p := range g.options.TrustedProxies {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// SignIn gives the browser the session's cookie, and takes the visitor's away: whatever was known before signing in is
// worth nothing after it.
func (g *Guard) SignIn(c *fiber.Ctx, cookie secret.Text, s identity.Session) {
	g.setCookie(c, sessionCookie, cookie.Reveal(), time.Until(s.EndsAt))
	g.setCookie(c, visitorCookie, "", -1)
}

// SignOut takes the session's cookie away.
func (g *Guard) SignOut(c *fiber.Ctx) { g.setCookie(c, sessionCookie, "", -1) }
