package alert

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"net/url"
	"time"

	"llmhub/fault"
	"llmhub/identity"
	"llmhub/secret"
	"llmhub/store"
)

// Webhook is where a tenant's alerts are sent.
type Webhook struct {
	TenantID  string    `json:"tenant_id"`
	URL       string    `json:"url"`
	Secret    []byte    `json:"secret,omitempty"` // sealed
	CreatedAt time.Time `json:"created_at"`
	CreatedBy string    `json:"created_by,omitempty"`
}

// withoutSecret returns what the audit and callers get.
func (w Webhook) withoutSecret() Webhook {
	w.Secret = nil
	return w
}

const (
	maxURLBytes = 1024
	// secretPrefix and 32 random bytes in base64 are a secret, as Standard Webhooks has it.
	secretPrefix = "whsec_"
)

// checkURL returns the URL of a webhook in its usual form, or a fault about url.
func (s *Service) checkURL(text string) (string, error) {
	u, err := url.Parse(text)
	switch {
	case len(text) > maxURLBytes:
		return "", fault.New(fault.Invalid, "url", "must have at most %d characters", maxURLBytes)
	case err != nil || u.Host == "" || u.Hostname() == "":
		return "", fault.New(fault.Invalid, "url", "is no address such as https://example.com/hooks")
	case u.Scheme != "https" && (!s.client.allowPrivate || u.Scheme != "http"):
		return "", fault.New(fault.Invalid, "url", "must begin with https://")
	case u.User != nil:
		return "", fault.New(fault.Invalid, "url", "must not contain a user or a password")
	case u.Fragment != "":
		return "", fault.New(fault.Invalid, "url", "must not contain a fragment")
	}
	return u.String(), nil
}

// SetWebhook sets where a tenant's alerts are sent from now on, with a new secret, which is returned once. It takes the right
// to subscribe.
func (s *Service) SetWebhook(ctx context.Context, by identity.Actor, tenantID, address string) (Webhook, secret.Text, error) {
	if err := by.Require(tenantID, identity.Subscribe, errNoTenant); err != nil {
		return Webhook{}, secret.Text{}, err
	}
	address, err := s.checkURL(address)
	if err != nil {
		return Webhook{}, secret.Text{}, err
	}
	random := make([]byte, 32)
	_, _ = rand.Read(random)
	text := secret.New(secretPrefix + base64.StdEncoding.EncodeToString(random))
	hook := Webhook{TenantID: tenantID, URL: address, Secret: s.sealer.Seal(tenantID, text), CreatedAt: s.stamp(), CreatedBy: by.Name}
	_, err = store.Change(ctx, s.documents, func() ([]store.Write, error) {
		old, version, err := s.webhook(ctx, tenantID)
		if err != nil {
			return nil, err
		}
		w, err := s.webhooks.Write(tenantID, version, hook)
		if err != nil {
			return nil, err
		}
		audit, err := s.hookAudit(by, "webhook.set", old, &hook)
		return []store.Write{w, audit}, err
	})
	if err != nil {
		return Webhook{}, secret.Text{}, err
	}
	return hook.withoutSecret(), text, nil
}

// webhook returns a tenant's webhook, nil where there is none.
func (s *Service) webhook(ctx context.Context, tenantID string) (*Webhook, store.Version, error) {
	switch r, err := s.webhooks.Get(ctx, tenantID); {
	case err == nil:
		return &r.Value, r.Version, nil
	case errors.Is(err, store.ErrNotFound), errors.Is(err, store.ErrInvalid):
		return nil, 0, nil
	default:
		return nil, 0, err
	}
}

// hookAudit returns the audit entry of a change of a webhook.
func (s *Service) hookAudit(by identity.Actor, action string, before, after *Webhook) (store.Write, error) {
	c := identity.Change{At: s.now().UTC(), Action: action, ObjectName: "webhook"}
	var was, is any
	if before != nil {
		c.TenantID, was = before.TenantID, before.withoutSecret()
	}
	if after != nil {
		c.TenantID, is = after.TenantID, after.withoutSecret()
	}
	c.ObjectID = c.TenantID
	return s.audit.Write(by, c, was, is)
}

// RemoveWebhook ends the sending of a tenant's alerts.
func (s *Service) RemoveWebhook(ctx context.Context, by identity.Actor, tenantID string) error {
	if err := by.Require(tenantID, identity.Subscribe, errNoTenant); err != nil {
		return err
	}
	_, err := store.Change(ctx, s.documents, func() ([]store.Write, error) {
		old, version, err := s.webhook(ctx, tenantID)
		if err != nil {
			return nil, err
		}
		if old == nil {
			return nil, errNoWebhook
		}
		audit, err := s.hookAudit(by, "webhook.remove", old, nil)
		return []store.Write{{Kind: kindWebhook, ID: tenantID, Expect: version, Delete: true}, audit}, err
	})
	return err
}

// Webhook returns where a tenant's alerts are sent, without its secret; nil where there is none.
func (s *Service) Webhook(ctx context.Context, by identity.Actor, tenantID string) (*Webhook, error) {
	if err := by.See(tenantID, errNoTenant); err != nil {
		return nil, err
	}
	hook, _, err := s.webhook(ctx, tenantID)
	if hook == nil || err != nil {
		return nil, err
	}
	shown := hook.withoutSecret()
	return &shown, nil
}
