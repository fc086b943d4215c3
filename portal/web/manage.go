package web

import (
	"time"

	"github.com/gofiber/fiber/v2"

	"llmhub/fault"
	"llmhub/identity"
	"llmhub/subscription"
)

// managePage is a subscription with its keys.
type managePage struct {
	Tabs                                subscriptionTabs
	ID, Product, ProductHref, StateText string
	BaseURL, Contact                    string
	Active                              bool
	// Welcome says that it has just been subscribed to.
	Welcome                           bool
	Since, Ended                      time.Time
	CreatedBy, CancelledBy, WhyCancel string
	// Models are those granted; none means all.
	Models []string
	// New and Cancel lead to a new key and to the cancellation; each is empty where it is not possible.
	New, Cancel string
	// Limits are those of all use, ModelLimits those of single models; each only if there are some.
	Limits, ModelLimits []limitsBox
	Keys                keyList
}

// subscriptionTabs leads to the pages of one subscription.
type subscriptionTabs struct {
	ID, Current string
}

var manageTemplate = newPage[managePage]("manage")

func (w *Web) manageRoutes() []route {
	return []route{
		{fiber.MethodGet, "/subscriptions/:id", customers, w.showSubscription},
		{fiber.MethodGet, "/subscriptions/:id/agreement", customers, w.showAgreement},
		{fiber.MethodGet, "/subscriptions/:id/cancel", customers, w.confirmCancel},
		{fiber.MethodPost, "/subscriptions/:id/cancel", customers, w.cancelSubscription},
	}
}

func (w *Web) showSubscription(v *visit) error {
	s, err := w.subscription(v)
	if err != nil {
		return err
	}
	status := fiber.StatusOK
	days, wrong := w.period(v)
	if wrong != nil {
		status = fiber.StatusUnprocessableEntity
	}
	p := w.managePage(v, s)
	if err := w.fillLimitsOfSubscription(v, s, &p); err != nil {
		return err
	}
	if p.Keys, err = w.keyList(v, s, days, wrong); err != nil {
		return err
	}
	return manageTemplate.render(v, status, frame{
		Title: p.Product, Current: "/keys", Crumbs: []link{{"/subscriptions", v.t("subscription.list")}, {"", p.Product}},
	}, p)
}

// fillLimitsOfSubscription reads what has been used of the subscription's budgets.
func (w *Web) fillLimitsOfSubscription(v *visit, s subscription.Subscription, p *managePage) error {
	boxes, err := w.subscriptionLimits(v, s)
	for _, b := range boxes {
		if b.Model == "" {
			p.Limits = append(p.Limits, b)
		} else {
			p.ModelLimits = append(p.ModelLimits, b)
		}
	}
	return err
}

// managePage returns the page without its keys.
func (w *Web) managePage(v *visit, s subscription.Subscription) managePage {
	p := managePage{
		Tabs: subscriptionTabs{s.ID, "keys"}, ID: s.ID, Product: w.productName(s), StateText: v.t("subscription.state." + string(s.State)),
		BaseURL: w.baseURL(), Contact: w.sellerContact(s.ProductID), Active: s.State == subscription.Active,
		Welcome: v.query("done") == "subscribed", Since: s.CreatedAt, CreatedBy: s.CreatedBy, CancelledBy: s.CancelledBy,
		WhyCancel: s.CancelReason, Models: s.Models,
	}
	if s.CancelledAt != nil {
		p.Ended = *s.CancelledAt
	}
	if _, ok := w.Catalog().Product(s.ProductID); ok {
		p.ProductHref = "/catalog/" + s.ProductID
	}
	if p.Active && v.Actor.Has(s.TenantID, identity.Subscribe) {
		p.Cancel = subscriptionPath(s.ID) + "/cancel"
		if v.Tenant.State == identity.TenantActive {
			p.New = subscriptionPath(s.ID) + "/keys/new"
		}
	}
	return p
}

// baseURL is what applications reach the API by.
func (w *Web) baseURL() string { return w.PublicURL.JoinPath("v1").String() }

// changeable returns the subscription in the path if the visitor may change it. One that has been cancelled cannot be
// changed: ok is false, and the visitor is sent to it.
func (w *Web) changeable(v *visit) (s subscription.Subscription, ok bool, err error) {
	if s, err = w.subscription(v); err != nil {
		return s, false, err
	}
	if err := v.Actor.Require(s.TenantID, identity.Subscribe, errNoPage); err != nil {
		return s, false, err
	}
	if s.State != subscription.Active {
		return s, false, v.redirect(subscriptionPath(s.ID))
	}
	return s, true, nil
}

// periodFault returns what is wrong with the days asked for, empty if nothing is.
func (v *visit) periodFault(f *fault.Error) string {
	if f == nil {
		return ""
	}
	return v.t("keys.period."+f.Field) + ": " + v.phrase(f)
}
