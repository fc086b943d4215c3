package subscription

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"llmhub/fault"
	"llmhub/identity"
)

const (
	defaultPerPage = 50
	maxPerPage     = 200
	// maxSearchBytes bounds the text searched for.
	maxSearchBytes = 200
)

// KeySort is an order of keys.
type KeySort string

// The orders of keys.
const (
	// NewestFirst is the default.
	NewestFirst KeySort = ""
	ByName      KeySort = "name"
)

// KeyQuery selects a page of a subscription's keys.
type KeyQuery struct {
	SubscriptionID string
	// Search is a part of the name, letters of either case being the same, or the beginning of the key's ID or text;
	// empty finds all.
	Search string
	// State is one of KeyActive, KeyDeactivated and KeyExpired; empty stands for all.
	State string
	Sort  KeySort
	// Page counts from 1; one behind the last gives the last. PerPage is 50 if 0, and at most 200.
	Page, PerPage int
}

// KeyCounts counts keys by state.
type KeyCounts struct {
	Active, Deactivated, Expired int
}

// All returns the sum.
func (c KeyCounts) All() int { return c.Active + c.Deactivated + c.Expired }

func (c *KeyCounts) add(state string) {
	switch state {
	case KeyActive:
		c.Active++
	case KeyExpired:
		c.Expired++
	default:
		c.Deactivated++
	}
}

// Place says which page of a list it is.
type Place struct {
	// Page counts from 1 to Pages, which is at least 1. Total counts what the query finds on all pages.
	Page, PerPage, Pages, Total int
}

// KeyPage is a page of keys. Counts are those of what Search finds, whatever State says.
type KeyPage struct {
	Place
	Keys   []Key
	Counts KeyCounts
}

// KeyPage returns a page of a subscription's keys.
func (s *Service) KeyPage(ctx context.Context, by identity.Actor, q KeyQuery) (KeyPage, error) {
	if err := checkPage(q.Search, q.State, KeyActive, KeyDeactivated, KeyExpired); err != nil {
		return KeyPage{}, err
	}
	if q.Sort != NewestFirst && q.Sort != ByName {
		return KeyPage{}, fault.New(fault.Invalid, "sort", "%q is no order of keys", string(q.Sort))
	}
	if _, err := s.GetSubscription(ctx, by, q.SubscriptionID); err != nil {
		return KeyPage{}, err
	}
	var page KeyPage
	search := newSearch(q.Search)
	found := slices.DeleteFunc(s.gate.keysOf(q.SubscriptionID, s.now()), func(e keyEntry) bool {
		if !search.key(e) {
			return true
		}
		page.Counts.add(e.state)
		return q.State != "" && e.state != q.State
	})
	sortKeys(found, q.Sort)
	found, page.Place = placed(found, q.Page, q.PerPage)
	keys := make([]Key, len(found))
	for i, e := range found {
		r, err := s.getKey(ctx, e.id)
		if err != nil {
			return KeyPage{}, err
		}
		keys[i] = r.Value
	}
	var err error
	page.Keys, err = s.withCancellations(ctx, keys)
	return page, err
}

func sortKeys(keys []keyEntry, by KeySort) {
	if by == ByName {
		for i := range keys {
			keys[i].folded = strings.ToLower(keys[i].name)
		}
		slices.SortFunc(keys, func(a, b keyEntry) int {
			if c := strings.Compare(a.folded, b.folded); c != 0 {
				return c
			}
			return strings.Compare(a.id, b.id)
		})
		return
	}
	slices.SortFunc(keys, func(a, b keyEntry) int {
		if c := cmp.Compare(b.created, a.created); c != 0 {
			return c
		}
		return strings.Compare(a.id, b.id)
	})
}

// search is a text to find, empty for everything.
type search struct{ text, folded string }

func newSearch(text string) search {
	text = strings.TrimSpace(text)
	return search{text, strings.ToLower(text)}
}

func (s search) in(text string) bool { return strings.Contains(strings.ToLower(text), s.folded) }

func (s search) key(e keyEntry) bool {
	return s.text == "" || s.in(e.name) || strings.HasPrefix(e.id, s.text) || strings.HasPrefix(Prefix+publicOf(e.id), s.text)
}

func (s search) subscription(e subscriptionEntry) bool {
	return s.text == "" || s.in(e.productName) || s.in(e.productID) || s.in(e.tenantName) ||
		strings.HasPrefix(e.id, s.text) || strings.HasPrefix(e.tenantID, s.text)
}

