package web

import (
	"time"

	"llmhub/fault"
	"llmhub/identity"
	"llmhub/limit"
	"llmhub/subscription"
)

// keysPerPage is how many keys a page shows.
const keysPerPage = 50

// keyList is the list of a subscription's keys with what they have used in a period.
type keyList struct {
	Search, From, To, PeriodText, PeriodFault string
	States, Sorts                             []choice
	Rows                                      []keyRow
	// Total is what all keys of the subscription have used, All how many they are; neither goes by what is searched for.
	Total          int64
	All, Found     int
	Previous, Next string
	Pager          pager
	// Changeable says that there is a column to deactivate keys in.
	Changeable bool
}

type keyRow struct {
	Href, Name, Prefix, StateText, Class string
	Created, LastUsed, Expires           time.Time
	Tokens                               int64
	// Budget says how much of a budget has been used that is nearly used up, BudgetClass is its look; empty otherwise.
	Budget, BudgetClass string
	// Deactivate leads to the deactivation, empty where there is none.
	Deactivate string
}

func (w *Web) keyList(v *visit, s subscription.Subscription, days period, wrong *fault.Error) (keyList, error) {
	q := subscription.KeyQuery{
		SubscriptionID: s.ID, Search: v.query("q"), State: v.query("state"), Sort: subscription.KeySort(v.query("sort")),
		Page: v.pageNumber(), PerPage: keysPerPage,
	}
	page, err := w.Service.KeyPage(v.ctx, v.Actor, q)
	if err != nil {
		return keyList{}, err
	}
	path := subscriptionPath(s.ID)
	l := keyList{
		Search: q.Search, From: days.First.String(), To: days.Last.String(), PeriodText: v.periodText(days), PeriodFault: v.periodFault(wrong),
		States: v.keyStates(q.State, page.Counts), Found: page.Total, Pager: newPager(path, v.allQuery(), page.Page, page.Pages, page.Total),
		Sorts: []choice{
			{"", v.t("keys.sort.newest"), q.Sort == subscription.NewestFirst},
			{string(subscription.ByName), v.t("keys.sort.name"), q.Sort == subscription.ByName},
		},
		Changeable: s.State == subscription.Active && v.Actor.Has(s.TenantID, identity.Subscribe),
	}
	month := days.First.Month()
	l.Previous = withPeriod(path, v.allQuery(), monthPeriod(month-1))
	if month < w.today().Month() {
		l.Next = withPeriod(path, v.allQuery(), monthPeriod(month+1))
	}
	tokens, err := w.tokensOfKeys(v, s.ID, days, &l)
	if err != nil {
		return l, err
	}
	l.Rows, err = w.keyRows(v, s, page.Keys, tokens)
	return l, err
}

// keyStates are the states to choose from, with how many keys of those found are in each.
func (v *visit) keyStates(chosen string, c subscription.KeyCounts) []choice {
	all := []choice{{"", v.t("keys.state.all", "Keys", c.All()), chosen == ""}}
	for _, s := range []struct {
		state string
		count int
	}{{subscription.KeyActive, c.Active}, {subscription.KeyExpired, c.Expired}, {subscription.KeyDeactivated, c.Deactivated}} {
		all = append(all, choice{s.state, v.t("keys.state."+s.state) + " (" + v.loc.Number(int64(s.count)) + ")", chosen == s.state})
	}
	return all
}

// tokensOfKeys returns what each key of a subscription has used, and sets the total.
func (w *Web) tokensOfKeys(v *visit, id string, days period, l *keyList) (map[string]int64, error) {
	keys, err := w.Service.KeysOf(v.ctx, v.Actor, subscription.KeyFilter{SubscriptionID: id})
	if err != nil {
		return nil, err
	}
	ids := make([]string, len(keys))
	for i, k := range keys {
		ids[i] = k.ID
	}
	sums, err := w.usage.Usage(v.ctx, days.query(ids))
	if err != nil {
		return nil, err
	}
	tokens := make(map[string]int64, len(sums))
	for _, s := range sums {
		tokens[s.Key] += s.Tokens.Total()
		l.Total += s.Tokens.Total()
	}
	l.All = len(keys)
	return tokens, nil
}

func (w *Web) keyRows(v *visit, s subscription.Subscription, keys []subscription.Key, tokens map[string]int64) ([]keyRow, error) {
	used, err := w.lastUsed(v, keys...)
	if err != nil {
		return nil, err
	}
	mayDeactivate := v.Actor.Has(s.TenantID, identity.Subscribe)
	rows := make([]keyRow, len(keys))
	for i, k := range keys {
		state := subscription.KeyState(k, s, w.Now())
		rows[i] = keyRow{
			Href: keyPath(k), Name: k.Name, Prefix: k.Prefix, StateText: v.t("keys.state." + state), Class: keyClasses[state],
			Created: k.CreatedAt, LastUsed: used[k.ID], Tokens: tokens[k.ID],
		}
		if k.ExpiresAt != nil {
			rows[i].Expires = *k.ExpiresAt
		}
		if err := w.markBudget(v, k.Scope(), &rows[i]); err != nil {
			return nil, err
		}
		if mayDeactivate && state != subscription.KeyDeactivated {
			rows[i].Deactivate = rows[i].Href + "/deactivate"
		}
	}
	return rows, nil
}

// markBudget marks a key with the budget that is used up the most, where that is nearly used up.
func (w *Web) markBudget(v *visit, s limit.Scope, row *keyRow) error {
	meters, err := w.budgetMeters(v, s)
	most := int64(nearlyUsed)
	for _, m := range meters {
		if m.Permille >= most {
			most = m.Permille
			row.Budget, row.BudgetClass = v.t("limits.share", "Share", v.loc.Permille(most)), m.Class
		}
	}
	return err
}

// keyClasses are the looks of the states of keys.
var keyClasses = map[string]string{subscription.KeyActive: "good", subscription.KeyExpired: "warn", subscription.KeyDeactivated: "off"}

func keyPath(k subscription.Key) string { return subscriptionPath(k.SubscriptionID) + "/keys/" + k.ID }

// lastUsed returns when each of the keys was last used.
func (w *Web) lastUsed(v *visit, keys ...subscription.Key) (map[string]time.Time, error) {
	ids := make([]string, len(keys))
	for i, k := range keys {
		ids[i] = k.ID
	}
	return w.Ledger.LastUsed(v.ctx, ids)
}
