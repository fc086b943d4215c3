package deployer

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"llmhub/fault"
	"llmhub/identity"
	"llmhub/store"
)

const (
	defaultPerPage = 10
	maxPerPage     = 100
	// maxSearchBytes bounds the text searched for.
	maxSearchBytes = 200
	// maxRows bounds how many workloads are remembered as rows, of some hundred bytes each.
	maxRows = 20_000
)

// row is what a list needs to know of a workload to find and order it.
type row struct {
	version store.Version
	id      string
	created time.Time
	// state is ready, error, pending or removed.
	state string
	// text is what is searched in, in lower case.
	text string
}

func newRow(r store.Record[Workload]) row {
	w := r.Value
	state := string(w.State)
	if w.State.Pending() {
		state = "pending"
	}
	text := strings.Join([]string{w.ProductName, w.ProductID, w.Target.Release, w.Target.Namespace, w.Target.ClusterName, w.ID}, "\n")
	return row{version: r.Version, id: r.ID, created: w.CreatedAt, state: state, text: strings.ToLower(text)}
}

// rowCache remembers rows by the version of their document, so that a list decodes only what has changed. It may be used
// concurrently.
type rowCache struct {
	mu   sync.Mutex
	rows map[string]row
}

func newRowCache() *rowCache { return &rowCache{rows: map[string]row{}} }

// row returns the row of a document.
func (c *rowCache) row(d store.Document, decode func(store.Document) (store.Record[Workload], error)) (row, error) {
	c.mu.Lock()
	known, ok := c.rows[d.ID]
	c.mu.Unlock()
	if ok && known.version == d.Version {
		return known, nil
	}
	r, err := decode(d)
	if err != nil {
		return row{}, err
	}
	fresh := newRow(r)
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.rows) >= maxRows {
		clear(c.rows)
	}
	c.rows[d.ID] = fresh
	return fresh, nil
}

// Workloads returns a page of workloads, newest first. Search is a part of the names of product, release, namespace and cluster or of an
// ID, letters of either case being the same. A page behind the last gives the last.
func (s *Service) Workloads(ctx context.Context, by identity.Actor, q WorkloadQuery) (WorkloadPage, error) {
	states := []string{string(Ready), string(Failed), "pending", string(Removed)}
	switch {
	case len(q.Search) > maxSearchBytes:
		return WorkloadPage{}, fault.New(fault.Invalid, "search", "must have at most %d bytes", maxSearchBytes)
	case q.State != "" && !slices.Contains(states, q.State):
		return WorkloadPage{}, fault.New(fault.Invalid, "state", "%q is not one of %s", q.State, strings.Join(states, ", "))
	}
	if err := by.See(q.TenantID, errNoWorkload()); err != nil {
		return WorkloadPage{}, err
	}
	var page WorkloadPage
	found, err := s.findRows(ctx, q, &page)
	if err != nil {
		return WorkloadPage{}, err
	}
	slices.SortFunc(found, func(a, b row) int { return cmp.Or(b.created.Compare(a.created), strings.Compare(a.id, b.id)) })
	perPage := min(cmp.Or(max(q.PerPage, 0), defaultPerPage), maxPerPage)
	page.Total = len(found)
	page.Pages = max(1, (page.Total+perPage-1)/perPage)
	page.Page = min(max(1, q.Page), page.Pages)
	from := (page.Page - 1) * perPage
	for _, f := range found[from:min(from+perPage, len(found))] {
		r, err := s.workloads.Get(ctx, f.id)
		if err != nil {
			return WorkloadPage{}, err
		}
		page.Rows = append(page.Rows, r.Value.shown())
	}
	return page, nil
}

// findRows returns what a query finds, and counts what its search finds.
func (s *Service) findRows(ctx context.Context, q WorkloadQuery, counts *WorkloadPage) ([]row, error) {
	list := store.ListQuery{Kind: kindWorkload, Limit: scanPage}
	if q.TenantID != "" {
		list.Index, list.Value = "tenant", q.TenantID
	}
	text := strings.ToLower(strings.TrimSpace(q.Search))
	var found []row
	for {
		docs, next, err := s.o.Documents.List(ctx, list)
		if err != nil {
			return nil, err
		}
		for _, d := range docs {
			r, err := s.rows.row(d, s.workloads.Decode)
			if err != nil {
				return nil, err
			}
			if strings.Contains(r.text, text) {
				counts.count(r.state)
				if r.state == q.State || q.State == "" && r.state != string(Removed) {
					found = append(found, r)
				}
			}
		}
		if list.After = next; next == "" {
			return found, nil
		}
	}
}

func (p *WorkloadPage) count(state string) {
	switch state {
	case string(Ready):
		p.ReadyCount++
	case string(Failed):
		p.FailedCount++
	case string(Removed):
		p.RemovedCount++
	default:
		p.PendingCount++
	}
}
