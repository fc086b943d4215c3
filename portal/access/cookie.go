package access

import (
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"
)

// The names of the cookies. Under https each gets the prefix by which browsers bind it to this host.
const (
	sessionCookie    = "llmhub_session"
	visitorCookie    = "llmhub_visitor"
	languageCookie   = "llmhub_language"
	themeCookie      = "llmhub_theme"
	rememberedCookie = "llmhub_remembered"

	hostPrefix = "__Host-"
	// maxCookieBytes bounds what is read of a cookie.
	maxCookieBytes = 600
	// preferenceAge is how long language, theme and the remembered name are kept.
	preferenceAge = 365 * 24 * time.Hour
)

func (g *Guard) name(cookie string) string {
	if g.secure {
		return hostPrefix + cookie
	}
	return cookie
}

// cookie returns a cookie as a string of its own.
func (g *Guard) cookie(c *fiber.Ctx, name string) string {
	value := c.Cookies(g.name(name))
	if len(value) > maxCookieBytes {
		return ""
	}
	return strings.Clone(value)
}

// setCookie sets a cookie: for the browser's session if age is 0, and takes it away if it is negative.
func (g *Guard) setCookie(c *fiber.Ctx, name, value string, age time.Duration) {
	var cookie fasthttp.Cookie
	cookie.SetKey(g.name(name))
	cookie.SetValue(value)
	cookie.SetPath("/")
	cookie.SetHTTPOnly(true)
	cookie.SetSecure(g.secure)
	cookie.SetSameSite(fasthttp.CookieSameSiteLaxMode)
	switch {
	case age < 0:
		cookie.SetExpire(fasthttp.CookieExpireDelete)
	case age > 0:
		cookie.SetMaxAge(int(age / time.Second))
	}
	c.Response().Header.SetCookie(&cookie)
}

// Language returns the language chosen; empty if none is.
func (g *Guard) Language(c *fiber.Ctx) string { return g.cookie(c, languageCookie) }

// SetLanguage remembers the language.
func (g *Guard) SetLanguage(c *fiber.Ctx, lang string) {
	g.setCookie(c, languageCookie, lang, preferenceAge)
}

// Theme returns light, dark, or empty for that of the system.
func (g *Guard) Theme(c *fiber.Ctx) string {
	switch t := g.cookie(c, themeCookie); t {
	case "light", "dark":
		return t
	}
	return ""
}

// SetTheme remembers the theme; empty is that of the system.
func (g *Guard) SetTheme(c *fiber.Ctx, theme string) {
	if theme == "" {
		g.setCookie(c, themeCookie, "", -1)
		return
	}
	g.setCookie(c, themeCookie, theme, preferenceAge)
}
