// Package alert tells customers when a budget has been used up to 50, 80 and 100 %: in the portal, and by a signed webhook.
//
// An alert is a document, made once for each budget, month and share, whichever process finds the share reached and however
// often; a budget of another size is another one. A webhook is called at least once for each; its ID stays the same over attempts, so that receivers can tell
// repetitions. The package decides nothing about requests: that is package limit.
package alert

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"llmhub/fault"
	"llmhub/identity"
	"llmhub/secret"
	"llmhub/store"
)

// Alert is a budget that has been used up to a share.
type Alert struct {
	ID       string  `json:"id"`
	TenantID string  `json:"tenant_id"`
	Subject  Subject `json:"subject"`
	// Month is that of the budget, such as 2026-11; Percent is 50, 80 or 100.
	Month   string `json:"month"`
	Percent int    `json:"percent"`
	// Spent and Budget are decimals in Unit: Tokens, or a currency such as EUR.
	Spent  string    `json:"spent"`
	Budget string    `json:"budget"`
	Unit   string    `json:"unit"`
	At     time.Time `json:"at"`
	// DismissedAt is when somebody has put it away.
	DismissedAt *time.Time `json:"dismissed_at,omitempty"`
	DismissedBy string     `json:"dismissed_by,omitempty"`
	Delivery    Delivery   `json:"delivery"`
}

// Subject is what the budget is for: a key, a subscription, or a model within one.
type Subject struct {
	KeyID            string `json:"key_id,omitempty"`
	KeyName          string `json:"key_name,omitempty"`
	SubscriptionID   string `json:"subscription_id,omitempty"`
	SubscriptionName string `json:"subscription_name,omitempty"`
	Model            string `json:"model,omitempty"`
}

// DeliveryState says how far the webhook is.
type DeliveryState string

// The states of a delivery.
const (
	// NotDue: there was no webhook when the alert was made.
	NotDue DeliveryState = "none"
	// Pending: it will be called at NextAt.
	Pending DeliveryState = "pending"
	// Delivered: the receiver has answered with a status of success.
	Delivered DeliveryState = "delivered"
	// Failed: it has been given up.
	Failed DeliveryState = "failed"
)

// Delivery is how the webhook of an alert has fared.
type Delivery struct {
	State    DeliveryState `json:"state"`
	Attempts int           `json:"attempts,omitempty"`
	NextAt   time.Time     `json:"next_at,omitzero"`
	// Problem is why the last attempt failed.
	Problem Problem `json:"problem,omitzero"`
}

// Reached is a budget that has been used up to a share, as it is found.
type Reached struct {
	TenantID string
	Subject  Subject `json:"subject"`
	// Scope names what has the budget for ever: the same one in another month, of another size or at another share is
	// another alert.
	Scope   string
	Month   store.Month
	Percent int
	// Spent and Budget are decimals in Unit.
	Spent, Budget, Unit string
}

// Tokens is the unit of budgets of tokens.
const Tokens = "tokens"

// lastMonth minus a month orders IDs so that the newest month comes first.
const lastMonth = 99999

// id makes the alert one, however often it is found.
func (r Reached) id() string {
	sum := sha256.Sum256([]byte(r.TenantID + "\x00" + r.Scope + "\x00" + r.Unit + "\x00" + r.Budget))
	return fmt.Sprintf("alr_%05d_%s_%d", lastMonth-r.Month, hex.EncodeToString(sum[:12]), r.Percent)
}

const (
	kindAlert   = "budget_alert"
	kindWebhook = "webhook"
)

// Options are what a Service works with. All fields but Logger and AllowPrivate are required.
type Options struct {
	Documents store.Documents
	// Sealer seals the secrets of webhooks.
	Sealer *secret.Sealer
	Now    func() time.Time
	Logger *slog.Logger
	// AllowPrivate lets webhooks lead to addresses that are not public, and without TLS.
	AllowPrivate bool
}

// Service keeps alerts and webhooks. It may be used concurrently; Run is called once.
type Service struct {
	documents store.Documents
	alerts    store.Collection[Alert]
	webhooks  store.Collection[Webhook]
	audit     *identity.Audit
	sealer    *secret.Sealer
	now       func() time.Time
	log       *slog.Logger
	client    *client
	wake      chan struct{} // capacity 1
}

