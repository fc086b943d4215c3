package deployer

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"llmhub/identity"
	"llmhub/secret"
	"llmhub/store"
)

const (
	// maxHistory and maxHistoryBytes bound what a workload keeps of its operations: a document has 1 MiB, of which a licence and
	// secrets that are sealed take most.
	maxHistory      = 50
	maxHistoryBytes = 120 << 10
)

// endActions are what the audit calls the ends of operations.
var endActions = map[State]string{Ready: "workload.ready", Failed: "workload.failed", Removed: "workload.removed"}

// finish ends an operation: state, audit and the erasure of what is sealed are one commit. Then its token is revoked.
func (s *Service) finish(ctx context.Context, t *task, v verdict) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTime)
	defer cancel()
	v.reason = t.scrubbed(v.reason)
	h := t.h
	h.mu.Lock()
	defer h.mu.Unlock()
	before, after := h.w, h.w
	after.end(v, s.stamp())
	by := before.Operation.actor(after.TenantID)
	err := h.put(ctx, after, func() ([]store.Write, error) {
		entry, err := s.workloadAudit(by, endActions[after.State], &before, after)
		if err != nil || after.State != Removed {
			return []store.Write{entry}, err
		}
		free, err := s.freePlace(ctx, after)
		return append(free, entry), err
	})
	if err != nil {
		return err
	}
	t.log.Info("the operation has ended", "state", string(after.State), "reason", reasonText(after.Reason))
	s.revoke(ctx, t.secrets.Token, t.w.ID)
	return nil
}

func reasonText(r *Reason) string {
	if r == nil {
		return ""
	}
	return r.Error()
}

// actor is who has asked for the operation, to whom the audit attributes its end, too: users of the tenant alone can.
func (op *Operation) actor(tenantID string) identity.Actor {
	return identity.Actor{Kind: identity.Customer, ID: op.ByID, Name: op.ByName, TenantID: tenantID}
}

// end turns a workload with an operation into one without.
func (w *Workload) end(v verdict, at time.Time) {
	op := *w.Operation
	op.EndedAt, op.Reason = at, v.reason
	w.State, w.Reason, w.Lease = v.state, v.reason, Lease{}
	switch v.state {
	case Ready:
		w.ReadyAt = at
		op.reached(WorkReady, at)
	case Removed:
		w.RemovedAt = at
		op.reached(WorkRemoved, at)
	default:
		op.reached(WorkFailed, at)
	}
	if v.made != nil {
		op.Made, w.Revision = v.made.Revision, v.made.Revision
		if op.Kind != JobRollback {
			op.Revision = op.Made
		}
		w.takeOver(op, *v.made)
	}
	w.keepHistory(op)
	w.Operation = nil
}

// takeOver makes what an operation has deployed that of the workload.
func (w *Workload) takeOver(op Operation, made Release) {
	w.ChartVersion = made.ChartVersion
	if op.ProductVersion != "" {
		w.ProductVersion, w.ChartDigest = op.ProductVersion, op.ChartDigest
		w.Values, w.SecretPaths = op.Values, op.SecretPaths
	}
}

// keepHistory puts an operation that has ended before the others, without what is sealed, and drops what there is no room for: the
// values of the oldest at first, then the oldest.
func (w *Workload) keepHistory(op Operation) {
	op.Sealed = nil
	w.History = append([]Operation{op}, w.History...)
	w.History = w.History[:min(len(w.History), maxHistory)]
	size := func() int {
		text, err := json.Marshal(w.History)
		if err != nil {
			return 0 // what came out of the store as JSON goes into it
		}
		return len(text)
	}
	for i := len(w.History) - 1; i > 0 && size() > maxHistoryBytes; i-- {
		w.History[i].Values = nil
	}
	for len(w.History) > 1 && size() > maxHistoryBytes {
		w.History = w.History[:len(w.History)-1]
	}
}

// revoke ends a token of an operation, which nothing else uses. It ends by itself, too.
func (s *Service) revoke(ctx context.Context, token secret.Text, workloadID string) {
	if !token.IsSet() || s.o.Directory == nil {
		return
	}
	if err := s.o.Directory.Revoke(ctx, token); err != nil {
		s.o.Logger.Warn("the token of an operation could not be revoked; it ends by itself", "workload", workloadID, "error", err)
	}
}

// revokeSealed revokes the token of an operation that another one has taken the place of, or that has got another token.
func (s *Service) revokeSealed(ctx context.Context, workloadID string, box []byte) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTime)
	defer cancel()
	old, err := s.open(workloadID, box)
	if err != nil {
		s.o.Logger.Warn("the token of an operation cannot be read to revoke it; it ends by itself", "workload", workloadID, "error", err)
		return
	}
	s.revoke(ctx, old.Token, workloadID)
}

// madeBy returns the operation in the history that made a revision.
func (w *Workload) madeBy(revision int) (Operation, bool) {
	i := slices.IndexFunc(w.History, func(op Operation) bool { return op.Made == revision })
	if i < 0 {
		return Operation{}, false
	}
	return w.History[i], true
}

// did says whether an operation is one of the workload's that have ended. What one of them has left pending in a cluster that did not
// answer any more is nobody's work, and the next operation sees to it.
func (w *Workload) did(operation string) bool {
	return slices.ContainsFunc(w.History, func(op Operation) bool { return op.ID == operation })
}
