package identity

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"slices"
	"time"

	"llmhub/fault"
	"llmhub/secret"
	"llmhub/store"
)

const (
	kindPersonalToken     = "personal_token"
	kindPersonalTokenTurn = "personal_token_turn"
	// maxPersonalTokens bounds the tokens of a user that can be used.
	maxPersonalTokens = 10
	// maxPersonalTokenDays bounds how long one can be used.
	maxPersonalTokenDays = 365
	// personalTokenAbsence is how long after the last sign-in of its user a token is good. The directory tells only then that
	// somebody has left or lost a role.
	personalTokenAbsence = 90 * 24 * time.Hour

	personalTokenForm secret.TokenForm = "lhp_"
)

// ErrPersonalToken says that a text is no personal token, or one that has expired or been revoked; which is not told.
var ErrPersonalToken = errors.New("there is no such token, or it has expired or been revoked")

// PersonalToken lets programs act as its user at the portal's API. Its text is not among it.
type PersonalToken struct {
	ID       string `json:"id"`
	UserID   string `json:"user_id"`
	TenantID string `json:"tenant_id"`
	Name     string `json:"name"`
	// Prefix is the beginning of the text, to recognise it by.
	Prefix string `json:"prefix"`
	// Hash is the SHA-256 of the text, whose 200 random bits need no slower one.
	Hash      []byte     `json:"hash,omitempty"`
	CreatedAt time.Time  `json:"created_at"`
	ExpiresAt time.Time  `json:"expires_at"`
	RevokedAt *time.Time `json:"revoked_at,omitempty"`
}

// Usable says whether the token has neither expired nor been revoked.
func (t PersonalToken) Usable(now time.Time) bool {
	return t.RevokedAt == nil && now.Before(t.ExpiresAt)
}

// tokenTurn is written with each new token of a user, so that two made at once cannot pass the limit.
type tokenTurn struct {
	TokenID string `json:"token_id"`
}

// PersonalTokens keeps personal tokens. It may be used concurrently.
type PersonalTokens struct {
	changer
	tokens  store.Collection[PersonalToken]
	turns   store.Collection[tokenTurn]
	users   *Users
	tenants *Tenants
}

// NewPersonalTokens returns the personal tokens kept in d.
func NewPersonalTokens(d store.Documents, a *Audit, users *Users, tenants *Tenants, now func() time.Time) *PersonalTokens {
	return &PersonalTokens{
		changer: changer{d, a, now},
		tokens: store.NewCollection(d, kindPersonalToken, func(t PersonalToken) map[string]string {
			return map[string]string{"user": t.UserID}
		}),
		turns: store.NewCollection[tokenTurn](d, kindPersonalTokenTurn, nil),
		users: users, tenants: tenants,
	}
}

func noToken() *fault.Error { return fault.New(fault.NotFound, "", "there is no such token") }

// Create makes a token of the acting user and returns its text, which cannot be had again. Tokens of the user that cannot
// be used any more are removed; those that can have different names.
func (p *PersonalTokens) Create(ctx context.Context, by Actor, name string, expires time.Time) (PersonalToken, secret.Text, error) {
	if err := by.See(by.TenantID, noTenant()); err != nil {
		return PersonalToken{}, secret.Text{}, err
	}
	if by.Kind != Customer {
		return PersonalToken{}, secret.Text{}, fault.New(fault.Forbidden, "", "only users of a tenant have personal tokens")
	}
	expires = expires.UTC().Truncate(time.Second)
	name, err := fault.Name("name", name)
	if err := fault.Join(err, p.checkExpiry(expires)); err != nil {
		return PersonalToken{}, secret.Text{}, err
	}
	text := personalTokenForm.New()
	hash := sha256.Sum256(text)
	token := PersonalToken{
		ID: personalTokenID(text), UserID: by.ID, TenantID: by.TenantID, Name: name, Prefix: personalTokenForm.Shown(text),
		Hash: hash[:], CreatedAt: p.stamp(), ExpiresAt: expires,
	}
	if err := p.change(ctx, func() ([]store.Write, error) { return p.newToken(ctx, by, token) }); err != nil {
		return PersonalToken{}, secret.Text{}, err
	}
	return token, secret.New(string(text)), nil
}

func (p *PersonalTokens) checkExpiry(at time.Time) error {
	now := p.now()
	if !at.After(now) || at.After(now.AddDate(0, 0, maxPersonalTokenDays)) {
		return fault.New(fault.Invalid, "expires_at", "must be within the next %d days", maxPersonalTokenDays)
	}
	return nil
}

