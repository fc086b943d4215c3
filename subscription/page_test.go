package subscription

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"llmhub/fault"
	"llmhub/identity"
)

// manyKeys makes keys of all states with names that need folding, some in the same second.
func (f *fixture) manyKeys(sub string) []Key {
	f.t.Helper()
	var keys []Key
	for i := range 12 {
		if i%3 == 0 {
			f.clock = f.clock.Add(time.Second)
		}
		c := CreateKey{SubscriptionID: sub, Name: fmt.Sprintf("%s-%02d", []string{"Ci", "ÖL", "cI", "prod"}[i%4], 20-i)}
		if i%5 == 0 {
			at := f.clock.Add(time.Hour)
			c.ExpiresAt = &at
		}
		k, _, err := f.CreateKey(f.t.Context(), admin, c)
		if err != nil {
			f.t.Fatal(err)
		}
		keys = append(keys, k)
	}
	for _, i := range []int{0, 4, 7} {
		if _, err := f.DeactivateKey(f.t.Context(), admin, keys[i].ID); err != nil {
			f.t.Fatal(err)
		}
	}
	f.clock = f.clock.Add(2 * time.Hour)
	for i, k := range keys {
		var err error
		if keys[i], err = f.GetKey(f.t.Context(), admin, k.ID); err != nil {
			f.t.Fatal(err)
		}
	}
	return keys
}

// expectedKeys computes what a query finds, in order, and the counts.
func (f *fixture) expectedKeys(keys []Key, sub Subscription, q KeyQuery) (ids []string, counts KeyCounts) {
	keys = slices.Clone(keys)
	slices.SortFunc(keys, func(a, b Key) int {
		if q.Sort == ByName {
			return cmp.Or(strings.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name)), strings.Compare(a.ID, b.ID))
		}
		return cmp.Or(b.CreatedAt.Compare(a.CreatedAt), strings.Compare(a.ID, b.ID))
	})
	for _, k := range keys {
		s := strings.TrimSpace(q.Search)
		if !strings.Contains(strings.ToLower(k.Name), strings.ToLower(s)) && !strings.HasPrefix(k.ID, s) && !strings.HasPrefix(k.Prefix, s) {
			continue
		}
		state := KeyState(k, sub, f.clock)
		counts.add(state)
		if q.State == "" || q.State == state {
			ids = append(ids, k.ID)
		}
	}
	return ids, counts
}

func (f *fixture) checkKeyPages(keys []Key, sub Subscription, q KeyQuery) {
	f.t.Helper()
	want, counts := f.expectedKeys(keys, sub, q)
	var got []string
	for q.Page = 1; ; q.Page++ {
		page, err := f.KeyPage(f.t.Context(), admin, q)
		if err != nil {
			f.t.Fatal(err)
		}
		if page.Counts != counts || page.Total != len(want) || page.Page != q.Page || len(page.Keys) > q.PerPage {
			f.t.Fatalf("%+v gives %+v %+v, want %+v of %d", q, page.Place, page.Counts, counts, len(want))
		}
		for _, k := range page.Keys {
			got = append(got, k.ID)
			if i := slices.IndexFunc(keys, func(o Key) bool { return o.ID == k.ID }); KeyState(k, Subscription{State: Active}, f.clock) != KeyState(keys[i], sub, f.clock) {
				f.t.Errorf("%s is shown in another state", k.Name)
			}
		}
		if q.Page == page.Pages {
			break
		}
	}
	if !slices.Equal(got, want) {
		f.t.Errorf("%+v gives %v, want %v", q, got, want)
	}
}

func TestKeyPage(t *testing.T) {
	f := newFixture(t)
	sub, other := f.subscribe(), f.subscribe()
	f.key(other.ID, "ci of another subscription")
	keys := f.manyKeys(sub.ID)
	check := func() {
		for _, search := range []string{"", " ci", "CI-1", "öl", "nothing", keys[3].ID[:8], keys[3].Prefix, "sk-lh-"} {
			for _, state := range []string{"", KeyActive, KeyDeactivated, KeyExpired} {
				for _, sort := range []KeySort{NewestFirst, ByName} {
					f.checkKeyPages(keys, sub, KeyQuery{SubscriptionID: sub.ID, Search: search, State: state, Sort: sort, PerPage: 5})
				}
			}
		}
	}
	check()
	var err error
	if sub, err = f.CancelSubscription(t.Context(), admin, sub.ID, ""); err != nil {
		t.Fatal(err)
	}
	check()
	page, err := f.KeyPage(t.Context(), admin, KeyQuery{SubscriptionID: sub.ID, Page: -3, PerPage: 1000})
	if err != nil || page.Page != 1 || page.PerPage != maxPerPage || page.Pages != 1 || len(page.Keys) != 12 || page.Counts.All() != 12 {
		t.Errorf("%+v, %v", page.Place, err)
	}
	if page, err = f.KeyPage(t.Context(), admin, KeyQuery{SubscriptionID: sub.ID, Page: 99}); err != nil || page.Page != 1 || page.PerPage != defaultPerPage {
		t.Errorf("%+v, %v", page.Place, err)
	}
	for field, q := range map[string]KeyQuery{
		"search": {SubscriptionID: sub.ID, Search: strings.Repeat("x", maxSearchBytes+1)},
		"state":  {SubscriptionID: sub.ID, State: "gone"}, "sort": {SubscriptionID: sub.ID, Sort: "size"},
	} {
		_, err := f.KeyPage(t.Context(), admin, q)
		isFault(t, err, fault.Invalid, field)
	}
	_, err = f.KeyPage(t.Context(), admin, KeyQuery{SubscriptionID: "sub_x"})
	isFault(t, err, fault.NotFound, "")
	names, err := f.KeysOf(t.Context(), admin, KeyFilter{SubscriptionID: sub.ID})
	all, err2 := f.KeysOf(t.Context(), admin, KeyFilter{})
	tenant, err3 := f.KeysOf(t.Context(), admin, KeyFilter{TenantID: sub.TenantID})
	if err != nil || err2 != nil || err3 != nil || len(names) != 12 || len(all) != 13 || !slices.Equal(names, tenant) ||
		!slices.IsSortedFunc(all, func(a, b KeyName) int { return strings.Compare(a.ID, b.ID) }) {
		t.Errorf("%v, %v, %v", names, all, tenant)
	}
	if n, err := f.KeysOf(t.Context(), admin, KeyFilter{SubscriptionID: sub.ID, TenantID: other.TenantID}); err != nil || len(n) != 0 {
		t.Errorf("%v, %v", n, err)
	}
}

