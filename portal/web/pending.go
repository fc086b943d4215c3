package web

import (
	"crypto/rand"
	"sync"
	"time"

	"llmhub/identity"
)

const (
	// pendingTime is how long a password waits for its passcode, maxPending how many may wait at once.
	pendingTime = 3 * time.Minute
	maxPending  = 1000
)

// pendingSignIn is a password that waits for its passcode, so that nobody has to type it twice.
type pendingSignIn struct {
	credentials identity.Credentials
	remember    bool
	visitor     string
	until       time.Time
}

// pendingSignIns are kept in memory only. They may be used concurrently.
type pendingSignIns struct {
	now  func() time.Time
	mu   sync.Mutex
	byID map[string]pendingSignIn
}

func newPendingSignIns(now func() time.Time) *pendingSignIns {
	return &pendingSignIns{now: now, byID: map[string]pendingSignIn{}}
}

// add keeps a sign-in for the visitor who began it and returns its ID.
func (p *pendingSignIns) add(visitor string, s pendingSignIn) string {
	id := rand.Text()
	now := p.now()
	s.visitor, s.until = visitor, now.Add(pendingTime)
	p.mu.Lock()
	defer p.mu.Unlock()
	for other, waiting := range p.byID {
		if now.After(waiting.until) || len(p.byID) >= maxPending {
			delete(p.byID, other)
		}
	}
	p.byID[id] = s
	return id
}

// take returns a sign-in to the visitor who began it, once.
func (p *pendingSignIns) take(id, visitor string) (pendingSignIn, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s, ok := p.byID[id]
	if !ok || visitor == "" || s.visitor != visitor {
		return pendingSignIn{}, false
	}
	delete(p.byID, id)
	return s, !p.now().After(s.until)
}
