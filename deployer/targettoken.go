package deployer

import (
	"crypto/sha256"
	"sync"
	"time"

	"llmhub/identity"
	"llmhub/secret"
)

const (
	// tokenMargin is how long before its end a token is not used any more.
	tokenMargin = 5 * time.Minute
	// vouchedFor is how long a token is known to belong to a tenant.
	vouchedFor = 5 * time.Minute
	// maxTokens bounds both of what a tokenCache knows.
	maxTokens = 1000
)

// tokenCache keeps tokens of projects, and whose tokens are known, in memory only. It may be used concurrently.
type tokenCache struct {
	now func() time.Time

	mu       sync.Mutex
	projects map[tokenKey]projectToken
	tenants  map[tokenKey]time.Time // until when a token is known to be the tenant's
}

// tokenKey names a token by its hash, together with the project that it was exchanged for or the tenant that it belongs to.
type tokenKey struct {
	sum   [sha256.Size]byte
	place string
}

// projectToken is a token that holds for a project.
type projectToken struct {
	project identity.Project
	token   secret.Text
	ends    time.Time
}

func newTokenCache(now func() time.Time) *tokenCache {
	return &tokenCache{now: now, projects: map[tokenKey]projectToken{}, tenants: map[tokenKey]time.Time{}}
}

func newTokenKey(t secret.Text, place string) tokenKey {
	return tokenKey{sha256.Sum256([]byte(t.Reveal())), place}
}

// get returns what a token has been exchanged for, if it is good for some time.
func (c *tokenCache) get(from secret.Text, projectID string) (projectToken, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	t, ok := c.projects[newTokenKey(from, projectID)]
	return t, ok && c.now().Before(t.ends.Add(-tokenMargin))
}

func (c *tokenCache) put(from secret.Text, t projectToken) {
	c.mu.Lock()
	defer c.mu.Unlock()
	makeRoom(c.projects, func(t projectToken) bool { return !c.now().Before(t.ends.Add(-tokenMargin)) })
	c.projects[newTokenKey(from, t.project.ID)] = t
}

func (c *tokenCache) drop(from secret.Text, projectID string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.projects, newTokenKey(from, projectID))
}

// vouched says whether the token is known to be the tenant's.
func (c *tokenCache) vouched(tenantID string, t secret.Text) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now().Before(c.tenants[newTokenKey(t, tenantID)])
}

func (c *tokenCache) vouch(tenantID string, t secret.Text) {
	c.mu.Lock()
	defer c.mu.Unlock()
	makeRoom(c.tenants, func(until time.Time) bool { return !c.now().Before(until) })
	c.tenants[newTokenKey(t, tenantID)] = c.now().Add(vouchedFor)
}

// makeRoom forgets what is over, and any one if the map is full nevertheless.
func makeRoom[V any](m map[tokenKey]V, over func(V) bool) {
	for k, v := range m {
		if over(v) {
			delete(m, k)
		}
	}
	for k := range m {
		if len(m) < maxTokens {
			return
		}
		delete(m, k)
	}
}
