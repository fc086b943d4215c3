package subscription

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"llmhub/identity"
	"llmhub/store"
)

// Why a key is refused, tested with errors.Is.
var (
	// ErrBadKey: the text is no key, or no key that was ever made; which of both is not told.
	ErrBadKey = errors.New("incorrect API key")
	// ErrKeyDeactivated: the key has been deactivated.
	ErrKeyDeactivated = errors.New("API key is deactivated")
	// ErrKeyExpired: the key's time is over.
	ErrKeyExpired = errors.New("API key has expired")
	// ErrSubscriptionCancelled: the key's subscription has been cancelled.
	ErrSubscriptionCancelled = errors.New("subscription is cancelled")
	// ErrTenantSuspended: the key's tenant is suspended.
	ErrTenantSuspended = errors.New("tenant is suspended")
)

// Grant is what a key allows. It is not changed once made.
type Grant struct {
	KeyID          string
	KeyName        string
	SubscriptionID string
	TenantID       string
	// ExpiresAt is when the key ends; zero means never.
	ExpiresAt time.Time

	models map[string]bool // nil: all
}

// Allows says whether the model may be used.
func (g *Grant) Allows(model string) bool { return g.models == nil || g.models[model] }

// Gate holds what all keys grant. It is the truth that the store's watch feeds: there is no cache and no time after
// which a revoked key is refused, it is refused as soon as the commit has been delivered. It may be used concurrently.
type Gate struct {
	hasher      *Hasher
	onRevoke    func(keyID string, why error)
	revocations atomic.Uint64
	ready       chan struct{}
	readyOnce   sync.Once

	mu            sync.RWMutex
	keys          map[string]*gateKey // by public ID
	subscriptions map[string]*gateSubscription
	tenants       map[string]identity.TenantState

	versionMu sync.Mutex
	version   store.Version
	moved     chan struct{} // closed when version grows
}

type gateKey struct {
	hash    []byte
	grant   *Grant
	refusal error // why it is refused, whatever the time; nil if it is not
	key     Key   // without Hash
}

type gateSubscription struct {
	state    State
	tenantID string
	models   []string
	keys     map[string]*gateKey // by public ID
}

// NewGate returns a gate that knows no key until Run.
func NewGate(h *Hasher) *Gate {
	return &Gate{
		hasher: h, ready: make(chan struct{}), moved: make(chan struct{}),
		keys: map[string]*gateKey{}, subscriptions: map[string]*gateSubscription{}, tenants: map[string]identity.TenantState{},
	}
}

// OnRevoke sets what is called for each key that stops being usable, from Run's goroutine. It must be called before Run.
func (g *Gate) OnRevoke(f func(keyID string, why error)) { g.onRevoke = f }

// Revocations counts revocations. It grows before OnRevoke's function is called for them.
func (g *Gate) Revocations() uint64 { return g.revocations.Load() }

// Ready is closed once all keys that were stored when Run began are known.
func (g *Gate) Ready() <-chan struct{} { return g.ready }

// noHash stands for the hash of keys that do not exist, to be compared in their place.
var noHash [32]byte

// Authenticate returns what the key grants, or why it is refused. A key that does not exist takes as long as one
// whose secret is wrong.
func (g *Gate) Authenticate(token []byte, now time.Time) (*Grant, error) {
	if !wellFormed(token) {
		return nil, ErrBadKey
	}
	sum := g.hasher.sum(token)
	g.mu.RLock()
	k := g.keys[string(publicID(token))]
	want := noHash[:]
	var grant *Grant
	var refusal error
	if k != nil {
		want, grant, refusal = k.hash, k.grant, k.refusal
	}
	g.mu.RUnlock()
	if subtle.ConstantTimeCompare(sum[:], want) != 1 || k == nil {
		return nil, ErrBadKey
	}
	if refusal != nil {
		return nil, refusal
	}
	if !grant.ExpiresAt.IsZero() && !now.Before(grant.ExpiresAt) {
		return nil, ErrKeyExpired
	}
	return grant, nil
}

// Run follows the store from its beginning until ctx ends, and returns ctx's error or why it cannot go on. It is
// called once.
func (g *Gate) Run(ctx context.Context, d store.Documents) error {
	c := newCollections(d)
	tenants := store.NewCollection[identity.Tenant](d, identity.TenantKind, nil)
	deliver := func(docs []store.Document) error {
		revoked, err := g.apply(docs, c, tenants)
		if err != nil {
			return err
		}
		if len(revoked) > 0 {
			g.revocations.Add(uint64(len(revoked)))
			if g.onRevoke != nil {
				for _, r := range revoked {
					g.onRevoke(r.keyID, r.why)
				}
			}
		}
		return nil
	}
	return d.Watch(ctx, 0, deliver, g.caughtUp)
}

func (g *Gate) caughtUp(v store.Version) {
	g.versionMu.Lock()
	if v > g.version {
		g.version = v
		close(g.moved)
		g.moved = make(chan struct{})
	}
	g.versionMu.Unlock()
	g.readyOnce.Do(func() { close(g.ready) })
}

// WaitVersion waits until everything committed up to v is in force.
func (g *Gate) WaitVersion(ctx context.Context, v store.Version) error {
	for {
		g.versionMu.Lock()
		reached, moved := g.version >= v, g.moved
		g.versionMu.Unlock()
		if reached {
			return nil
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return fmt.Errorf("wait for the change to be in force: %w", ctx.Err())
		}
	}
}
