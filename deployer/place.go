package deployer

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"

	"llmhub/store"
)

// place keeps two workloads of a tenant from being one release in one cluster. It is there until the workload is removed.
type place struct {
	WorkloadID string `json:"workload_id"`
}

// placeID returns the ID of the place that a target is.
func placeID(tenantID string, t Target) string {
	h := sha256.New()
	for _, part := range []string{t.ProjectID, t.ClusterID, t.Namespace, t.Release} {
		fmt.Fprintf(h, "%d %s\n", len(part), part)
	}
	return tenantID + "." + hex.EncodeToString(h.Sum(nil))
}

// placeTaken returns the workload that is at a target, empty if none is.
func (s *Service) placeTaken(ctx context.Context, tenantID string, t Target) (string, error) {
	r, err := s.places.Get(ctx, placeID(tenantID, t))
	if errors.Is(err, store.ErrNotFound) {
		return "", nil
	}
	return r.Value.WorkloadID, err
}

// takePlace returns the write by which a new workload takes its place. Putting it conflicts where another has it.
func (s *Service) takePlace(w Workload) (store.Write, error) {
	return s.places.Write(placeID(w.TenantID, w.Target), 0, place{WorkloadID: w.ID})
}

// freePlace returns the writes by which a removed workload gives its place back; none if it has none.
func (s *Service) freePlace(ctx context.Context, w Workload) ([]store.Write, error) {
	id := placeID(w.TenantID, w.Target)
	r, err := s.places.Get(ctx, id)
	switch {
	case errors.Is(err, store.ErrNotFound) || err == nil && r.Value.WorkloadID != w.ID:
		return nil, nil
	case err != nil:
		return nil, err
	}
	return []store.Write{{Kind: kindPlace, ID: id, Expect: r.Version, Delete: true}}, nil
}
