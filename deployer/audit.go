package deployer

import (
	"llmhub/identity"
	"llmhub/store"
)

// audited is what the audit keeps of a workload: not its values, which are the customer's business.
type audited struct {
	Target         Target             `json:"target"`
	ProductID      string             `json:"product_id"`
	ProductVersion string             `json:"product_version"`
	ChartVersion   string             `json:"chart_version"`
	ChartDigest    string             `json:"chart_digest"`
	State          State              `json:"state"`
	Reason         ReasonCode         `json:"reason,omitempty"`
	Revision       int                `json:"revision,omitempty"`
	Operation      JobKind            `json:"operation,omitempty"`
	Consents       []identity.Consent `json:"consents,omitempty"`
}

func auditedOf(w Workload) audited {
	a := audited{
		Target: w.Target, ProductID: w.ProductID, ProductVersion: w.ProductVersion, ChartVersion: w.ChartVersion,
		ChartDigest: w.ChartDigest, State: w.State, Revision: w.Revision, Consents: w.Consents,
	}
	if w.Reason != nil {
		a.Reason = w.Reason.Code
	}
	if w.Operation != nil {
		a.Operation = w.Operation.Kind
	}
	return a
}

// workloadAudit returns the audit entry of a change of a workload; before is nil for a new one.
func (s *Service) workloadAudit(by identity.Actor, action string, before *Workload, after Workload) (store.Write, error) {
	c := identity.Change{
		At: s.stamp(), Action: action, TenantID: after.TenantID, ObjectID: after.ID, ObjectName: after.Target.Release,
	}
	if before == nil {
		return s.o.Audit.Write(by, c, nil, auditedOf(after))
	}
	return s.o.Audit.Write(by, c, auditedOf(*before), auditedOf(after))
}
