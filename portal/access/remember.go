package access

import (
	"encoding/base64"
	"encoding/json"

	"github.com/gofiber/fiber/v2"
)

// Remembered is what a sign-in form is filled with next time; never a password.
type Remembered struct {
	Domain string `json:"d"`
	User   string `json:"u"`
}

// Remembered returns what the visitor asked to be remembered.
func (g *Guard) Remembered(c *fiber.Ctx) (r Remembered) {
	text, err := base64.RawURLEncoding.DecodeString(g.cookie(c, rememberedCookie))
	if err != nil || json.Unmarshal(text, &r) != nil {
		return Remembered{}
	}
	return r
}

// Remember keeps domain and user in the browser, or forgets what was kept if both are empty.
func (g *Guard) Remember(c *fiber.Ctx, r Remembered) {
	if r == (Remembered{}) {
		g.setCookie(c, rememberedCookie, "", -1)
		return
	}
	text, err := json.Marshal(r)
	if err != nil || len(text) > maxCookieBytes*3/4 {
		return
	}
	g.setCookie(c, rememberedCookie, base64.RawURLEncoding.EncodeToString(text), preferenceAge)
}
