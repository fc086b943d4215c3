package portal

import (
	"time"

	"llmhub/identity"
)

type personalTokenView struct {
	ID        string     `json:"id"`
	Name      string     `json:"name" example:"reports"`
	Prefix    string     `json:"prefix" doc:"The beginning of the token, to recognise it by."`
	CreatedAt time.Time  `json:"created_at"`
	ExpiresAt time.Time  `json:"expires_at"`
	RevokedAt *time.Time `json:"revoked_at,omitempty"`
	Token     string     `json:"token,omitempty" doc:"The token itself. Only the answer to its creation has it."`
}

func viewPersonalToken(t identity.PersonalToken) personalTokenView {
	return personalTokenView{
		ID: t.ID, Name: t.Name, Prefix: t.Prefix, CreatedAt: t.CreatedAt.UTC(), ExpiresAt: t.ExpiresAt.UTC(), RevokedAt: utc(t.RevokedAt),
	}
}

func (p *Portal) listPersonalTokens(r *request) (page[personalTokenView], error) {
	list, err := p.tokens.List(r.ctx, r.by)
	return pageOf(list, "", viewPersonalToken), err
}

// newPersonalToken is the body that makes a token.
type newPersonalToken struct {
	Name      string    `json:"name" example:"reports"`
	ExpiresAt time.Time `json:"expires_at" doc:"Within the next 365 days."`
}

func (p *Portal) createPersonalToken(r *request, in newPersonalToken) (personalTokenView, error) {
	t, text, err := p.tokens.Create(r.ctx, r.by, in.Name, in.ExpiresAt)
	if err != nil {
		return personalTokenView{}, err
	}
	v := viewPersonalToken(t)
	v.Token = text.Reveal()
	return v, nil
}

func (p *Portal) revokePersonalToken(r *request) (personalTokenView, error) {
	id, err := r.id()
	if err != nil {
		return personalTokenView{}, err
	}
	t, err := p.tokens.Revoke(r.ctx, r.by, id)
	return viewPersonalToken(t), err
}