func TestSubscriptionPage(t *testing.T) {
	f := newFixture(t)
	by := f.buyer()
	bought, err := f.Subscribe(t.Context(), by, Subscribe{by.TenantID, offer, accepted})
	if err != nil {
		t.Fatal(err)
	}
	f.manyKeys(bought.ID)
	f.clock = f.clock.Add(time.Second)
	cancelled, err := f.CreateSubscription(t.Context(), admin, CreateSubscription{TenantID: by.TenantID, ProductID: "other"})
	if err != nil {
		t.Fatal(err)
	}
	f.key(cancelled.ID, "k")
	if cancelled, err = f.CancelSubscription(t.Context(), by, cancelled.ID, "why not"); err != nil {
		t.Fatal(err)
	}
	f.clock = f.clock.Add(time.Second)
	foreign := f.subscribe()
	for name, c := range map[string]struct {
		by                       identity.Actor
		q                        SubscriptionQuery
		want                     []string
		active, cancelled, pages int
	}{
		"own":       {by, SubscriptionQuery{TenantID: by.TenantID}, []string{cancelled.ID, bought.ID}, 1, 1, 1},
		"active":    {by, SubscriptionQuery{TenantID: by.TenantID, State: Active}, []string{bought.ID}, 1, 1, 1},
		"cancelled": {by, SubscriptionQuery{TenantID: by.TenantID, State: Cancelled}, []string{cancelled.ID}, 1, 1, 1},
		"all":       {admin, SubscriptionQuery{}, []string{foreign.ID, cancelled.ID, bought.ID}, 2, 1, 1},
		"page 2":    {admin, SubscriptionQuery{Page: 2, PerPage: 2}, []string{bought.ID}, 2, 1, 2},
		"name":      {admin, SubscriptionQuery{Search: "llm hub"}, []string{bought.ID}, 1, 0, 1},
		"product":   {admin, SubscriptionQuery{Search: "LLM-"}, []string{foreign.ID, bought.ID}, 2, 0, 1},
		"tenant":    {admin, SubscriptionQuery{Search: "tenant"}, []string{foreign.ID, cancelled.ID, bought.ID}, 2, 1, 1},
		"tenant ID": {admin, SubscriptionQuery{Search: foreign.TenantID}, []string{foreign.ID}, 1, 0, 1},
		"ID":        {admin, SubscriptionQuery{Search: cancelled.ID[:12], State: Active}, nil, 0, 1, 1},
		"unknown":   {admin, SubscriptionQuery{TenantID: "ten_x"}, nil, 0, 0, 1},
	} {
		page, err := f.SubscriptionPage(t.Context(), c.by, c.q)
		var got []string
		for _, r := range page.Rows {
			got = append(got, r.ID)
			want := map[string]KeyCounts{bought.ID: {Active: 7, Deactivated: 3, Expired: 2}, cancelled.ID: {Deactivated: 1}}[r.ID]
			if r.Keys != want || r.TenantName != "Tenant" {
				t.Errorf("%s: %+v", name, r)
			}
		}
		if err != nil || !slices.Equal(got, c.want) || page.Active != c.active || page.Cancelled != c.cancelled || page.Pages != c.pages {
			t.Errorf("%s: %v %+v, %v", name, got, page, err)
		}
	}
	_, err = f.SubscriptionPage(t.Context(), admin, SubscriptionQuery{State: "gone"})
	isFault(t, err, fault.Invalid, "state")
	if rows, err := f.SubscriptionPage(t.Context(), by, SubscriptionQuery{TenantID: by.TenantID, State: Cancelled}); err != nil || rows.Rows[0].CancelReason != "why not" {
		t.Errorf("%+v, %v", rows, err)
	}
}
