package subscription

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"llmhub/identity"
	"llmhub/limit"
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

	granted, own modelSet // the subscription's and the key's

	scopes *scopes // nil where nothing is limited
}

// scopes are what the requests of a key fall into.
type scopes struct {
	key    *limit.Rules // the key's own; nil where there are none
	all    []limit.Scope
	models map[string]limit.Scope // those within the subscription beside them
}

// subscriptionLimits are the rules of a subscription, and those of its models under the names of their scopes.
type subscriptionLimits struct {
	all    *limit.Rules // nil where there are none
	models map[string]limit.Scope
}

// Scopes returns the scopes with rules that a request for a model falls into, at most limit.MaxScopes. They must not be
// changed.
func (g *Grant) Scopes(model string) []limit.Scope {
	if g.scopes == nil {
		return nil
	}
	if s, ok := g.scopes.models[model]; ok {
		return append(slices.Clip(g.scopes.all), s)
	}
	return g.scopes.all
}

// setScopes sets what limits the key: its own rules and those of its subscription.
func (g *Grant) setScopes(key *limit.Rules, by subscriptionLimits) {
	s := &scopes{key: key, models: by.models}
	if key != nil {
		s.all = append(s.all, limit.Scope{ID: g.KeyID, Rules: key})
	}
	if by.all != nil {
		s.all = append(s.all, limit.Scope{ID: g.SubscriptionID, Rules: by.all})
	}
	if g.scopes = s; len(s.all)+len(s.models) == 0 {
		g.scopes = nil
	}
}

// ownRules returns the rules of the key itself; nil where there are none.
func (g *Grant) ownRules() *limit.Rules {
	if g.scopes == nil {
		return nil
	}
	return g.scopes.key
}

// Allows says whether the model may be used: both the subscription and the key must allow it.
func (g *Grant) Allows(model string) bool { return g.granted.has(model) && g.own.has(model) }

// modelSet is a set of models; nil is all of them.
type modelSet map[string]struct{}

func newModelSet(models []string) modelSet {
	if len(models) == 0 {
		return nil
	}
	set := make(modelSet, len(models))
	for _, m := range models {
		set[m] = struct{}{}
	}
	return set
}

func (s modelSet) has(model string) bool {
	_, ok := s[model]
	return ok || s == nil
}

// Gate holds what all keys grant. It is the truth that the store's watch feeds: there is no cache and no time after
// which a revoked key is refused, it is refused as soon as the commit has been delivered. It may be used concurrently.
type Gate struct {
	hasher      *Hasher
	onRevoke    func(keyID string, why error)
	others      map[string]func(store.Document) error // by kind
	revocations atomic.Uint64
	ready       chan struct{}
	readyOnce   sync.Once

	mu            sync.RWMutex
	keys          map[string]*gateKey // by public ID
	subscriptions map[string]*gateSubscription
	tenants       map[string]*gateTenant

	versionMu sync.Mutex
	version   store.Version
	ended     error         // why Run has ended; nil before
	moved     chan struct{} // closed when version grows or Run ends
}

// gateKey is what is known of a key. What becomes of it is derived anew with every change, in grant and refusal.
type gateKey struct {
	hash         [sha256.Size]byte
	grant        *Grant
	refusal      error // why it is refused, whatever the time; nil if it is not
	subscription *gateSubscription
	created      int64 // Unix seconds
	deactivated  bool
	deleted      bool
}

// gateSubscription is what is known of a subscription; state is empty as long as only keys of it are known.
type gateSubscription struct {
	id                     string
	productID, productName string
	created                int64 // Unix seconds
	state                  State
	models                 modelSet
	limits                 subscriptionLimits
	tenant                 *gateTenant // nil while not known
	keys                   map[*gateKey]struct{}
}

// gateTenant is what is known of a tenant; state is empty as long as only subscriptions of it are known.
type gateTenant struct {
	id, name      string
	state         identity.TenantState
	subscriptions map[*gateSubscription]struct{}
}

// NewGate returns a gate that knows no key until Run.
func NewGate(h *Hasher) *Gate {
	return &Gate{
		hasher: h, ready: make(chan struct{}), moved: make(chan struct{}),
		keys: map[string]*gateKey{}, subscriptions: map[string]*gateSubscription{}, tenants: map[string]*gateTenant{}, others: map[string]func(store.Document) error{},
	}
}

// OnRevoke sets what is called for each key that stops being usable, from Run's goroutine. It must be called before Run.
func (g *Gate) OnRevoke(f func(keyID string, why error)) { g.onRevoke = f }

// Follow sets what is called for each document of another kind, from Run's goroutine, so that one watch of the store serves all who
// must know of changes at once. What it does is in force when WaitVersion returns. An error of it ends Run. It must be called
// before Run.
func (g *Gate) Follow(kind string, f func(store.Document) error) { g.others[kind] = f }

// Revocations counts revocations. It grows before OnRevoke's function is called for them.
func (g *Gate) Revocations() uint64 { return g.revocations.Load() }

// Ready is closed once all keys that were stored when Run began are known.
func (g *Gate) Ready() <-chan struct{} { return g.ready }

// Authenticate returns what the key grants, or why it is refused. A key that does not exist takes as long as one
// whose secret is wrong.
func (g *Gate) Authenticate(token []byte, now time.Time) (*Grant, error) {
	if !tokenForm.WellFormed(token) {
		return nil, ErrBadKey
	}
	sum := g.hasher.sum(token)
	var want [sha256.Size]byte // of keys that do not exist: compared all the same
	var grant *Grant
	var refusal error
	g.mu.RLock()
	k := g.keys[string(tokenForm.PublicID(token))]
	if k != nil {
		want, grant, refusal = k.hash, k.grant, k.refusal
	}
	g.mu.RUnlock()
	if subtle.ConstantTimeCompare(sum[:], want[:]) != 1 || k == nil {
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
	f := newFollower(g, d)
	err := d.Watch(ctx, 0, func(docs []store.Document) error {
		revoked, err := f.apply(docs)
		g.revocations.Add(uint64(len(revoked)))
		if g.onRevoke != nil {
			for _, r := range revoked {
				g.onRevoke(r.keyID, r.why)
			}
		}
		for _, d := range docs {
			if f := g.others[d.Kind]; f != nil {
				err = errors.Join(err, f(d))
			}
		}
		return err
	}, g.caughtUp)
	g.end(err)
	return err
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

// end lets nobody wait for versions that will not come.
func (g *Gate) end(why error) {
	g.versionMu.Lock()
	defer g.versionMu.Unlock()
	g.ended = fmt.Errorf("the gate has stopped: %w", why)
	close(g.moved)
	g.moved = make(chan struct{})
}

// WaitVersion waits until everything committed up to v is in force. It fails when ctx or Run ends before.
func (g *Gate) WaitVersion(ctx context.Context, v store.Version) error {
	for {
		g.versionMu.Lock()
		reached, ended, moved := g.version >= v, g.ended, g.moved
		g.versionMu.Unlock()
		switch {
		case reached:
			return nil
		case ended != nil:
			return ended
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return fmt.Errorf("wait for the change to be in force: %w", ctx.Err())
		}
	}
}
