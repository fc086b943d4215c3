package portal

import (
	"llmhub/fault"
	"llmhub/identity"
)

// listChanges shows the audit: all of it to operators, and to customers what was changed in their tenant.
func (p *Portal) listChanges(r *request) (page[identity.Change], error) {
	q := identity.AuditQuery{ActorID: r.query("actor_id"), Action: r.query("action")}
	if r.by.Kind == identity.Customer && q != (identity.AuditQuery{}) {
		return page[identity.Change]{}, fault.New(fault.Forbidden, "", "only operators may do this")
	}
	var err error
	if q.TenantID, err = p.tenantAsked(r); err != nil {
		return page[identity.Change]{}, err
	}
	if q.TenantID != "" && q.ActorID+q.Action != "" || q.ActorID != "" && q.Action != "" {
		return page[identity.Change]{}, badRequest("give one of tenant_id, actor_id and action")
	}
	list, next, err := p.audit.List(r.ctx, q, r.query("after"), r.limit())
	if r.by.Kind == identity.Customer {
		for i := range list {
			withoutOperator(&list[i])
		}
	}
	return page[identity.Change]{Data: orEmpty(list), Next: next}, err
}

// withoutOperator leaves out which operator it was: to customers it is the marketplace that acts.
func withoutOperator(c *identity.Change) {
	if c.ActorKind == identity.Operator {
		c.ActorID, c.ActorName = "", "marketplace"
	}
}
