package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
)

// pageLimit is what each page may take, consumptionLimit what one may that adds up what thousands of keys have used.
const (
	pageLimit        = 50 * time.Millisecond
	consumptionLimit = 100 * time.Millisecond
)

// visitor is who asks for a page.
type visitor int

const (
	customer visitor = iota
	operator
	nobody // who has not signed in
)

// portalPage is a page of the portal, by its path as the portal names it.
type portalPage struct {
	path string
	// by is who asks.
	by visitor
	// finds says that others need what is found in this page.
	finds bool
	// limit is what the page may take; 0 for files, which have none.
	limit time.Duration
	// query returns the query of a visit; nil if there is none.
	query func(r *rand.Rand) url.Values
}

// portalPages are all pages, each behind those in which what its path needs is found.
var portalPages = []portalPage{
	{path: "/", limit: pageLimit},
	{path: "/catalog", limit: pageLimit, finds: true, query: anyOf("q", "", "", "llm", "web", "database", "inspector", "nothing like that")},
	{path: "/catalog/:product", limit: pageLimit, finds: true},
	{path: "/catalog/:product/icon.svg", limit: pageLimit},
	{path: "/catalog/:product/documents/:document", limit: pageLimit},
	{path: "/models", limit: pageLimit},
	{path: "/integration", limit: pageLimit},
	{path: "/setup", limit: pageLimit},
	{path: "/organization", limit: pageLimit},
	{path: "/dashboard", limit: pageLimit},
	{path: "/workloads", limit: pageLimit},
	{path: "/subscriptions", limit: pageLimit, finds: true, query: anyOf("state", "active", "cancelled")},
	{path: "/keys", limit: pageLimit},
	{path: "/consumption", limit: pageLimit},
	{path: "/subscriptions/:id", limit: pageLimit, finds: true, query: keyListQuery},
	{path: "/subscriptions/:id/agreement", limit: pageLimit},
	{path: "/subscriptions/:id/cancel", limit: pageLimit},
	{path: "/subscriptions/:id/keys/new", limit: pageLimit},
	{path: "/subscriptions/:id/keys/:key", limit: pageLimit},
	{path: "/subscriptions/:id/keys/:key/limits", limit: pageLimit},
	{path: "/subscriptions/:id/keys/:key/deactivate", limit: pageLimit},
	{path: "/subscriptions/:id/consumption", limit: consumptionLimit, query: consumptionQuery},
	{path: "/subscriptions/:id/consumption.csv", query: consumptionQuery},
	{path: "/alerts", limit: pageLimit},
	{path: "/playground", limit: pageLimit},
	{path: "/account", limit: pageLimit, finds: true},
	{path: "/account/tokens/:token/revoke", limit: pageLimit},
	{path: "/rights", limit: pageLimit, finds: true},
	{path: "/rights/:user/revoke", limit: pageLimit},
	{path: "/accessibility", by: nobody, limit: pageLimit},
	{path: "/privacy", by: nobody, limit: pageLimit},
	{path: "/terms", by: nobody, limit: pageLimit},
	{path: "/imprint", by: nobody, limit: pageLimit},
	{path: "/login", by: nobody, limit: pageLimit},

	{path: "/operator", by: operator, limit: pageLimit},
	{path: "/operator/login", by: nobody, limit: pageLimit},
	{path: "/operator/approvals", by: operator, limit: pageLimit, finds: true},
	{path: "/operator/tenants", by: operator, limit: pageLimit, finds: true, query: listQuery},
	{path: "/operator/approvals/:tenant", by: operator, limit: pageLimit},
	{path: "/operator/tenants/:tenant", by: operator, limit: pageLimit},
	{path: "/operator/subscriptions", by: operator, limit: pageLimit, finds: true, query: listQuery},
	{path: "/operator/subscriptions/:subscription/cancel", by: operator, limit: pageLimit},
	{path: "/operator/subscriptions/:subscription/limits", by: operator, limit: pageLimit},
	{path: "/operator/usage", by: operator, limit: pageLimit, query: monthPageQuery},
	{path: "/operator/usage.csv", by: operator, query: monthQuery},
	{path: "/operator/upstreams", by: operator, limit: pageLimit},
	{path: "/operator/audit", by: operator, limit: pageLimit, query: anyOf("action", "", "key.create", "profile.approve", "session.begin")},
	{path: "/operator/audit.csv", by: operator, query: anyOf("action", "profile.approve", "session.begin")},
	{path: "/operator/account", by: operator, limit: pageLimit},
}

// anyOf returns queries that have one of the values.
func anyOf(name string, values ...string) func(*rand.Rand) url.Values {
	return func(r *rand.Rand) url.Values { return url.Values{name: {values[r.IntN(len(values))]}} }
}

// words are what people search for: parts of names of customers and keys, and what is nowhere.
var words = []string{"", "", "", "logistik", "mein", "gmbh", "prod", "chat", "review", "sk-lh-", "otc-eu", "zzz"}

func listQuery(r *rand.Rand) url.Values {
	return url.Values{"q": {words[r.IntN(len(words))]}, "page": {fmt.Sprint(1 + r.IntN(20))}}
}

func keyListQuery(r *rand.Rand) url.Values {
	q := listQuery(r)
	q.Set("page", fmt.Sprint(1+r.IntN(100)))
	q.Set("state", []string{"", "", "active", "deactivated"}[r.IntN(4)])
	q.Set("sort", []string{"", "name"}[r.IntN(2)])
	if r.IntN(2) == 0 {
		first := monthBack(r.IntN(12))
		q.Set("from", first.Format(time.DateOnly))
		q.Set("to", first.AddDate(0, 1, -1).Format(time.DateOnly))
	}
	return q
}

