package identity

import (
	"context"
	"time"

	"llmhub/fault"
)

// Queue returns a page of the profiles that wait for their review, in order of the tenant's ID, and the cursor of the
// next, empty behind the last. Only operators may.
func (p *Profiles) Queue(ctx context.Context, by Actor, after string, limit int) ([]Profile, string, error) {
	if err := by.RequireOperator(); err != nil {
		return nil, "", err
	}
	page, next, err := p.profiles.List(ctx, reviewIndex, reviewWaiting, after, limit)
	return values(page), next, err
}

// Approve sets in force what was submitted at the given time; the tenant is then called like the company. It is a fault
// of kind Conflict if something else waits for its review, or nothing. Only operators may.
func (p *Profiles) Approve(ctx context.Context, by Actor, tenantID string, submittedAt time.Time) (Profile, error) {
	if err := by.RequireOperator(); err != nil {
		return Profile{}, err
	}
	return p.update(ctx, by, tenantID, func(v *Profile) (Change, error) {
		if err := v.seen(submittedAt); err != nil {
			return Change{}, err
		}
		at := p.stamp()
		v.InForce, v.ApprovedAt, v.ApprovedBy, v.Change = &v.Change.Data, &at, by.Name, nil
		return Change{Action: "profile.approve"}, nil
	})
}

// Reject refuses what was submitted at the given time, for a reason that the customer sees; what is in force stays. It is
// a fault of kind Conflict if something else waits for its review, or nothing. Only operators may.
func (p *Profiles) Reject(ctx context.Context, by Actor, tenantID string, submittedAt time.Time, reason string) (Profile, error) {
	if err := by.RequireOperator(); err != nil {
		return Profile{}, err
	}
	reason, err := fault.Text("reason", reason, maxReasonRunes)
	if err != nil {
		return Profile{}, err
	}
	return p.update(ctx, by, tenantID, func(v *Profile) (Change, error) {
		if err := v.seen(submittedAt); err != nil {
			return Change{}, err
		}
		at, rejected := p.stamp(), *v.Change
		rejected.State, rejected.ReviewedAt, rejected.ReviewedBy, rejected.Reason = ProfileRejected, &at, by.Name, reason
		v.Change = &rejected // a copy: the audit tells what was before
		return Change{Action: "profile.reject", Reason: reason}, nil
	})
}

// seen returns nil if what waits for its review is what the reviewer has seen.
func (p Profile) seen(submittedAt time.Time) error {
	if !p.waiting() || !p.Change.SubmittedAt.Equal(submittedAt) {
		return fault.New(fault.Conflict, "", "the profile was changed or reviewed in between; look at it again")
	}
	return nil
}
