package identity

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"llmhub/store"
)

const kindAudit = "audit"

// Change is what the audit keeps of one change: who, when, what, and the values before and after. Before and After hold
// no secrets and no hashes of secrets.
type Change struct {
	ID        string    `json:"id"`
	At        time.Time `json:"at"`
	ActorKind ActorKind `json:"actor_kind"`
	ActorID   string    `json:"actor_id"`
	ActorName string    `json:"actor_name"`
	// TenantID is whose thing was changed; empty for what belongs to no tenant.
	TenantID string `json:"tenant_id,omitempty"`
	// Action is the kind of thing and a verb: "subscription.cancel".
	Action string `json:"action"`
	// ObjectID is the ID of the thing, ObjectName what people call it.
	ObjectID   string          `json:"object_id,omitempty"`
	ObjectName string          `json:"object_name,omitempty"`
	Reason     string          `json:"reason,omitempty"`
	Before     json.RawMessage `json:"before,omitempty"`
	After      json.RawMessage `json:"after,omitempty"`
}

// Audit keeps changes, newest first. It may be used concurrently.
type Audit struct {
	documents store.Documents
	changes   store.Collection[Change]
}

// NewAudit returns the audit kept in d.
func NewAudit(d store.Documents) *Audit {
	return &Audit{documents: d, changes: store.NewCollection(d, kindAudit, func(c Change) map[string]string {
		index := map[string]string{"action": c.Action, "actor": c.ActorID}
		if c.TenantID != "" {
			index["tenant"] = c.TenantID
		}
		return index
	})}
}

// Write returns the write that keeps a change, to be put together with the change itself: what is not audited has not
// happened. It sets ID, and the actor's fields from by. before and after are encoded as JSON; nil stands for nothing.
func (a *Audit) Write(by Actor, c Change, before, after any) (store.Write, error) {
	c.ActorKind, c.ActorID, c.ActorName = by.Kind, by.ID, by.Name
	for _, v := range []struct {
		from any
		into *json.RawMessage
	}{{before, &c.Before}, {after, &c.After}} {
		if v.from == nil {
			continue
		}
		text, err := json.Marshal(v.from)
		if err != nil {
			return store.Write{}, fmt.Errorf("encode for the audit: %w", err)
		}
		*v.into = text
	}
	c.ID = auditID(c.At)
	return a.changes.Write(c.ID, 0, c)
}

// auditID returns an ID by which the newest come first.
func auditID(at time.Time) string {
	return fmt.Sprintf("aud_%016x%s", ^uint64(at.UnixMicro()), strings.ToLower(rand.Text()[:10]))
}

// AuditQuery selects changes: by one of TenantID, ActorID and Action, or all.
type AuditQuery struct {
	TenantID, ActorID, Action string
}

// List returns a page of changes, newest first, and the cursor of the next, empty behind the last.
func (a *Audit) List(ctx context.Context, q AuditQuery, after string, limit int) ([]Change, string, error) {
	index, value := "", ""
	switch {
	case q.TenantID != "":
		index, value = "tenant", q.TenantID
	case q.ActorID != "":
		index, value = "actor", q.ActorID
	case q.Action != "":
		index, value = "action", q.Action
	}
	page, next, err := a.changes.List(ctx, index, value, after, limit)
	if err != nil {
		return nil, "", err
	}
	changes := make([]Change, len(page))
	for i, r := range page {
		changes[i] = r.Value
	}
	return changes, next, nil
}