// monthBack returns the first day of a month of the past.
func monthBack(months int) time.Time {
	now := time.Now().UTC()
	return time.Date(now.Year(), now.Month()-time.Month(months), 1, 0, 0, 0, 0, time.UTC)
}

// monthQuery asks for the current month in one of three visits.
func monthQuery(r *rand.Rand) url.Values {
	return url.Values{"month": {monthBack(max(0, r.IntN(18)-6)).Format("2006-01")}}
}

func monthPageQuery(r *rand.Rand) url.Values {
	q := monthQuery(r)
	q.Set("page", fmt.Sprint(1+r.IntN(20)))
	return q
}

// consumptionQuery asks for a month, by key or by model, or now and then for some weeks.
func consumptionQuery(r *rand.Rand) url.Values {
	q := monthPageQuery(r)
	q.Set("by", []string{"key", "model"}[r.IntN(2)])
	if r.IntN(4) == 0 {
		q.Del("month")
		last := time.Now().UTC().AddDate(0, 0, -r.IntN(200))
		q.Set("from", last.AddDate(0, 0, -r.IntN(100)).Format(time.DateOnly))
		q.Set("to", last.Format(time.DateOnly))
	}
	return q
}

// found holds the IDs that pages link to, by the names that paths have for them.
type found map[string][]string

// links find IDs in pages: each in its own pair of brackets. Where a path has several, the last is what is looked for.
var links = map[string]*regexp.Regexp{
	"product":      regexp.MustCompile(`"/catalog/([a-z0-9-]+)"`),
	"document":     regexp.MustCompile(`"/catalog/([a-z0-9-]+/documents/[a-z0-9-]+)"`),
	"id":           regexp.MustCompile(`"/subscriptions/(sub_[a-z0-9]+)[/"?]`),
	"key":          regexp.MustCompile(`"/subscriptions/(sub_[a-z0-9]+/keys/key_[a-z0-9]+)"`),
	"token":        regexp.MustCompile(`"/account/tokens/(pat_[a-z0-9]+)/revoke"`),
	"user":         regexp.MustCompile(`"/rights/(usr_[a-z0-9]+)/revoke"`),
	"waiting":      regexp.MustCompile(`"/operator/approvals/(ten_[a-z0-9]+)"`),
	"tenant":       regexp.MustCompile(`"/operator/tenants/(ten_[a-z0-9]+)"`),
	"subscription": regexp.MustCompile(`"/operator/subscriptions/(sub_[a-z0-9]+)/cancel`),
}

func (f found) gather(body []byte) {
	for name, link := range links {
		for _, m := range link.FindAllSubmatch(body, -1) {
			if id := string(m[1]); !slices.Contains(f[name], id) {
				f[name] = append(f[name], id)
			}
		}
	}
}

// parameters are the parts of paths that stand for IDs, with what is found for them; the longest come first.
var parameters = []struct{ path, name string }{
	{":product/documents/:document", "document"}, {":id/keys/:key", "key"}, {"approvals/:tenant", "waiting"},
	{":product", "product"}, {":id", "id"}, {":token", "token"}, {":user", "user"}, {":tenant", "tenant"}, {":subscription", "subscription"},
}

// fill puts IDs into a path, if any are known.
func (f found) fill(path string, r *rand.Rand) (address string, ok bool) {
	for _, p := range parameters {
		if !strings.Contains(path, p.path) {
			continue
		}
		known := f[p.name]
		if len(known) == 0 {
			return "", false
		}
		id := known[r.IntN(len(known))]
		if p.name == "waiting" {
			id = "approvals/" + id
		}
		return strings.Replace(path, p.path, id, 1), true
	}
	return path, true
}

// addresses returns different addresses of a page, as many as there are up to the number of visits; none if no page has a
// link to one.
func (b *portalBench) addresses(p portalPage) []string {
	r := rand.New(rand.NewPCG(1, 2))
	var all []string
	for range 4 * b.visits {
		address, ok := b.found.fill(p.path, r)
		if !ok {
			return nil
		}
		if p.query != nil {
			address += "?" + p.query(r).Encode()
		}
		if !slices.Contains(all, address) {
			all = append(all, address)
		}
		if len(all) == b.visits {
			break
		}
	}
	return all
}

// pageResult is how long the server took for a page: for addresses that nobody had asked for before, and again.
type pageResult struct {
	portalPage
	first, again []time.Duration
	// firstCPU and againCPU are the processor time that a visit took on average, with all that the server did meanwhile.
	firstCPU, againCPU time.Duration
	bytes              int
}

// visit asks for all addresses of a page, and then for all of them again.
func (b *portalBench) visit(ctx context.Context, p portalPage) (pageResult, error) {
	r := pageResult{portalPage: p}
	addresses, client := b.addresses(p), b.clients[p.by]
	pid := b.server.cmd.Process.Pid
	began, err := cpuTime(pid)
	if err != nil {
		return r, err
	}
	for round := range 1 + b.again {
		for _, address := range addresses {
			a, err := b.get(ctx, client, address)
			if err != nil {
				return r, err
			}
			if a.status != http.StatusOK && a.status != http.StatusSeeOther {
				return r, fmt.Errorf("%s gives %d", address, a.status)
			}
			b.found.gather(a.body)
			r.bytes = max(r.bytes, len(a.body))
			if round == 0 {
				r.first = append(r.first, a.took)
			} else {
				r.again = append(r.again, a.took)
			}
		}
		used, err := cpuTime(pid)
		if err != nil {
			return r, err
		}
		if round == 0 {
			r.firstCPU = (used - began) / time.Duration(max(1, len(r.first)))
			began = used
		} else {
			r.againCPU = (used - began) / time.Duration(max(1, len(r.again)))
		}
	}
	return r, nil
}
