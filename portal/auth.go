package portal

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"strings"

	"github.com/gofiber/fiber/v2"
)

// tokenHash stands for a token, so that comparing takes the same time whatever was sent.
type tokenHash [sha256.Size]byte

func hashToken(token []byte) tokenHash { return sha256.Sum256(token) }

// AuthorizedAdmin says whether a token is the administrator's.
func (p *Portal) AuthorizedAdmin(token string) bool {
	given := hashToken([]byte(token))
	return subtle.ConstantTimeCompare(given[:], p.admin[:]) == 1
}

// authenticate insists on the administrator's bearer token.
func (p *Portal) authenticate(c *fiber.Ctx) error {
	scheme, token, _ := strings.Cut(c.Get(fiber.HeaderAuthorization), " ")
	if p.AuthorizedAdmin(strings.TrimSpace(token)) && strings.EqualFold(scheme, "Bearer") {
		return nil
	}
	c.Set(fiber.HeaderWWWAuthenticate, `Bearer realm="llmhub management"`)
	return &apiError{fiber.StatusUnauthorized, "unauthorized", "this needs the administrator's token: Authorization: Bearer TOKEN"}
}

// newRequestID returns an unguessable ID that joins an answer with its line in the log.
func newRequestID() string { return "api-" + strings.ToLower(rand.Text()[:16]) }
