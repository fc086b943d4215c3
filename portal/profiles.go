package portal

import (
	"context"
	"time"

	"llmhub/identity"
)

// profileView is a profile and where it stands.
type profileView struct {
	State string `json:"state" enum:"none,submitted,approved,rejected" doc:"Approved from the first approval on, whatever became of changes."`
	identity.Profile
}

func viewProfile(p identity.Profile) profileView {
	return profileView{State: string(p.State()), Profile: p}
}

func (p *Portal) getProfile(r *request) (profileView, error) {
	id, err := r.id()
	if err != nil {
		return profileView{}, err
	}
	if _, err := p.seeTenant(r, id); err != nil {
		return profileView{}, err
	}
	v, err := p.profiles.Get(r.ctx, r.by, id)
	return viewProfile(v), err
}

func (p *Portal) submitProfile(r *request, in identity.ProfileData) (profileView, error) {
	return r.profile(func(ctx context.Context, by identity.Actor, tenantID string) (identity.Profile, error) {
		return p.profiles.Submit(ctx, by, tenantID, in)
	})
}

func (p *Portal) withdrawProfile(r *request) (profileView, error) {
	return r.profile(p.profiles.Withdraw)
}

// approval is the body that approves.
type approval struct {
	SubmittedAt time.Time `json:"submitted_at" doc:"When what was looked at was submitted: something else is not approved."`
}

func (p *Portal) approveProfile(r *request, in approval) (profileView, error) {
	return r.profile(func(ctx context.Context, by identity.Actor, tenantID string) (identity.Profile, error) {
		return p.profiles.Approve(ctx, by, tenantID, in.SubmittedAt)
	})
}

// rejection is the body that rejects.
type rejection struct {
	SubmittedAt time.Time `json:"submitted_at" doc:"When what was looked at was submitted: something else is not rejected."`
	Reason      string    `json:"reason" doc:"The customer sees it." example:"the website does not exist"`
}

func (p *Portal) rejectProfile(r *request, in rejection) (profileView, error) {
	return r.profile(func(ctx context.Context, by identity.Actor, tenantID string) (identity.Profile, error) {
		return p.profiles.Reject(ctx, by, tenantID, in.SubmittedAt, in.Reason)
	})
}

// profile does something with the profile of the tenant in the path.
func (r *request) profile(do func(ctx context.Context, by identity.Actor, tenantID string) (identity.Profile, error)) (profileView, error) {
	id, err := r.id()
	if err != nil {
		return profileView{}, err
	}
	v, err := do(r.ctx, r.by, id)
	return viewProfile(v), err
}

func (p *Portal) listProfiles(r *request) (page[profileView], error) {
	list, next, err := p.profiles.Queue(r.ctx, r.by, r.query("after"), r.limit())
	return pageOf(list, next, viewProfile), err
}
