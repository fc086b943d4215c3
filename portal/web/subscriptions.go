package web

import (
	"time"

	"github.com/gofiber/fiber/v2"

	"llmhub/catalog"
	"llmhub/identity"
	"llmhub/subscription"
)

// subscriptionsPerPage is how many subscriptions a page shows.
const subscriptionsPerPage = 10

// subscriptionsPage is the list of a tenant's subscriptions.
type subscriptionsPage struct {
	State, Search string
	Tabs          []tab
	Rows          []subscriptionRow
	Total         int
	Pager         pager
	// Ended says that the list is of those that have been cancelled.
	Ended bool
}

type subscriptionRow struct {
	Href, Product, ID string
	Since, Ended      time.Time
	Keys, Tokens      int64
	// Contact leads to the seller, Cancel to the cancellation; each is empty where there is none.
	Contact, Cancel string
}

var subscriptionsTemplate = newPage[subscriptionsPage]("subscriptions")

func (w *Web) dashboardRoutes() []route {
	return []route{
		{fiber.MethodGet, "/dashboard", customers, func(v *visit) error { return v.redirect("/subscriptions") }},
		{fiber.MethodGet, "/subscriptions", customers, w.showSubscriptions},
	}
}

func (w *Web) showSubscriptions(v *visit) error {
	state := subscription.State(v.query("state"))
	if state != subscription.Cancelled {
		state = subscription.Active
	}
	search := v.query("q")
	list, err := w.Service.SubscriptionPage(v.ctx, v.Actor, subscription.SubscriptionQuery{
		TenantID: v.Tenant.ID, State: state, Search: search, Page: v.pageNumber(), PerPage: subscriptionsPerPage,
	})
	if err != nil {
		return err
	}
	p := subscriptionsPage{
		State: string(state), Search: search, Total: list.Total, Ended: state == subscription.Cancelled,
		Pager: newPager("/subscriptions", v.allQuery(), list.Page, list.Pages, list.Total),
	}
	if p.Rows, err = w.subscriptionRows(v, list.Rows); err != nil {
		return err
	}
	for _, s := range []subscription.State{subscription.Active, subscription.Cancelled} {
		count := list.Active
		if s == subscription.Cancelled {
			count = list.Cancelled
		}
		p.Tabs = append(p.Tabs, tab{withQuery("/subscriptions", v.allQuery(), "state", string(s)), v.t("subscription.tab." + string(s)), int64(count), s == state})
	}
	return subscriptionsTemplate.render(v, fiber.StatusOK, frame{Title: v.t("subscription.list"), Current: "/subscriptions"}, p)
}

func (w *Web) subscriptionRows(v *visit, list []subscription.SubscriptionRow) ([]subscriptionRow, error) {
	tokens, err := w.tokensOfSubscriptions(v, list)
	if err != nil {
		return nil, err
	}
	mayCancel := v.Actor.Has(v.Tenant.ID, identity.Subscribe)
	rows := make([]subscriptionRow, len(list))
	for i, s := range list {
		rows[i] = subscriptionRow{
			Href: subscriptionPath(s.ID), Product: w.productName(s.Subscription), ID: s.ID, Since: s.CreatedAt, Keys: int64(s.Keys.Active),
			Tokens: tokens[s.ID], Contact: w.sellerContact(s.ProductID),
		}
		if s.CancelledAt != nil {
			rows[i].Ended = *s.CancelledAt
		}
		if mayCancel && s.State == subscription.Active {
			rows[i].Cancel = rows[i].Href + "/cancel"
		}
	}
	return rows, nil
}

// tokensOfSubscriptions returns what all keys of each subscription have used this month.
func (w *Web) tokensOfSubscriptions(v *visit, list []subscription.SubscriptionRow) (map[string]int64, error) {
	owner := map[string]string{}
	ids := []string{} // not nil, which would be all keys there are
	for _, s := range list {
		keys, err := w.Service.KeysOf(v.ctx, v.Actor, subscription.KeyFilter{SubscriptionID: s.ID})
		if err != nil {
			return nil, err
		}
		for _, k := range keys {
			owner[k.ID] = s.ID
			ids = append(ids, k.ID)
		}
	}
	sums, err := w.usage.Usage(v.ctx, monthPeriod(w.today().Month()).query(ids))
	if err != nil {
		return nil, err
	}
	tokens := map[string]int64{}
	for _, s := range sums {
		tokens[owner[s.Key]] += s.Tokens.Total()
	}
	return tokens, nil
}

func subscriptionPath(id string) string { return "/subscriptions/" + id }

// subscription returns the subscription in the path.
func (w *Web) subscription(v *visit) (subscription.Subscription, error) {
	return w.Service.GetSubscription(v.ctx, v.Actor, v.param("id"))
}

// productName is that of the offer that was accepted, or else the one that the product has now.
func (w *Web) productName(s subscription.Subscription) string {
	if s.ProductName != "" {
		return s.ProductName
	}
	if p, ok := w.Catalog().Product(s.ProductID); ok {
		return p.Name
	}
	return s.ProductID
}

// sellerContact leads to the seller of a product; empty if it is not in the catalog any more.
func (w *Web) sellerContact(productID string) string {
	p, ok := w.Catalog().Product(productID)
	switch {
	case !ok:
		return ""
	case p.Seller.Email != "":
		return "mailto:" + p.Seller.Email
	}
	return p.Seller.SupportURL
}

// supportOf leads to the support of a seller; empty if there is none.
func supportOf(s catalog.Seller) string {
	if s.SupportURL == "" && s.SupportEmail != "" {
		return "mailto:" + s.SupportEmail
	}
	return s.SupportURL
}