// NewService returns a service.
func NewService(o Options) *Service {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Service{
		documents: o.Documents,
		alerts: store.NewCollection(o.Documents, kindAlert, func(a Alert) map[string]string {
			index := map[string]string{"tenant": a.TenantID}
			if a.Delivery.State == Pending {
				index["pending"] = "yes"
			}
			return index
		}),
		webhooks: store.NewCollection[Webhook](o.Documents, kindWebhook, nil),
		audit:    identity.NewAudit(o.Documents), sealer: o.Sealer, now: o.Now, log: o.Logger,
		client: newClient(o.AllowPrivate), wake: make(chan struct{}, 1),
	}
}

var (
	errNoTenant  = fault.New(fault.NotFound, "", "there is no such tenant")
	errNoAlert   = fault.New(fault.NotFound, "", "there is no such alert")
	errNoWebhook = fault.New(fault.NotFound, "", "there is no webhook")
)

// Raise makes an alert unless it has been made before.
func (s *Service) Raise(ctx context.Context, r Reached) error {
	made := false
	_, err := store.Change(ctx, s.documents, func() ([]store.Write, error) {
		made = false
		id := r.id()
		if _, err := s.alerts.Get(ctx, id); !errors.Is(err, store.ErrNotFound) {
			return nil, err
		}
		a := Alert{
			ID: id, TenantID: r.TenantID, Subject: r.Subject, Month: r.Month.String(), Percent: r.Percent,
			Spent: r.Spent, Budget: r.Budget, Unit: r.Unit, At: s.stamp(), Delivery: Delivery{State: NotDue},
		}
		switch _, err := s.webhooks.Get(ctx, r.TenantID); {
		case err == nil:
			a.Delivery = Delivery{State: Pending, NextAt: a.At}
		case !errors.Is(err, store.ErrNotFound):
			return nil, err
		}
		made = true
		w, err := s.alerts.Write(id, 0, a)
		return []store.Write{w}, err
	})
	if err == nil && made {
		s.hurry()
	}
	return err
}

// hurry has Run look at once.
func (s *Service) hurry() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// List returns a page of a tenant's alerts, the newest month first, and the cursor of the next page, empty behind the last.
func (s *Service) List(ctx context.Context, by identity.Actor, tenantID, after string, limit int) ([]Alert, string, error) {
	if err := by.See(tenantID, errNoTenant); err != nil {
		return nil, "", err
	}
	page, next, err := s.alerts.List(ctx, "tenant", tenantID, after, limit)
	alerts := make([]Alert, len(page))
	for i, r := range page {
		alerts[i] = r.Value
	}
	return alerts, next, err
}

// maxOpen bounds the alerts that Open returns.
const maxOpen = 20

// Open returns the alerts of a month that nobody has dismissed, for the budgets' highest share each, at most 20.
func (s *Service) Open(ctx context.Context, by identity.Actor, tenantID string, month store.Month) ([]Alert, error) {
	if err := by.See(tenantID, errNoTenant); err != nil {
		return nil, err
	}
	var open []Alert
	budget, highest := "", Alert{}
	keep := func() {
		if budget != "" && highest.DismissedAt == nil {
			open = append(open, highest)
		}
	}
	for r, err := range s.alerts.All(ctx, "tenant", tenantID) {
		if err != nil {
			return nil, err
		}
		a := r.Value
		if a.Month < month.String() {
			break // and so are all behind it
		}
		// The alerts of a budget follow one another.
		switch of := a.ID[:len(a.ID)-len(strconv.Itoa(a.Percent))]; {
		case of != budget:
			if keep(); len(open) == maxOpen {
				return open, nil
			}
			budget, highest = of, a
		case highest.Percent < a.Percent:
			highest = a
		}
	}
	keep()
	return open, nil
}

// Dismiss puts an alert away. It takes the right to subscribe.
func (s *Service) Dismiss(ctx context.Context, by identity.Actor, id string) (Alert, error) {
	var a Alert
	_, err := store.Change(ctx, s.documents, func() ([]store.Write, error) {
		r, err := s.alerts.Get(ctx, id)
		if errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrInvalid) {
			return nil, errNoAlert
		}
		if err != nil {
			return nil, err
		}
		if err := by.Require(r.Value.TenantID, identity.Subscribe, errNoAlert); err != nil {
			return nil, err
		}
		a = r.Value
		if a.DismissedAt != nil {
			return nil, nil
		}
		at := s.stamp()
		a.DismissedAt, a.DismissedBy = &at, by.Name
		w, err := s.alerts.Write(id, r.Version, a)
		return []store.Write{w}, err
	})
	return a, err
}

// stamp returns the time as it is kept.
func (s *Service) stamp() time.Time { return s.now().UTC().Truncate(time.Second) }
