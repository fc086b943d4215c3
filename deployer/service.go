package deployer

import (
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
// about what was asked, or a *Reason about cluster and chart. Every change of a workload is kept in the audit by the same commit.
type Service struct {
	o         Options
	drafts    store.Collection[Draft]
	workloads store.Collection[Workload]
	places    store.Collection[place]
	tokens    *tokenCache
	forms     *formCache
	worker    *worker
	rows      *rowCache
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
		worker:    newWorker(o.Holder),
		rows:      newRowCache(),
		waked:     make(chan struct{}, 1),
	}
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