func personalTokenID(text []byte) string { return "pat_" + string(personalTokenForm.PublicID(text)) }

// newToken returns the writes that make a token, if the user has room for it.
func (p *PersonalTokens) newToken(ctx context.Context, by Actor, token PersonalToken) ([]store.Write, error) {
	tenant, err := p.tenants.Get(ctx, by.TenantID)
	if err != nil {
		return nil, err
	}
	if err := tenant.changeableBy(by); err != nil {
		return nil, err
	}
	turn, err := p.turns.Get(ctx, by.ID)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, err
	}
	var w writes
	usable := 0
	for r, err := range p.tokens.All(ctx, "user", by.ID) {
		switch {
		case err != nil:
			return nil, err
		case r.Value.Usable(p.now()) && r.Value.Name == token.Name: // or a form sent twice would make two
			return nil, fault.New(fault.Conflict, "name", "there is a usable token with this name already; choose another")
		case r.Value.Usable(p.now()):
			usable++
		default:
			w.add(store.Write{Kind: kindPersonalToken, ID: r.ID, Expect: r.Version, Delete: true}, nil)
		}
	}
	if usable >= maxPersonalTokens {
		return nil, fault.New(fault.State, "", "there are %d tokens already; revoke one first", maxPersonalTokens)
	}
	w.add(p.turns.Write(by.ID, turn.Version, tokenTurn{token.ID}))
	w.add(p.tokens.Write(token.ID, 0, token))
	w.add(p.audited(by, "personal_token.create", nil, token))
	return w.all()
}

// audited returns the audit entry of a token, which has no hashes.
func (p *PersonalTokens) audited(by Actor, action string, before *PersonalToken, after PersonalToken) (store.Write, error) {
	var from any
	if before != nil {
		b := *before
		b.Hash = nil
		from = b
	}
	after.Hash = nil
	return p.entry(by, Change{TenantID: after.TenantID, Action: action, ObjectID: after.ID, ObjectName: after.Name}, from, after)
}

// Authenticate returns who acts with a token, with the rights that its user has now. The error wraps ErrPersonalToken, also
// where the user has not signed in for 90 days.
func (p *PersonalTokens) Authenticate(ctx context.Context, text string) (Actor, error) {
	b := []byte(text)
	if !personalTokenForm.WellFormed(b) {
		return Actor{}, ErrPersonalToken
	}
	r, err := p.tokens.Get(ctx, personalTokenID(b))
	if err != nil && !missing(err) {
		return Actor{}, err
	}
	hash := sha256.Sum256(b)
	if err != nil || subtle.ConstantTimeCompare(hash[:], r.Value.Hash) != 1 || !r.Value.Usable(p.now()) {
		return Actor{}, ErrPersonalToken
	}
	user, err := p.users.Get(ctx, r.Value.UserID)
	if err != nil {
		return Actor{}, err
	}
	if p.now().Sub(user.LastSignInAt) > personalTokenAbsence {
		return Actor{}, ErrPersonalToken
	}
	tenant, err := p.tenants.Get(ctx, user.TenantID)
	if err != nil {
		return Actor{}, err
	}
	return user.Actor(tenant), nil
}

// List returns the tokens of the acting user, the newest first.
func (p *PersonalTokens) List(ctx context.Context, by Actor) ([]PersonalToken, error) {
	var all []PersonalToken
	for r, err := range p.tokens.All(ctx, "user", by.ID) {
		if err != nil {
			return nil, err
		}
		all = append(all, r.Value)
	}
	slices.SortFunc(all, func(a, b PersonalToken) int { return b.CreatedAt.Compare(a.CreatedAt) })
	return all, nil
}

// Revoke ends a token of the acting user.
func (p *PersonalTokens) Revoke(ctx context.Context, by Actor, id string) (PersonalToken, error) {
	var token PersonalToken
	err := p.change(ctx, func() ([]store.Write, error) {
		r, err := p.tokens.Get(ctx, id)
		if missing(err) || err == nil && (r.Value.UserID != by.ID || by.Kind != Customer) {
			return nil, noToken()
		}
		if err != nil {
			return nil, err
		}
		if r.Value.RevokedAt != nil {
			return nil, fault.New(fault.State, "", "the token has been revoked already")
		}
		before := r.Value
		at := p.stamp()
		token = before
		token.RevokedAt = &at
		var w writes
		w.add(p.tokens.Write(id, r.Version, token))
		w.add(p.audited(by, "personal_token.revoke", &before, token))
		return w.all()
	})
	return token, err
}
