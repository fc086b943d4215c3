package portal

import (
	"time"

	"llmhub/alert"
	"llmhub/fault"
)

type alertView struct {
	ID               string     `json:"id"`
	TenantID         string     `json:"tenant_id"`
	KeyID            string     `json:"key_id,omitempty" doc:"The key whose budget it is; not there where it is that of a subscription."`
	KeyName          string     `json:"key_name,omitempty"`
	SubscriptionID   string     `json:"subscription_id"`
	SubscriptionName string     `json:"subscription_name,omitempty"`
	Model            string     `json:"model,omitempty" doc:"The model whose use of the subscription is limited; not there where all use is."`
	Month            string     `json:"month" example:"2026-11"`
	Percent          int        `json:"percent" doc:"50, 80 or 100: the share of the budget that has been used."`
	Spent            string     `json:"spent" doc:"What had been used when the share was reached, a decimal in unit." example:"40120"`
	Budget           string     `json:"budget" example:"50000"`
	Unit             string     `json:"unit" doc:"tokens, or a currency." example:"tokens"`
	At               time.Time  `json:"at"`
	DismissedAt      *time.Time `json:"dismissed_at,omitempty"`
	DismissedBy      string     `json:"dismissed_by,omitempty"`
	Delivery         string     `json:"delivery" enum:"none,pending,delivered,failed" doc:"What has become of the call of the webhook; none where there was no webhook."`
	DeliveryProblem  string     `json:"delivery_problem,omitempty" doc:"Why the last call failed."`
}

func viewAlert(a alert.Alert) alertView {
	s := a.Subject
	return alertView{
		ID: a.ID, TenantID: a.TenantID, KeyID: s.KeyID, KeyName: s.KeyName, SubscriptionID: s.SubscriptionID, SubscriptionName: s.SubscriptionName,
		Model: s.Model, Month: a.Month, Percent: a.Percent, Spent: a.Spent, Budget: a.Budget, Unit: a.Unit, At: a.At.UTC(),
		DismissedAt: utc(a.DismissedAt), DismissedBy: a.DismissedBy, Delivery: string(a.Delivery.State), DeliveryProblem: a.Delivery.Problem.String(),
	}
}

// alertTenant returns the tenant that is asked about, which operators must name.
func (p *Portal) alertTenant(r *request) (string, error) {
	id, err := p.tenantAsked(r)
	if err == nil && id == "" {
		err = fault.New(fault.Invalid, "tenant_id", "must be given by operators")
	}
	return id, err
}

func (p *Portal) listAlerts(r *request) (page[alertView], error) {
	tenant, err := p.alertTenant(r)
	if err != nil {
		return page[alertView]{}, err
	}
	list, next, err := p.alerts.List(r.ctx, r.by, tenant, r.query("after"), r.limit())
	return pageOf(list, next, viewAlert), err
}

func (p *Portal) dismissAlert(r *request) (alertView, error) {
	id, err := r.id()
	if err != nil {
		return alertView{}, err
	}
	a, err := p.alerts.Dismiss(r.ctx, r.by, id)
	return viewAlert(a), err
}

type webhookView struct {
	TenantID  string     `json:"tenant_id"`
	URL       string     `json:"url" doc:"Where alerts are sent; empty where there is no webhook." example:"https://example.com/hooks"`
	CreatedAt *time.Time `json:"created_at,omitempty"`
	CreatedBy string     `json:"created_by,omitempty"`
	Secret    string     `json:"secret,omitempty" doc:"What calls are signed with. Only the answer that sets the webhook has it."`
}

func viewWebhook(tenant string, hook *alert.Webhook) webhookView {
	v := webhookView{TenantID: tenant}
	if hook != nil {
		at := hook.CreatedAt.UTC()
		v.URL, v.CreatedAt, v.CreatedBy = hook.URL, &at, hook.CreatedBy
	}
	return v
}

func (p *Portal) getWebhook(r *request) (webhookView, error) {
	tenant, err := p.alertTenant(r)
	if err != nil {
		return webhookView{}, err
	}
	hook, err := p.alerts.Webhook(r.ctx, r.by, tenant)
	return viewWebhook(tenant, hook), err
}

// newWebhook is the body that sets a webhook.
type newWebhook struct {
	URL string `json:"url" example:"https://example.com/hooks" doc:"An address of the public internet that begins with https://."`
}

func (p *Portal) setWebhook(r *request, in newWebhook) (webhookView, error) {
	tenant, err := p.alertTenant(r)
	if err != nil {
		return webhookView{}, err
	}
	hook, key, err := p.alerts.SetWebhook(r.ctx, r.by, tenant, in.URL)
	if err != nil {
		return webhookView{}, err
	}
	v := viewWebhook(tenant, &hook)
	v.Secret = key.Reveal()
	return v, nil
}

func (p *Portal) removeWebhook(r *request) (webhookView, error) {
	tenant, err := p.alertTenant(r)
	if err != nil {
		return webhookView{}, err
	}
	return webhookView{TenantID: tenant}, p.alerts.RemoveWebhook(r.ctx, r.by, tenant)
}

// webhookTest is what came of a test.
type webhookTest struct {
	Delivered bool   `json:"delivered"`
	Problem   string `json:"problem,omitempty" example:"the receiver answered with status 404"`
}

func (p *Portal) testWebhook(r *request) (webhookTest, error) {
	tenant, err := p.alertTenant(r)
	if err != nil {
		return webhookTest{}, err
	}
	problem, err := p.alerts.Test(r.ctx, r.by, tenant)
	return webhookTest{Delivered: err == nil && problem == (alert.Problem{}), Problem: problem.String()}, err
}