// checkPage refuses what no list takes: a state must be empty or one of those given.
func checkPage(search, state string, states ...string) error {
	switch {
	case len(search) > maxSearchBytes:
		return fault.New(fault.Invalid, "search", "must have at most %d bytes", maxSearchBytes)
	case state != "" && !slices.Contains(states, state):
		return fault.New(fault.Invalid, "state", "%q is not one of %s", state, strings.Join(states, ", "))
	}
	return nil
}

// placed returns the entries of a page, and where it is among all.
func placed[T any](all []T, page, perPage int) ([]T, Place) {
	if perPage <= 0 {
		perPage = defaultPerPage
	}
	p := Place{PerPage: min(perPage, maxPerPage), Total: len(all)}
	p.Pages = max(1, (p.Total+p.PerPage-1)/p.PerPage)
	p.Page = min(max(1, page), p.Pages)
	from := (p.Page - 1) * p.PerPage
	return all[from:min(from+p.PerPage, len(all))], p
}

// SubscriptionQuery selects a page of subscriptions, newest first.
type SubscriptionQuery struct {
	// TenantID is whose; for operators empty stands for all tenants'.
	TenantID string
	// State is Active or Cancelled; empty stands for both.
	State State
	// Search is a part of the product's name or ID or of the tenant's name, letters of either case being the same, or
	// the beginning of the subscription's or the tenant's ID; empty finds all.
	Search string
	// Page and PerPage are as in KeyQuery.
	Page, PerPage int
}

// SubscriptionRow is a subscription with what a list shows beside it.
type SubscriptionRow struct {
	Subscription
	TenantName string
	Keys       KeyCounts
}

// SubscriptionPage is a page of subscriptions. Active and Cancelled count what Search finds, whatever State says.
type SubscriptionPage struct {
	Place
	Rows              []SubscriptionRow
	Active, Cancelled int
}

// SubscriptionPage returns a page of subscriptions, newest first.
func (s *Service) SubscriptionPage(ctx context.Context, by identity.Actor, q SubscriptionQuery) (SubscriptionPage, error) {
	if err := checkPage(q.Search, string(q.State), string(Active), string(Cancelled)); err != nil {
		return SubscriptionPage{}, err
	}
	if err := by.See(q.TenantID, errNoTenant); err != nil {
		return SubscriptionPage{}, err
	}
	var page SubscriptionPage
	search := newSearch(q.Search)
	found := slices.DeleteFunc(s.gate.subscriptionsOf(q.TenantID), func(e subscriptionEntry) bool {
		if !search.subscription(e) {
			return true
		}
		if e.state == Active {
			page.Active++
		} else {
			page.Cancelled++
		}
		return q.State != "" && e.state != q.State
	})
	slices.SortFunc(found, func(a, b subscriptionEntry) int {
		return cmp.Or(cmp.Compare(b.created, a.created), strings.Compare(a.id, b.id))
	})
	found, page.Place = placed(found, q.Page, q.PerPage)
	page.Rows = make([]SubscriptionRow, len(found))
	for i, e := range found {
		r, err := s.getSubscription(ctx, e.id)
		if err != nil {
			return SubscriptionPage{}, err
		}
		page.Rows[i] = SubscriptionRow{Subscription: r.Value, TenantName: e.tenantName, Keys: s.gate.keyCounts(e.id, s.now())}
	}
	return page, nil
}

// KeyName is a key by the names that pages of usage need.
type KeyName struct {
	ID, Name string
	// State is as KeyState gives it.
	State string
}

// KeysOf returns the keys of a filter in order of ID, without reading documents.
func (s *Service) KeysOf(ctx context.Context, by identity.Actor, f KeyFilter) ([]KeyName, error) {
	if none, err := s.seeKeys(ctx, by, f); none || err != nil {
		return nil, err
	}
	var entries []keyEntry
	switch {
	case f.SubscriptionID != "":
		entries = s.gate.keysOf(f.SubscriptionID, s.now())
	case f.TenantID != "":
		entries = s.gate.keysOfTenant(f.TenantID, s.now())
	default:
		entries = s.gate.allKeys(s.now())
	}
	names := make([]KeyName, len(entries))
	for i, e := range entries {
		names[i] = KeyName{ID: e.id, Name: e.name, State: e.state}
	}
	slices.SortFunc(names, func(a, b KeyName) int { return strings.Compare(a.ID, b.ID) })
	return names, nil
}

// TenantOfKey returns the ID of the tenant that a key belongs to, and whether there is such a key. It asks for no right:
// it serves reports that operators see.
func (s *Service) TenantOfKey(keyID string) (tenantID string, found bool) {
	return s.gate.tenantOfKey(keyID)
}
