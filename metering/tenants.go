package metering

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"llmhub/store"
)

const (
	// tenantsKept is how long a report on all tenants is shown again.
	tenantsKept = 30 * time.Second
	// maxTenantMonths bounds the months whose reports are held.
	maxTenantMonths = 12
)

// TenantShare is what the keys of one tenant have used.
type TenantShare struct {
	// TenantID is empty for keys that no tenant is known of.
	TenantID string
	Figures
	// Keys counts the keys that were used.
	Keys int
	// Permille is the part of all tokens, rounded.
	Permille int
}

// TenantMonth is what all tenants have used in a month.
type TenantMonth struct {
	Month store.Month
	// AsOf is when it was read.
	AsOf  time.Time
	Total Figures
	// Tenants come in order of tokens, most first.
	Tenants []TenantShare
}

// Tenants reports on all tenants. A report is held for half a minute, since it reads the sums of every key. It may be
// used concurrently; those who ask for what is being read wait for it.
type Tenants struct {
	usage    Usage
	tenantOf func(keyID string) (tenantID string, found bool)
	now      func() time.Time

	mu     sync.Mutex
	months map[store.Month]TenantMonth
}

// NewTenants returns reports on a ledger whose keys belong to the tenants that tenantOf gives.
func NewTenants(l Usage, tenantOf func(keyID string) (tenantID string, found bool), now func() time.Time) *Tenants {
	return &Tenants{usage: l, tenantOf: tenantOf, now: now, months: map[store.Month]TenantMonth{}}
}

// Month returns the report on a month, at most half a minute old. It is shared and must not be changed.
func (t *Tenants) Month(ctx context.Context, m store.Month, prices PriceList) (TenantMonth, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	if r, held := t.months[m]; held && now.Sub(r.AsOf) < tenantsKept {
		return r, nil
	}
	r, err := t.read(ctx, m, prices)
	if err != nil {
		return TenantMonth{}, err
	}
	r.AsOf = now
	if len(t.months) >= maxTenantMonths {
		clear(t.months)
	}
	t.months[m] = r
	return r, nil
}

func (t *Tenants) read(ctx context.Context, m store.Month, prices PriceList) (TenantMonth, error) {
	out := TenantMonth{Month: m, Total: Figures{Priced: true}}
	tenants := map[string]*TenantShare{}
	ofKey := map[string]*TenantShare{}
	for _, s := range spans(m.First(), (m + 1).First(), prices) {
		sums, err := t.usage.Usage(ctx, store.UsageQuery{From: s.from, To: s.to, ByKey: true, ByModel: true})
		if err != nil {
			return out, err
		}
		for _, sum := range sums {
			share := ofKey[sum.Key]
			if share == nil {
				share = t.share(tenants, sum.Key)
				ofKey[sum.Key] = share
			}
			price, priced := prices.At(sum.Model, s.from)
			amount := price.Charge(sum.Tokens)
			share.add(sum.Requests, sum.Tokens, amount, priced)
			out.Total.add(sum.Requests, sum.Tokens, amount, priced)
		}
	}
	for _, share := range tenants {
		share.Permille = permille(share.Tokens.Total(), out.Total.Tokens.Total())
		out.Tenants = append(out.Tenants, *share)
	}
	slices.SortFunc(out.Tenants, func(a, b TenantShare) int {
		return cmp.Or(cmp.Compare(b.Tokens.Total(), a.Tokens.Total()), strings.Compare(a.TenantID, b.TenantID))
	})
	return out, nil
}

// share returns the row of a key's tenant and counts the key.
func (t *Tenants) share(tenants map[string]*TenantShare, key string) *TenantShare {
	id, _ := t.tenantOf(key)
	share := tenants[id]
	if share == nil {
		share = &TenantShare{TenantID: id, Figures: Figures{Priced: true}}
		tenants[id] = share
	}
	share.Keys++
	return share
}
