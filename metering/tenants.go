package metering

import (
	"cmp"
	"context"
	"math"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"llmhub/store"
)

const (
	// tenantsKept is how long a report on all tenants is shown again in any case, tenantsShown how long while another one
	// is read, for which it has tenantsTimeout.
	tenantsKept    = 30 * time.Second
	tenantsShown   = 5 * time.Minute
	tenantsTimeout = time.Minute
	// tenantsRecent is how many months KeepRecent reads, tenantsEvery how often: sooner than a report is too old to be shown.
	tenantsRecent = 13
	tenantsEvery  = 4 * time.Minute
	// maxTenantMonths bounds the months whose reports are held; one has a row of about 150 bytes for each tenant.
	maxTenantMonths = 36
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
	// Tenants come in order of tokens, most first, then of amounts.
	Tenants []TenantShare
}

// Tenants reports on all tenants, which takes long, since it reads the sums of every key. A report is held until something
// is committed for a day of its month, thus mostly for ever once that is over. It may be used concurrently; those who ask
// for what is being read wait for it.
type Tenants struct {
	history  History
	tenantOf func(keyID string) (tenantID string, found bool)
	now      func() time.Time

	mu     sync.Mutex
	months map[store.Month]*heldMonth
}

// heldMonth is the report on a month that was read last.
type heldMonth struct {
	// reading is held by the one who reads anew.
	reading sync.Mutex

	mu      sync.Mutex
	report  TenantMonth // with no AsOf before the first
	version uint64
	prices  PriceList
}

// NewTenants returns reports on a ledger whose keys belong to the tenants that tenantOf gives.
func NewTenants(h History, tenantOf func(keyID string) (tenantID string, found bool), now func() time.Time) *Tenants {
	return &Tenants{history: h, tenantOf: tenantOf, now: now, months: map[store.Month]*heldMonth{}}
}

// Month returns the report on a month. Where more has been used since it was read, it may be up to five minutes old, as
// AsOf tells; from half a minute on it is then read anew meanwhile, for those who ask next. It is shared and must not be
// changed.
func (t *Tenants) Month(ctx context.Context, m store.Month, prices PriceList) (TenantMonth, error) {
	h := t.month(m)
	r, age, err := t.held(ctx, h, m, prices)
	if err != nil || age < tenantsKept {
		return r, err
	}
	if age >= tenantsShown {
		return t.Now(ctx, m, prices)
	}
	if h.reading.TryLock() {
		go func() {
			defer h.reading.Unlock()
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), tenantsTimeout)
			defer cancel()
			// If it fails, whoever asks when the report is too old to be shown is told why.
			_, _ = t.readAnew(ctx, h, m, prices)
		}()
	}
	return r, nil
}

// Now returns the report on a month with all that had been committed when it was called. It is shared and must not be
// changed.
func (t *Tenants) Now(ctx context.Context, m store.Month, prices PriceList) (TenantMonth, error) {
	h := t.month(m)
	h.reading.Lock()
	defer h.reading.Unlock()
	if r, age, err := t.held(ctx, h, m, prices); err != nil || age == 0 {
		return r, err
	}
	return t.readAnew(ctx, h, m, prices)
}

// KeepRecent reads the reports of a year and keeps them at hand, so that nobody waits for them, until ctx ends. What fails is
// read again by whoever asks.
func (t *Tenants) KeepRecent(ctx context.Context, today func() store.Day, prices func() PriceList) {
	tick := time.NewTicker(tenantsEvery)
	defer tick.Stop()
	for {
		current := today().Month()
		for m := current; m > current-tenantsRecent && ctx.Err() == nil; m-- {
			_, _ = t.Now(ctx, m, prices())
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// month returns the place of a month's report.
func (t *Tenants) month(m store.Month) *heldMonth {
	t.mu.Lock()
	defer t.mu.Unlock()
	h := t.months[m]
	if h == nil {
		if len(t.months) >= maxTenantMonths {
			clear(t.months)
		}
		h = &heldMonth{}
		t.months[m] = h
	}
	return h
}

// held returns the report that is held and how old it is: 0 if nothing has been committed since, and endless if there is
// none at these prices.
func (t *Tenants) held(ctx context.Context, h *heldMonth, m store.Month, prices PriceList) (TenantMonth, time.Duration, error) {
	version, err := t.history.UsageVersion(ctx, m.First(), (m + 1).First())
	if err != nil {
		return TenantMonth{}, 0, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	r, now := h.report, t.now()
	switch {
	case r.AsOf.IsZero() || !reflect.DeepEqual(h.prices, prices):
		return TenantMonth{}, math.MaxInt64, nil
	case h.version == version:
		h.report.AsOf = now
		return h.report, 0, nil
	}
	return r, max(1, now.Sub(r.AsOf)), nil
}

// readAnew reads the report and holds it. The caller holds reading.
func (t *Tenants) readAnew(ctx context.Context, h *heldMonth, m store.Month, prices PriceList) (TenantMonth, error) {
	// Both before the sums are read: what is committed in between may be in them already, and makes them outdated at worst.
	now := t.now()
	version, err := t.history.UsageVersion(ctx, m.First(), (m + 1).First())
	if err != nil {
		return TenantMonth{}, err
	}
	r, err := t.read(ctx, m, prices)
	if err != nil {
		return TenantMonth{}, err
	}
	r.AsOf = now
	h.mu.Lock()
	defer h.mu.Unlock()
	h.report, h.version, h.prices = r, version, prices
	return r, nil
}

func (t *Tenants) read(ctx context.Context, m store.Month, prices PriceList) (TenantMonth, error) {
	out := TenantMonth{Month: m, Total: Figures{Priced: true}}
	tenants := map[string]*TenantShare{}
	ofKey := map[string]*TenantShare{}
	for _, s := range spans(m.First(), (m + 1).First(), prices) {
		sums, err := t.history.Usage(ctx, store.UsageQuery{From: s.from, To: s.to, ByKey: true, ByModel: true})
		if err != nil {
			return out, err
		}
		for _, sum := range sums {
			share := ofKey[sum.Key]
			if share == nil {
				share = t.share(tenants, sum.Key)
				ofKey[sum.Key] = share
			}
			amount, priced := prices.Charge(sum.Model, s.from, sum.Tokens, sum.Quantities)
			share.add(sum, amount, priced)
			out.Total.add(sum, amount, priced)
		}
	}
	for _, share := range tenants {
		share.Permille = permille(share.Tokens.Total(), out.Total.Tokens.Total())
		out.Tenants = append(out.Tenants, *share)
	}
	slices.SortFunc(out.Tenants, func(a, b TenantShare) int {
		return cmp.Or(a.Figures.compare(b.Figures), strings.Compare(a.TenantID, b.TenantID))
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
