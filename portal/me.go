package portal

import (
	"errors"

	"llmhub/fault"
	"llmhub/identity"
)

type meView struct {
	Kind string `json:"kind" enum:"customer,operator"`
	ID   string `json:"id"`
	Name string `json:"name"`
	// Rights are those in the own tenant; operators have all in every tenant.
	Rights []identity.Right `json:"rights" enum:"reports,profile,subscribe,rights" doc:"In the own tenant; empty for operators, who need none."`
	Tenant *tenantView      `json:"tenant,omitempty" doc:"Absent for operators."`
	Ready  readinessView    `json:"ready" doc:"Whether this user can subscribe to a product now."`
	// CSRFToken goes with what a session changes.
	CSRFToken string `json:"csrf_token,omitempty" doc:"With a session only: the value of the header X-CSRF-Token."`
}

type readinessView struct {
	OK     bool   `json:"ok"`
	Reason string `json:"reason,omitempty" doc:"What stands in the way." example:"the organization profile is in review"`
}

func (p *Portal) getMe(r *request) (meView, error) {
	me := meView{Kind: string(r.by.Kind), ID: r.by.ID, Name: r.by.Name, Rights: orEmpty(r.by.Rights), Ready: readinessView{OK: true}}
	if r.session {
		me.CSRFToken = p.guard.FormToken(r.c)
	}
	if r.by.Kind == identity.Customer {
		tenant, err := p.tenants.Get(r.ctx, r.by.TenantID)
		if err != nil {
			return meView{}, err
		}
		v := viewTenant(tenant)
		me.Tenant = &v
	}
	if err := p.service.Ready(r.ctx, r.by, r.by.TenantID); err != nil {
		var domain *fault.Error
		if !errors.As(err, &domain) {
			return meView{}, err
		}
		me.Ready = readinessView{Reason: domain.Message}
	}
	return me, nil
}
