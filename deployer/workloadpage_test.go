package deployer

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"llmhub/fault"
	"llmhub/identity"
)

// listed puts workloads of a tenant, with what comes of some operations, and returns their IDs, newest first.
func (f *fixture) listed(tenant string, n int) []string {
	f.t.Helper()
	states := []State{Ready, Failed, Installing, Removed}
	values := map[string]any{}
	for i := range 10 {
		values[fmt.Sprintf("setting%d", i)] = strings.Repeat("value ", 5)
	}
	ids := make([]string, n)
	for i := range n {
		w := Workload{
			ID: identity.NewID("wl_"), TenantID: tenant, State: states[i%4], CreatedAt: f.now().Add(time.Duration(i) * time.Minute), Values: values,
			ProductID: "cache", ProductName: "Cache", Target: Target{ProjectID: "eu", ClusterID: "c1", ClusterName: "main", Namespace: "shop", Release: fmt.Sprintf("web-%d", i)},
		}
		for k := range 3 {
			w.History = append(w.History, Operation{ID: "op", Values: values, Made: k, Steps: make([]StepDone, 7)})
		}
		ids[n-1-i] = w.ID
		f.put(f.workloads.Write(w.ID, 0, w))
	}
	return ids
}

func TestWorkloads(t *testing.T) {
	f := newFixture(t)
	own := f.listed(f.jo.TenantID, 130)
	other := f.user(f.tenant("umbrella"), "usr_x")
	f.listed(other.TenantID, 4)
	pick := func(keep func(i int) bool) []string {
		var ids []string
		for i, id := range own {
			if keep(len(own) - 1 - i) {
				ids = append(ids, id)
			}
		}
		return ids
	}
	alive := pick(func(i int) bool { return i%4 != 3 })
	for name, c := range map[string]struct {
		by    identity.Actor
		q     WorkloadQuery
		want  []string
		page  int
		pages int
		total int
	}{
		"first page":      {f.jo, WorkloadQuery{}, alive[:10], 1, 10, 98},
		"last page":       {f.jo, WorkloadQuery{Page: 99}, alive[90:], 10, 10, 98},
		"negative":        {f.jo, WorkloadQuery{Page: -1, PerPage: -5}, alive[:10], 1, 10, 98},
		"large pages":     {f.jo, WorkloadQuery{PerPage: 1000}, alive, 1, 1, 98},
		"ready":           {f.jo, WorkloadQuery{State: "ready", PerPage: 100}, pick(func(i int) bool { return i%4 == 0 }), 1, 1, 33},
		"failed":          {f.jo, WorkloadQuery{State: "error", PerPage: 100}, pick(func(i int) bool { return i%4 == 1 }), 1, 1, 33},
		"pending":         {f.jo, WorkloadQuery{State: "pending", PerPage: 100}, pick(func(i int) bool { return i%4 == 2 }), 1, 1, 32},
		"removed":         {f.jo, WorkloadQuery{State: "removed", PerPage: 100}, pick(func(i int) bool { return i%4 == 3 }), 1, 1, 32},
		"by release":      {f.jo, WorkloadQuery{Search: " WEB-12 "}, pick(func(i int) bool { return (i == 12 || i >= 120 && i < 130) && i%4 != 3 }), 1, 1, 9},
		"by product":      {f.jo, WorkloadQuery{Search: "cACHE", PerPage: 100}, alive, 1, 1, 98},
		"by cluster":      {f.jo, WorkloadQuery{Search: "main", PerPage: 100}, alive, 1, 1, 98},
		"by namespace":    {f.jo, WorkloadQuery{Search: "shop", PerPage: 100}, alive, 1, 1, 98},
		"nothing":         {f.jo, WorkloadQuery{Search: "nothing"}, nil, 1, 1, 0},
		"of the operator": {identity.Administrator(), WorkloadQuery{TenantID: f.jo.TenantID}, alive[:10], 1, 10, 98},
	} {
		if c.by.Kind == identity.Customer {
			c.q.TenantID = f.jo.TenantID
		}
		page, err := f.Workloads(t.Context(), c.by, c.q)
		var got []string
		for _, w := range page.Rows {
			got = append(got, w.ID)
		}
		if err != nil || !slices.Equal(got, c.want) || page.Page != c.page || page.Pages != c.pages || page.Total != c.total {
			t.Errorf("%s: %d rows, page %d of %d, %d in all, %v", name, len(got), page.Page, page.Pages, page.Total, err)
		}
	}
	page, err := f.Workloads(t.Context(), f.jo, WorkloadQuery{TenantID: f.jo.TenantID, State: "error"})
	if err != nil || page.ReadyCount != 33 || page.FailedCount != 33 || page.PendingCount != 32 || page.RemovedCount != 32 {
		t.Errorf("the counts are %+v, %v", page, err)
	}
	if page, err := f.Workloads(t.Context(), identity.Administrator(), WorkloadQuery{}); err != nil || page.Total != 101 {
		t.Errorf("all are %d, %v", page.Total, err)
	}
	for _, c := range []struct {
		by    identity.Actor
		q     WorkloadQuery
		kind  fault.Kind
		field string
	}{
		{f.jo, WorkloadQuery{}, fault.NotFound, ""},
		{f.jo, WorkloadQuery{TenantID: other.TenantID}, fault.NotFound, ""},
		{f.jo, WorkloadQuery{TenantID: f.jo.TenantID, State: "requested"}, fault.Invalid, "state"},
		{f.jo, WorkloadQuery{TenantID: f.jo.TenantID, Search: strings.Repeat("x", maxSearchBytes+1)}, fault.Invalid, "search"},
	} {
		_, err := f.Workloads(t.Context(), c.by, c.q)
		isFault(t, err, c.kind, c.field)
	}
}

// TestWorkloadsFollow shows that a list tells what has changed since the last.
func TestWorkloadsFollow(t *testing.T) {
	f := newFixture(t)
	id := f.listed(f.jo.TenantID, 1)[0]
	q := WorkloadQuery{TenantID: f.jo.TenantID}
	for _, state := range []State{Ready, Failed, Upgrading} {
		r, err := f.workloads.Get(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		r.Value.State = state
		r.Value.Operation = &Operation{Sealed: []byte("x")}
		f.put(f.workloads.Write(id, r.Version, r.Value))
		page, err := f.Workloads(t.Context(), f.jo, q)
		if err != nil || page.Rows[0].State != state || page.ReadyCount+page.FailedCount+page.PendingCount != 1 || page.Rows[0].Operation.Sealed != nil {
			t.Errorf("%+v, %v", page, err)
		}
	}
}

// BenchmarkWorkloads reads a page of a tenant with 1,000 workloads, each after three operations: again, and for the first time.
func BenchmarkWorkloads(b *testing.B) {
	f := newFixture(b)
	f.listed(f.jo.TenantID, 1000)
	q := WorkloadQuery{TenantID: f.jo.TenantID, Search: "web"}
	for name, begin := range map[string]func(){"known": func() {}, "first": func() { f.rows = newRowCache() }} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				begin()
				if page, err := f.Workloads(b.Context(), f.jo, q); err != nil || page.Total != 750 {
					b.Fatal(page.Total, err)
				}
			}
		})
	}
}
