package alert

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"sync"
	"time"

	"llmhub/identity"
	"llmhub/secret"
	"llmhub/store"
)

const (
	// lookGap is between two looks for what is due; Raise hurries.
	lookGap = 10 * time.Second
	// claim keeps other processes from an alert that this one is sending.
	claim = time.Minute
	// abreast bounds the calls at once.
	abreast = 4
	// duePage bounds what a look takes up at once.
	duePage = 100
)

// pauses are those before the next attempt; behind the last one the delivery is given up, after about a day and a half.
var pauses = []time.Duration{10 * time.Second, time.Minute, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 10 * time.Hour, 24 * time.Hour}

// Run calls webhooks until ctx ends, and waits for the calls under way.
func (s *Service) Run(ctx context.Context) {
	tick := time.NewTicker(lookGap)
	defer tick.Stop()
	for {
		if err := s.deliverDue(ctx); err != nil && ctx.Err() == nil {
			s.log.Error("alerts that are due cannot be read", "err", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-s.wake:
		}
	}
}

// deliverDue makes the attempts that are due.
func (s *Service) deliverDue(ctx context.Context) error {
	var calls sync.WaitGroup
	defer calls.Wait()
	places := make(chan struct{}, abreast)
	due := 0
	for r, err := range s.alerts.All(ctx, "pending", "yes") {
		if err != nil {
			return err
		}
		if r.Value.Delivery.NextAt.After(s.now()) {
			continue
		}
		if due++; due > duePage {
			s.hurry()
			return nil
		}
		places <- struct{}{}
		calls.Go(func() {
			defer func() { <-places }()
			if err := s.attempt(ctx, r); err != nil && ctx.Err() == nil {
				s.log.Error("delivery of an alert not kept", "alert", r.ID, "err", err)
			}
		})
	}
	return nil
}

// attempt claims an alert, calls the webhook, and keeps what came of it. A process that dies in between leaves the claim,
// which ends by itself: the call is made once more.
func (s *Service) attempt(ctx context.Context, r store.Record[Alert]) error {
	a := r.Value
	a.Delivery.Attempts++
	a.Delivery.NextAt = s.now().UTC().Add(claim)
	version, err := s.put(ctx, r.ID, r.Version, a)
	if errors.Is(err, store.ErrConflict) {
		return nil // somebody else has it
	}
	if err != nil {
		return err
	}
	hook, _, err := s.webhook(ctx, a.TenantID)
	if err != nil {
		return err
	}
	if hook == nil {
		a.Delivery = Delivery{State: NotDue, Attempts: a.Delivery.Attempts}
	} else if problem := s.call(ctx, hook, a); problem == (Problem{}) {
		a.Delivery = Delivery{State: Delivered, Attempts: a.Delivery.Attempts}
	} else {
		a.Delivery = s.failed(a, problem)
	}
	if ctx.Err() != nil && a.Delivery.State != Delivered {
		return nil // the claim ends by itself
	}
	_, err = s.put(context.WithoutCancel(ctx), r.ID, version, a)
	if errors.Is(err, store.ErrConflict) {
		// It has been dismissed meanwhile; the claim ends, and the receiver gets the same ID once more.
		return nil
	}
	return err
}

func (s *Service) put(ctx context.Context, id string, expect store.Version, a Alert) (store.Version, error) {
	w, err := s.alerts.Write(id, expect, a)
	if err != nil {
		return 0, err
	}
	return s.documents.Put(ctx, w)
}

// failed returns the state behind an attempt that has failed.
func (s *Service) failed(a Alert, problem Problem) Delivery {
	n := a.Delivery.Attempts
	s.log.Warn("webhook of an alert failed", "alert", a.ID, "tenant", a.TenantID, "attempt", n, "problem", problem.String())
	if n > len(pauses) {
		return Delivery{State: Failed, Attempts: n, Problem: problem}
	}
	return Delivery{State: Pending, Attempts: n, NextAt: s.now().UTC().Add(pauses[n-1]), Problem: problem}
}

// message is what is sent.
type message struct {
	Type      string    `json:"type"`
	Timestamp time.Time `json:"timestamp"`
	Data      any       `json:"data"`
}

type budgetReached struct {
	AlertID  string `json:"alert_id,omitempty"`
	TenantID string `json:"tenant_id"`
	Subject
	Month   string `json:"month"`
	Percent int    `json:"percent"`
	Spent   string `json:"spent"`
	Budget  string `json:"budget"`
	Unit    string `json:"unit"`
}

// call calls the webhook of an alert and returns what went wrong, if anything did.
func (s *Service) call(ctx context.Context, hook *Webhook, a Alert) Problem {
	return s.send(ctx, hook, a.ID, message{"budget.threshold_reached", a.At, budgetReached{
		a.ID, a.TenantID, a.Subject, a.Month, a.Percent, a.Spent, a.Budget, a.Unit,
	}})
}

func (s *Service) send(ctx context.Context, hook *Webhook, id string, m message) Problem {
	key, err := s.sealer.Open(hook.TenantID, hook.Secret)
	if err != nil {
		return Problem{Code: noSecret}
	}
	body, err := json.Marshal(m)
	if err != nil {
		return Problem{Code: badMessage}
	}
	at := strconv.FormatInt(s.now().Unix(), 10)
	return s.client.post(ctx, hook.URL, body, map[string]string{
		"webhook-id": id, "webhook-timestamp": at, "webhook-signature": Signature(key, id, at, body),
	})
}

// Signature returns the value of the header webhook-signature, as Standard Webhooks (standardwebhooks.com) has it: "v1," and
// the base64 of HMAC-SHA-256 over ID, timestamp and body, joined by dots. The secret is the text that SetWebhook returns.
func Signature(key secret.Text, id, timestamp string, body []byte) string {
	raw, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(key.Reveal(), secretPrefix))
	if err != nil {
		raw = nil // a secret of this package decodes
	}
	mac := hmac.New(sha256.New, raw)
	mac.Write([]byte(id + "." + timestamp + "."))
	mac.Write(body)
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// Test calls a tenant's webhook at once with a message of type webhook.test. It returns what went wrong, if anything did.
// It takes the right to subscribe.
func (s *Service) Test(ctx context.Context, by identity.Actor, tenantID string) (problem Problem, err error) {
	if err := by.Require(tenantID, identity.Subscribe, errNoTenant); err != nil {
		return Problem{}, err
	}
	hook, _, err := s.webhook(ctx, tenantID)
	if err != nil {
		return Problem{}, err
	}
	if hook == nil {
		return Problem{}, errNoWebhook
	}
	return s.send(ctx, hook, identity.NewID("tst_"), message{"webhook.test", s.stamp(), map[string]string{"tenant_id": tenantID}}), nil
}
