// Package drain keeps which deployments operators have drained, for all processes on one store and over their restarts.
package drain

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"time"

	"llmhub/fault"
	"llmhub/identity"
	"llmhub/store"
)

// Kind is that of the documents. Each holds a Drain.
const Kind = "drain"

// Drain is what an operator has last said of a deployment.
type Drain struct {
	// Deployment is its name, NAME/MODEL. The configuration need not have it any more.
	Deployment string `json:"deployment"`
	// Draining says that it takes no new requests.
	Draining bool      `json:"draining"`
	By       string    `json:"by"`
	At       time.Time `json:"at"`
}

// ErrNoDeployment says that no model has the deployment.
var ErrNoDeployment = fault.New(fault.NotFound, "deployment", "there is no such deployment")

// Options are what a Service needs.
type Options struct {
	Documents store.Documents
	Audit     *identity.Audit
	// Exists says whether there is a deployment of a name.
	Exists func(deployment string) bool
	Now    func() time.Time
}

// Service changes drains. It may be used concurrently.
type Service struct {
	o      Options
	drains store.Collection[Drain]
}

// NewService returns a service.
func NewService(o Options) *Service {
	return &Service{o: o, drains: store.NewCollection[Drain](o.Documents, Kind, nil)}
}

// Set has a deployment drained, or ends that, and returns the version by which it is so: an earlier one if it was already, which
// this process need not have heard of, and 0 if nobody has ever drained it. Only operators may. The error is ErrNoDeployment if there is
// no such deployment; a drain that one has left behind can be ended.
func (s *Service) Set(ctx context.Context, by identity.Actor, deployment string, draining bool) (store.Version, error) {
	if err := by.RequireOperator(); err != nil {
		return 0, err
	}
	var so store.Version
	version, err := store.Change(ctx, s.o.Documents, func() ([]store.Write, error) {
		id := idOf(deployment)
		before, err := s.drains.Get(ctx, id)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return nil, err
		}
		so = before.Version
		if !s.o.Exists(deployment) && (draining || !before.Value.Draining) {
			return nil, ErrNoDeployment
		}
		if before.Value.Draining == draining {
			return nil, nil
		}
		after := Drain{Deployment: deployment, Draining: draining, By: by.Name, At: s.o.Now().UTC()}
		write, err := s.drains.Write(id, before.Version, after)
		if err != nil {
			return nil, err
		}
		entry, err := s.auditOf(by, after)
		return []store.Write{write, entry}, err
	})
	return max(version, so), err
}

func (s *Service) auditOf(by identity.Actor, d Drain) (store.Write, error) {
	c := identity.Change{At: d.At, Action: "upstream.resume", ObjectID: d.Deployment, ObjectName: d.Deployment}
	if d.Draining {
		c.Action = "upstream.drain"
	}
	return s.o.Audit.Write(by, c, map[string]bool{"draining": !d.Draining}, map[string]bool{"draining": d.Draining})
}

// Read returns what a document of the kind says, as the store's watch delivers it.
func (s *Service) Read(d store.Document) (Drain, error) {
	r, err := s.drains.Decode(d)
	return r.Value, err
}

// idOf returns the ID of a deployment's document, whose name may be longer than an ID.
func idOf(deployment string) string {
	sum := sha256.Sum256([]byte(deployment))
	return hex.EncodeToString(sum[:])
}
