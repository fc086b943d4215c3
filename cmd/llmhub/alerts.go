package main

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"llmhub/alert"
	"llmhub/limit"
	"llmhub/secret"
)

const (
	// raiseAgain is the pause before crossings that could not be raised are tried again.
	raiseAgain = 5 * time.Second
	// maxCrossings bounds those that wait for their alerts, while the store takes none.
	maxCrossings = 100_000
)

// crossings are budgets that have been used up to a share and wait for their alert. The engine must not wait for that.
type crossings struct {
	log     *slog.Logger
	mu      sync.Mutex
	waiting []limit.Crossing
	wake    chan struct{} // capacity 1
}

func newCrossings(log *slog.Logger) *crossings {
	return &crossings{log: log, wake: make(chan struct{}, 1)}
}

// add has crossings raised at once. What does not fit is found again by readBudgets of the next process, at the latest.
func (q *crossings) add(c limit.Crossing) {
	q.putBack([]limit.Crossing{c})
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// putBack has crossings raised when there are others, or after a pause.
func (q *crossings) putBack(list []limit.Crossing) {
	q.mu.Lock()
	n := min(len(list), maxCrossings-len(q.waiting))
	q.waiting = append(q.waiting, list[:n]...)
	q.mu.Unlock()
	for _, c := range list[n:] {
		q.log.Error("alert of a budget left out: too many wait", "scope", c.Scope, "percent", c.Percent)
	}
}

func (q *crossings) take() []limit.Crossing {
	q.mu.Lock()
	defer q.mu.Unlock()
	all := q.waiting
	q.waiting = nil
	return all
}

// makeAlerts makes what tells customers of their budgets.
func (s *server) makeAlerts() error {
	key, err := s.key(sealKey)
	if err != nil {
		return err
	}
	sealer, err := secret.NewSealer(key, "webhook")
	if err != nil {
		return err
	}
	s.alerts = alert.NewService(alert.Options{
		Documents: s.store, Sealer: sealer, Now: time.Now, Logger: s.log, AllowPrivate: s.cfg.Webhooks.AllowPrivate,
	})
	return nil
}

// raiseAlerts makes alerts of crossings until ctx ends. What cannot be kept is tried again.
func (s *server) raiseAlerts(ctx context.Context) {
	for {
		var again []limit.Crossing
		for _, c := range s.crossed.take() {
			if err := s.raise(ctx, c); err != nil && ctx.Err() == nil {
				s.log.Error("alert of a budget not kept", "scope", c.Scope, "percent", c.Percent, "err", err)
				again = append(again, c)
			}
		}
		s.crossed.putBack(again)
		var pause <-chan time.Time
		if len(again) > 0 {
			pause = time.After(raiseAgain)
		}
		select {
		case <-s.crossed.wake:
		case <-pause:
		case <-ctx.Done():
			return
		}
	}
}

// raise makes the alert of a crossing.
func (s *server) raise(ctx context.Context, c limit.Crossing) error {
	scope, found := s.gate.ScopeOf(c.Scope)
	if !found {
		return nil // what is gone has nobody who could be told
	}
	unit := alert.Tokens
	if c.Money {
		unit = s.cfg.Billing.Currency
	}
	return s.alerts.Raise(ctx, alert.Reached{
		TenantID: scope.TenantID, Scope: c.Scope, Month: c.Month, Percent: c.Percent, Spent: c.Spent, Budget: c.Budget, Unit: unit,
		Subject: alert.Subject{
			KeyID: scope.KeyID, KeyName: scope.KeyName,
			SubscriptionID: scope.SubscriptionID, SubscriptionName: scope.SubscriptionName, Model: scope.Model,
		},
	})
}

// readBudgets has the engine read every budget once, so that it tells of all that has been crossed: a process may end
// between a request and its alert, and the request be the last one.
func (s *server) readBudgets(ctx context.Context) {
	for _, id := range s.gate.BudgetIDs() {
		scope, found := s.gate.ScopeOf(id)
		if !found {
			continue
		}
		switch _, err := s.engine.Budget(ctx, scope.Scope); {
		case ctx.Err() != nil:
			return
		case err != nil:
			s.log.Warn("budget not read at the start; its next request reads it", "scope", id, "err", err)
		}
	}
}
