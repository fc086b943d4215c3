package web

import (
	"errors"
	"net/url"
	"strconv"
	"time"

	"github.com/gofiber/fiber/v2"

	"llmhub/alert"
	"llmhub/fault"
	"llmhub/identity"
	"llmhub/store"
)

const (
	alertsPath = "/alerts"
	// alertsShown bounds the alerts that every page shows; the others are on their own page.
	alertsShown = 3
	alertsPage  = 50
)

// alertsPageData are the alerts of a tenant, and where they are sent.
type alertsPageData struct {
	Alerts []alertRow
	// Older leads to the alerts behind these; empty if there are none.
	Older    string
	Hook     *alert.Webhook
	Form     []field
	Problems []link
	// Sample verifies a message.
	Sample sample
	// MayChange says that the visitor can dismiss alerts and set the webhook.
	MayChange bool
	// Tested says what came of a test: empty if there was none.
	Tested, TestedClass string
}

type alertRow struct {
	alertLine
	Month           string
	At              time.Time
	Delivery, Class string
	Problem         string
	DismissedBy     string
}

// alertLine is an alert in words, and the form that dismisses it.
type alertLine struct {
	Text string
	// Dismiss is where the form is sent; empty if it cannot be dismissed.
	Dismiss string
	// Href leads to what the budget is for.
	Href, HrefText string
}

// hookOncePage shows a new webhook's secret.
type hookOncePage struct {
	URL  string
	Once onceDialog
}

var (
	alertsTemplate   = newPage[alertsPageData]("alerts")
	hookOnceTemplate = newPage[hookOncePage]("webhookonce")
)

func (w *Web) alertRoutes() []route {
	return []route{
		{fiber.MethodGet, alertsPath, customers, w.showAlerts},
		{fiber.MethodPost, alertsPath + "/:alert/dismiss", customers, w.dismissAlert},
		{fiber.MethodPost, "/webhook", customers, w.setWebhook},
		{fiber.MethodPost, "/webhook/test", customers, w.testWebhook},
		{fiber.MethodGet, "/webhook/remove", customers, w.confirmRemoveWebhook},
		{fiber.MethodPost, "/webhook/remove", customers, w.removeWebhook},
	}
}

// month is the current one.
func (w *Web) month() store.Month { return w.today().Month() }

// openAlerts returns the alerts that are shown on every page of a customer; none for those who may not see them.
func (v *visit) openAlerts() ([]alertLine, error) {
	open, err := v.web.Alerts.Open(v.ctx, v.Actor, v.Tenant.ID, v.web.month())
	if errors.Is(err, &fault.Error{Kind: fault.Forbidden}) {
		return nil, nil
	}
	var lines []alertLine
	for _, a := range open[:min(len(open), alertsShown)] {
		lines = append(lines, v.alertLine(a))
	}
	return lines, err
}

// alertLine says what an alert is about.
func (v *visit) alertLine(a alert.Alert) alertLine {
	s := a.Subject
	l := alertLine{Href: "/subscriptions/" + url.PathEscape(s.SubscriptionID), HrefText: v.t("alerts.subscription")}
	of := v.t("alerts.of.subscription", "Name", s.SubscriptionName)
	switch {
	case s.KeyID != "":
		of, l.Href, l.HrefText = v.t("alerts.of.key", "Name", s.KeyName), l.Href+"/keys/"+url.PathEscape(s.KeyID), v.t("alerts.key")
	case s.Model != "":
		of = v.t("alerts.of.model", "Name", s.SubscriptionName, "Model", s.Model)
	}
	message := "alerts.reached"
	if a.Percent >= 100 {
		message = "alerts.spent"
	}
	l.Text = v.t(message, "Percent", v.loc.Number(int64(a.Percent)), "Of", of, "Spent", v.quantity(a.Spent, a.Unit), "Budget", v.quantity(a.Budget, a.Unit))
	if a.DismissedAt == nil && v.Actor.Has(a.TenantID, identity.Subscribe) {
		l.Dismiss = alertsPath + "/" + a.ID + "/dismiss"
	}
	return l
}

// quantity writes tokens, or an amount of money, as the visitor's language does.
func (v *visit) quantity(decimal, unit string) string {
	if unit == alert.Tokens {
		n, err := strconv.ParseInt(decimal, 10, 64)
		if err != nil {
			return decimal
		}
		return v.t("alerts.tokens", "Count", n)
	}
	return v.loc.Money(decimal, unit)
}

func (w *Web) showAlerts(v *visit) error { return w.answerAlerts(v, fiber.StatusOK, nil, "", "") }

