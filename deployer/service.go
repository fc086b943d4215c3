package deployer

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"llmhub/catalog"
	"llmhub/identity"
	"llmhub/secret"
	"llmhub/store"
)

// Options is what a Service works with. All fields are required, but for Directory and Source, which are nil without a
// cloud, and Configured.
type Options struct {
	Documents  store.Documents
	Buyers     *identity.Buyers
	Tenants    *identity.Tenants
	Audit      *identity.Audit
	Directory  identity.Directory
	Source     Source
	Configured []ConfiguredCluster
	Kubernetes Kubernetes
	Releases   Releases
	// Sealer seals what drafts and operations hold of secrets.
	Sealer *secret.Sealer
	// Catalog returns the products in force.
	Catalog func() *catalog.Catalog
	// Day returns today such as 2026-01-31 in the billing time zone.
	Day func() string
	Now func() time.Time
	// Holder names this process in leases.
	Holder string
	Logger *slog.Logger
}

// Service prepares deployments, keeps workloads and works on them. It may be used concurrently; Run does the work.
//
// Each method takes who acts: what belongs to another tenant does not exist for a customer, reading takes the right
// Reports and changing the right Subscribe; preparing a deployment takes Subscribe. Errors are a *fault.Error or fault.Faults
// about what was asked, or a *Reason about cluster and chart. Every change is kept in the audit by the same commit.
type Service struct {
	o         Options
	drafts    store.Collection[Draft]
	workloads store.Collection[Workload]
	places    store.Collection[place]
	tokens    *tokenCache
	forms     *formCache
	// waked holds something when there may be work that Run has not seen.
	waked chan struct{}
}

// The kinds of documents.
const (
	kindDraft    = "draft"
	kindWorkload = "workload"
	kindPlace    = "workload_place"
)

// NewService returns a service.
func NewService(o Options) *Service {
	return &Service{
		o: o,
		drafts: store.NewCollection(o.Documents, kindDraft, func(d Draft) map[string]string {
			return map[string]string{"user": d.UserID}
		}),
		workloads: newWorkloads(o.Documents),
		places:    store.NewCollection[place](o.Documents, kindPlace, nil),
		tokens:    newTokenCache(o.Now),
		forms:     newFormCache(),
		waked:     make(chan struct{}, 1),
	}
}

// newWorkloads returns the workloads kept in d.
func newWorkloads(d store.Documents) store.Collection[Workload] {
	return store.NewCollection(d, kindWorkload, func(w Workload) map[string]string {
		return map[string]string{"tenant": w.TenantID}
	})
}

// wake lets Run look for work now.
func (s *Service) wake() {
	select {
	case s.waked <- struct{}{}:
	default: // it has been told already
	}
}

// stamp returns the time as it is kept.
func (s *Service) stamp() time.Time { return s.o.Now().UTC().Truncate(time.Microsecond) }

// missing says whether a read failed because nothing has that ID, which may be one that nothing can have.
func missing(err error) bool {
	return errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrInvalid)
}

// Run works on workloads until ctx ends, then lets go of what it works on. It is called once.
func (s *Service) Run(ctx context.Context) error { panic("not built yet") }

// Workloads returns a page of workloads.
func (s *Service) Workloads(ctx context.Context, by identity.Actor, q WorkloadQuery) (WorkloadPage, error) {
	panic("not built yet")
}

// Workload returns a workload, or a fault of kind NotFound.
func (s *Service) Workload(ctx context.Context, by identity.Actor, id string) (Workload, error) {
	panic("not built yet")
}

// Observe reads from the cluster how a workload is doing.
func (s *Service) Observe(ctx context.Context, by identity.Actor, cred Credential, id string) (Observation, error) {
	panic("not built yet")
}

// Revisions returns what the cluster holds of a workload's release, newest first.
func (s *Service) Revisions(ctx context.Context, by identity.Actor, cred Credential, id string) ([]Release, error) {
	panic("not built yet")
}

// Rollback goes back to a revision.
func (s *Service) Rollback(ctx context.Context, by identity.Actor, cred Credential, id string, revision int) (Workload, error) {
	panic("not built yet")
}

// Uninstall removes a workload from its cluster; typed must be the name of the release. An operation that is under way is
// ended first. forget only forgets it where the cluster cannot be reached any more: nothing is removed there.
func (s *Service) Uninstall(ctx context.Context, by identity.Actor, cred Credential, id, typed string, forget bool) (Workload, error) {
	panic("not built yet")
}

// Continue gives an operation that waits for access another credential.
func (s *Service) Continue(ctx context.Context, by identity.Actor, cred Credential, id string) (Workload, error) {
	panic("not built yet")
}
