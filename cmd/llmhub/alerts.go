package main

import (
	"context"
	"strings"
	"sync"
	"time"

	"llmhub/alert"
	"llmhub/identity"
	"llmhub/limit"
	"llmhub/secret"
)

// raiseAgain is the pause before a crossing that could not be raised is tried again.
const raiseAgain = 5 * time.Second

// crossings are budgets that have been used up to a share and wait for their alert. The engine must not wait for that.
type crossings struct {
	mu      sync.Mutex
	waiting []limit.Crossing
	wake    chan struct{} // capacity 1
}

func newCrossings() *crossings { return &crossings{wake: make(chan struct{}, 1)} }

func (q *crossings) add(c ...limit.Crossing) {
	q.mu.Lock()
	q.waiting = append(q.waiting, c...)
	q.mu.Unlock()
	select {
	case q.wake <- struct{}{}:
	default:
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
	key, err := secret.LoadKey(s.cfg.Data, sealKey)
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

// raiseAlerts makes alerts of crossings until ctx ends. What cannot be kept is tried again; after a restart the engine tells of
// it anew.
func (s *server) raiseAlerts(ctx context.Context) {
	for {
		var again []limit.Crossing
		for _, c := range s.crossed.take() {
			if err := s.raise(ctx, c); err != nil && ctx.Err() == nil {
				s.log.Error("alert of a budget not kept", "scope", c.Scope, "percent", c.Percent, "err", err)
				again = append(again, c)
			}
		}
		var pause <-chan time.Time
		if len(again) > 0 {
			pause = time.After(raiseAgain)
		}
		select {
		case <-s.crossed.wake:
			s.crossed.add(again...)
		case <-pause:
			s.crossed.add(again...)
		case <-ctx.Done():
			return
		}
	}
}

// raise makes the alert of a crossing.
func (s *server) raise(ctx context.Context, c limit.Crossing) error {
	r := alert.Reached{Scope: c.Scope, Month: c.Month, Percent: c.Percent, Spent: c.Spent, Budget: c.Budget, Unit: "tokens"}
	if c.Money {
		r.Unit = s.cfg.Billing.Currency
	}
	id, model, _ := strings.Cut(c.Scope, "/")
	r.Subject = alert.Subject{SubscriptionID: id, Model: model}
	if strings.HasPrefix(id, "key_") {
		key, err := s.service.GetKey(ctx, identity.Administrator(), id)
		if err != nil {
			return err
		}
		r.Subject = alert.Subject{KeyID: id, KeyName: key.Name, SubscriptionID: key.SubscriptionID}
	}
	sub, err := s.service.GetSubscription(ctx, identity.Administrator(), r.Subject.SubscriptionID)
	if err != nil {
		return err
	}
	r.TenantID, r.Subject.SubscriptionName = sub.TenantID, sub.Title()
	return s.alerts.Raise(ctx, r)
}
