package identity

import (
	"context"
	"errors"
	"sync"

	"llmhub/store"
)

// Limits of one sweep: how many sessions it looks at, and how many it removes in one commit.
const (
	sweepLooks   = 10_000
	sweepRemoves = 200
)

// Of returns the sessions of a user, or of an operator's account, that have not ended, the newest first.
func (s *Sessions) Of(ctx context.Context, userID string) ([]Session, error) {
	all, err := s.of(ctx, userID)
	if err != nil {
		return nil, err
	}
	now := s.now()
	var live []Session
	for _, r := range all {
		if !r.Value.over(now) {
			live = append(live, r.Value)
		}
	}
	return live, nil
}

// End ends a session and returns it, so that its token can be revoked. One that has ended is a fault of kind NotFound.
func (s *Sessions) End(ctx context.Context, id string) (Session, error) {
	var session Session
	_, err := store.Change(ctx, s.documents, func() ([]store.Write, error) {
		r, err := s.sessions.Get(ctx, id)
		if missing(err) {
			return nil, noSession()
		}
		session = r.Value
		return []store.Write{{Kind: kindSession, ID: id, Expect: r.Version, Delete: true}}, err
	})
	return session, err
}

// EndAll ends all sessions of a user but the one with the ID except, and returns them.
func (s *Sessions) EndAll(ctx context.Context, userID, except string) ([]Session, error) {
	var ended []Session
	_, err := store.Change(ctx, s.documents, func() ([]store.Write, error) {
		all, err := s.of(ctx, userID)
		if err != nil {
			return nil, err
		}
		var w writes
		ended = nil
		for _, r := range all {
			if r.ID != except {
				ended = append(ended, r.Value)
				w.add(store.Write{Kind: kindSession, ID: r.ID, Expect: r.Version, Delete: true}, nil)
			}
		}
		return w.all()
	})
	if err != nil {
		return nil, err
	}
	return ended, nil
}

// sweeper remembers where the last sweep stopped.
type sweeper struct {
	mu    sync.Mutex
	after string
}

// Sweep removes sessions that have ended by themselves and returns them, so that their tokens can be revoked. It is
// bounded, and goes on where the last one stopped.
func (s *Sessions) Sweep(ctx context.Context) ([]Session, error) {
	s.sweeper.mu.Lock()
	defer s.sweeper.mu.Unlock()
	var w []store.Write
	var ended []Session
	now := s.now()
	for range sweepLooks / sweepRemoves {
		page, next, err := s.sessions.List(ctx, "", "", s.sweeper.after, sweepRemoves)
		if err != nil {
			return nil, err
		}
		for _, r := range page {
			if r.Value.over(now) && len(w) < sweepRemoves {
				w = append(w, store.Write{Kind: kindSession, ID: r.ID, Expect: r.Version, Delete: true})
				ended = append(ended, r.Value)
				s.sweeper.after = r.ID
			}
		}
		if len(w) == sweepRemoves {
			break
		}
		if s.sweeper.after = next; next == "" {
			break
		}
	}
	if len(w) == 0 {
		return nil, nil
	}
	_, err := s.documents.Put(ctx, w...)
	if errors.Is(err, store.ErrConflict) {
		return nil, nil // somebody has just ended one of them: the next sweep finds the others
	}
	if err != nil {
		return nil, err
	}
	return ended, nil
}
