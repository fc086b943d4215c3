package identity

import (
	"slices"

	"llmhub/fault"
)

// ActorKind says who acts.
type ActorKind string

// The kinds of actors.
const (
	// Customer is a user of a tenant.
	Customer ActorKind = "customer"
	// Operator is a member of the Marketplace's team.
	Operator ActorKind = "operator"
)

// Right is something that a user may do in the own tenant. Each contains Reports.
type Right string

// The rights in a tenant.
const (
	// Reports: read everything of the tenant, change nothing.
	Reports Right = "reports"
	// ManageProfile: edit the organization profile.
	ManageProfile Right = "profile"
	// Subscribe: subscribe, cancel, manage keys and deploy.
	Subscribe Right = "subscribe"
	// ManageRights: give rights to others; only the tenant's owner has it.
	ManageRights Right = "rights"
)

// Actor is who asks for something: a user of a tenant, or an operator. The domain decides by it and the audit keeps it.
type Actor struct {
	Kind ActorKind
	// ID is that of the user or of the operator's account; AdminToken stands for the administrator's token.
	ID   string
	Name string
	// TenantID and Rights are those of a customer.
	TenantID string
	Rights   []Right
}

// AdminToken is the ID of the actor who came with the administrator's token: the command line, mostly.
const AdminToken = "admin-token"

// Administrator returns the actor who came with the administrator's token.
func Administrator() Actor { return Actor{Kind: Operator, ID: AdminToken, Name: "administrator"} }

// Has says whether the actor has a right in the tenant. Operators have every right in every tenant.
func (a Actor) Has(tenantID string, r Right) bool {
	switch a.Kind {
	case Operator:
		return true
	case Customer:
		return tenantID != "" && a.TenantID == tenantID && (slices.Contains(a.Rights, r) || r == Reports && len(a.Rights) > 0)
	}
	return false
}

// See returns nil if what belongs to the tenant exists for the actor: to customers nothing of another tenant does, which
// is the fault notFound. Without any right in the own tenant it is a fault of kind Forbidden.
func (a Actor) See(tenantID string, notFound *fault.Error) error {
	switch {
	case a.Kind == Operator:
		return nil
	case a.Kind != Customer || a.TenantID != tenantID || tenantID == "":
		return notFound
	case !a.Has(tenantID, Reports):
		return forbidden(Reports)
	}
	return nil
}

// Require returns nil if the actor has the right in the tenant. For another tenant's things it is the fault notFound.
func (a Actor) Require(tenantID string, r Right, notFound *fault.Error) error {
	if err := a.See(tenantID, notFound); err != nil {
		return err
	}
	if !a.Has(tenantID, r) {
		return forbidden(r)
	}
	return nil
}

// RequireOperator returns nil for operators, and for others a fault of kind Forbidden.
func (a Actor) RequireOperator() error {
	if a.Kind != Operator {
		return fault.New(fault.Forbidden, "", "only operators may do this")
	}
	return nil
}

func forbidden(r Right) error {
	switch r {
	case ManageProfile:
		return fault.New(fault.Forbidden, "", "this needs the right Profile Management, which the tenant's owner gives")
	case Subscribe:
		return fault.New(fault.Forbidden, "", "this needs the right Deployment/Subscription, which the tenant's owner gives")
	case ManageRights:
		return fault.New(fault.Forbidden, "", "only the tenant's owner gives rights")
	}
	return fault.New(fault.Forbidden, "", "this needs the right Reports, which the tenant's owner gives")
}