// answerAlerts shows the alerts, with what was typed in for a webhook, and what came of a test.
func (w *Web) answerAlerts(v *visit, status int, faults map[string]string, address, tested string) error {
	list, next, err := w.Alerts.List(v.ctx, v.Actor, v.Tenant.ID, v.query("after"), alertsPage)
	if err != nil {
		return err
	}
	p := alertsPageData{
		MayChange: v.Actor.Has(v.Tenant.ID, identity.Subscribe),
		Sample:    sample{"verify", v.t("webhook.verify"), w.sample("webhook.py", "")},
	}
	for _, a := range list {
		p.Alerts = append(p.Alerts, v.alertRow(a))
	}
	if next != "" {
		p.Older = alertsPath + "?after=" + url.QueryEscape(next)
	}
	if p.Hook, err = w.Alerts.Webhook(v.ctx, v.Actor, v.Tenant.ID); err != nil {
		return err
	}
	if address == "" && p.Hook != nil {
		address = p.Hook.URL
	}
	p.Form = []field{{Name: "url", Label: v.t("webhook.url"), Type: "url", Value: address, Hint: v.t("webhook.url.hint"), Error: faults["url"], Autocomplete: "off", Required: true, MaxLength: 1024}}
	p.Problems = summary(faults, p.Form...)
	switch {
	case tested == testDelivered:
		p.Tested, p.TestedClass = v.t("webhook.tested"), "good"
	case tested != "":
		p.Tested, p.TestedClass = v.t("webhook.test.failed", "Problem", tested), "bad"
	}
	return alertsTemplate.render(v, status, frame{Title: v.t("alerts.title"), Current: alertsPath, Settled: status != fiber.StatusOK}, p)
}

func (v *visit) alertRow(a alert.Alert) alertRow {
	r := alertRow{alertLine: v.alertLine(a), Month: a.Month, At: a.At, DismissedBy: a.DismissedBy}
	if f := a.Delivery.Problem.Fault(); f != nil {
		r.Problem = v.say(f)
	}
	r.Delivery = v.t("webhook.delivery." + string(a.Delivery.State))
	r.Class = map[alert.DeliveryState]string{alert.Delivered: "good", alert.Pending: "warn", alert.Failed: "bad"}[a.Delivery.State]
	return r
}

// dismissAlert puts an alert away and goes back to where it was seen.
func (w *Web) dismissAlert(v *visit) error {
	if _, err := w.Alerts.Dismiss(v.ctx, v.Actor, v.param("alert")); err != nil {
		return err
	}
	return v.redirect(localPath(v.value("back"), alertsPath))
}

// setWebhook sets where alerts are sent. The answer itself shows the secret: there is no other page that could.
func (w *Web) setWebhook(v *visit) error {
	f := frame{Title: v.t("webhook.made"), Current: alertsPath, Narrow: true}
	if err := v.complete(&f); err != nil {
		return err
	}
	hook, key, err := w.Alerts.SetWebhook(v.ctx, v.Actor, v.Tenant.ID, v.value("url"))
	if err != nil {
		faults, shown := v.faults(err)
		if !shown {
			return err
		}
		return w.answerAlerts(v, fiber.StatusUnprocessableEntity, faults, v.value("url"), "")
	}
	return hookOnceTemplate.write(v, fiber.StatusOK, f, hookOncePage{hook.URL, onceDialog{
		Heading: v.t("webhook.once"), Text: v.t("webhook.once.text"), Label: v.t("webhook.secret"), Stored: v.t("webhook.stored"),
		Sample: w.sample("webhook.py", ""), Next: alertsPath, File: "llm-hub-webhook.env", Variable: "LLM_HUB_WEBHOOK_SECRET", Secret: key,
	}})
}

// testDelivered is what answerAlerts is told of a test that was delivered.
const testDelivered = "delivered"

func (w *Web) testWebhook(v *visit) error {
	problem, err := w.Alerts.Test(v.ctx, v.Actor, v.Tenant.ID)
	if err != nil {
		return err
	}
	tested := testDelivered
	if f := problem.Fault(); f != nil {
		tested = v.phrase(f)
	}
	return w.answerAlerts(v, fiber.StatusOK, nil, "", tested)
}

func (w *Web) confirmRemoveWebhook(v *visit) error {
	hook, err := w.Alerts.Webhook(v.ctx, v.Actor, v.Tenant.ID)
	if err != nil {
		return err
	}
	if hook == nil || !v.Actor.Has(v.Tenant.ID, identity.Subscribe) {
		return errNoPage
	}
	return v.confirm(frame{Current: alertsPath, Crumbs: []link{{alertsPath, v.t("alerts.title")}, {"", v.t("webhook.remove")}}}, confirmPage{
		Question: v.t("webhook.question"), Warning: v.t("webhook.remove.warning"), Text: v.t("webhook.remove.text", "URL", hook.URL),
		Action: "/webhook/remove", Verb: v.t("webhook.remove"), Back: alertsPath, No: v.t("webhook.keep"),
	})
}

func (w *Web) removeWebhook(v *visit) error {
	if err := w.Alerts.RemoveWebhook(v.ctx, v.Actor, v.Tenant.ID); err != nil {
		return err
	}
	return v.redirect(alertsPath + "?done=webhook-removed")
}
