// Package identity knows tenants: the organizations that subscribe and are billed.
//
// It validates and keeps them as documents; it knows no HTTP and no engine, and refuses names it could not show again.
package identity

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"llmhub/fault"
	"llmhub/store"
)

// TenantKind is the kind of tenants' documents, for those who watch the store.
const TenantKind = "tenant"

// TenantState says whether a tenant may use what it has subscribed to.
type TenantState string

// The states of a tenant.
const (
	TenantActive    TenantState = "active"
	TenantSuspended TenantState = "suspended"
)

// Tenant is an organization.
type Tenant struct {
	ID        string      `json:"id"`
	Name      string      `json:"name"`
	State     TenantState `json:"state"`
	CreatedAt time.Time   `json:"created_at"`
}

// Tenants keeps tenants. It may be used concurrently.
type Tenants struct {
	documents store.Documents
	tenants   store.Collection[Tenant]
}

// NewTenants returns the tenants kept in d.
func NewTenants(d store.Documents) *Tenants {
	return &Tenants{documents: d, tenants: store.NewCollection[Tenant](d, TenantKind, nil)}
}

// Create makes a tenant. Names need not be unique: two organizations may have the same.
func (t *Tenants) Create(ctx context.Context, name string) (Tenant, error) {
	name, err := fault.Name("name", name)
	if err != nil {
		return Tenant{}, err
	}
	tenant := Tenant{ID: NewID("ten_"), Name: name, State: TenantActive, CreatedAt: time.Now().UTC().Truncate(time.Second)}
	w, err := t.tenants.Write(tenant.ID, 0, tenant)
	if err != nil {
		return Tenant{}, err
	}
	if _, err := t.documents.Put(ctx, w); err != nil {
		return Tenant{}, fmt.Errorf("create tenant: %w", err)
	}
	return tenant, nil
}

// Get returns a tenant, or a fault of kind NotFound.
func (t *Tenants) Get(ctx context.Context, id string) (Tenant, error) {
	r, err := t.tenants.Get(ctx, id)
	if errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrInvalid) { // invalid: an ID that nothing can have
		return Tenant{}, fault.New(fault.NotFound, "", "there is no such tenant")
	}
	return r.Value, err
}

// List returns a page of tenants in order of ID, and the cursor of the next, empty behind the last.
func (t *Tenants) List(ctx context.Context, after string, limit int) ([]Tenant, string, error) {
	page, next, err := t.tenants.List(ctx, "", "", after, limit)
	if err != nil {
		return nil, "", err
	}
	tenants := make([]Tenant, len(page))
	for i, r := range page {
		tenants[i] = r.Value
	}
	return tenants, next, nil
}

// NewID returns a random ID with a prefix that says what it names: 26 characters of 130 random bits.
func NewID(prefix string) string { return prefix + strings.ToLower(rand.Text()) }
