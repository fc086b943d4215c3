// Package drain keeps which deployments operators have drained, for all processes on one store and over their restarts.
package drain

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"time"

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

// Service changes drains. It may be used concurrently.
type Service struct {
	documents store.Documents
	drains    store.Collection[Drain]
	audit     *identity.Audit
	now       func() time.Time
}

// NewService returns a service that keeps drains in d.
func NewService(d store.Documents, audit *identity.Audit, now func() time.Time) *Service {
	return &Service{documents: d, drains: store.NewCollection[Drain](d, Kind, nil), audit: audit, now: now}
}

// Set has a deployment drained, or ends that, and returns the version by which it is so: an earlier one if it was already, which
// this process need not have heard of, and 0 if nobody has ever drained it. Only operators may.
func (s *Service) Set(ctx context.Context, by identity.Actor, deployment string, draining bool) (store.Version, error) {
	if err := by.RequireOperator(); err != nil {
		return 0, err
	}
	var so store.Version
	version, err := store.Change(ctx, s.documents, func() ([]store.Write, error) {
		id := idOf(deployment)
		before, err := s.drains.Get(ctx, id)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return nil, err
		}
		if so = before.Version; before.Value.Draining == draining {
			return nil, nil
		}
		after := Drain{Deployment: deployment, Draining: draining, By: by.Name, At: s.now().UTC()}
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
	return s.audit.Write(by, c, map[string]bool{"draining": !d.Draining}, map[string]bool{"draining": d.Draining})
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
