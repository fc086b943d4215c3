package portal

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"strings"

	"github.com/gofiber/fiber/v2"

	"llmhub/identity"
)

// csrfHeader carries the form token of a session with requests that change something.
const csrfHeader = "X-CSRF-Token"

// personalPrefix begins personal tokens. Other tokens are compared with the administrator's.
const personalPrefix = "lhp_"

// tokenHash stands for a token, so that comparing takes the same time whatever was sent.
type tokenHash [sha256.Size]byte

func hashToken(token []byte) tokenHash { return sha256.Sum256(token) }

// isAdmin says whether a token is the administrator's.
func (p *Portal) isAdmin(token string) bool {
	given := hashToken([]byte(token))
	return subtle.ConstantTimeCompare(given[:], p.admin[:]) == 1
}

// AuthorizedAdmin says whether a request came with the administrator's token, for what is served beside the API. Guesses
// count as those at the API do.
func (p *Portal) AuthorizedAdmin(c *fiber.Ctx, token string) bool {
	address := p.guard.Address(c)
	if p.throttle.CheckAddress(address) != nil {
		return false
	}
	if !p.isAdmin(token) {
		p.throttle.FailedAddress(address)
		return false
	}
	return true
}

// authenticate finds out who asks: by a bearer token, or else by the portal's session.
func (p *Portal) authenticate(r *request) error {
	header := r.c.Get(fiber.HeaderAuthorization)
	if header == "" {
		return p.authenticateSession(r)
	}
	scheme, token, _ := strings.Cut(header, " ")
	token = strings.TrimSpace(token)
	if !strings.EqualFold(scheme, "Bearer") || token == "" {
		return unauthorized(r)
	}
	address := p.guard.Address(r.c)
	err := p.authenticateBearer(r, token, address)
	var refused *apiError
	if errors.As(err, &refused) && refused.status == fiber.StatusUnauthorized {
		p.throttle.FailedAddress(address)
	}
	return err
}

// authenticateBearer knows the administrator's token and personal tokens. Only the former can be guessed, since people
// choose it: it is not even compared when too many guesses came from the address. The latter have 200 random bits, so
// that the failures of others at the same address need not keep their users out.
func (p *Portal) authenticateBearer(r *request, token, address string) error {
	if !strings.HasPrefix(token, personalPrefix) {
		if err := p.throttle.CheckAddress(address); err != nil {
			return err
		}
		if !p.isAdmin(token) {
			return unauthorized(r)
		}
		r.by = identity.Administrator()
		return nil
	}
	by, err := p.tokens.Authenticate(r.ctx, strings.Clone(token))
	if errors.Is(err, identity.ErrPersonalToken) {
		if err := p.throttle.CheckAddress(address); err != nil {
			return err
		}
		return unauthorized(r)
	}
	r.by = by
	return err
}

// authenticateSession takes the session of the pages. Browsers send its cookie whoever makes them ask: what changes
// something must come from this site and know the session's form token.
func (p *Portal) authenticateSession(r *request) error {
	visitor, err := p.guard.Visitor(r.ctx, r.c)
	if err != nil {
		return err
	}
	if !visitor.SignedIn() || visitor.IsOperator() && !r.operators {
		return unauthorized(r)
	}
	if r.changes() && p.guard.CheckForm(r.c, r.c.Get(csrfHeader)) != nil {
		return refuse(fiber.StatusForbidden, "forbidden", "with a session this needs the header "+csrfHeader+": the csrf_token of GET "+basePath+"/me, sent by this site")
	}
	r.by, r.session, r.visitor = visitor.Actor, true, visitor
	return nil
}

func unauthorized(r *request) error {
	r.c.Set(fiber.HeaderWWWAuthenticate, `Bearer realm="llmhub management"`)
	return refuse(fiber.StatusUnauthorized, "unauthorized", "this needs a token, the administrator's or a personal one (Authorization: Bearer TOKEN), or a session of the portal")
}

// newRequestID returns an unguessable ID that joins an answer with its line in the log.
func newRequestID() string { return "api-" + strings.ToLower(rand.Text()[:16]) }
