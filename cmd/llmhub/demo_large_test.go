package main

import (
	"io"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"llmhub/identity"
	"llmhub/identity/iam/iamtest"
	"llmhub/store"
	"llmhub/store/local"
	"llmhub/subscription"
)

const testedKeys = 2500

// TestLargeDemo makes a smaller large demo and counts what there is: the ledger has what was written, in sum and by
// model, and the folder verifies.
func TestLargeDemo(t *testing.T) {
	now := time.Now()
	plan := largePlan(now, testedKeys)
	directory, err := iamtest.Start(iamtest.Options{Domains: plan.domains()})
	if err != nil {
		t.Fatal(err)
	}
	defer directory.Close()
	cfg, err := demoConfig("127.0.0.1:0", t.TempDir(), "http://127.0.0.1:1/v1")
	if err != nil {
		t.Fatal(err)
	}
	cfg.IAM.URL = directory.URL
	s, err := newServer(t.Context(), cfg, newLogger(io.Discard, slog.LevelWarn))
	if err != nil {
		t.Fatal(err)
	}
	closed := false
	defer func() {
		if !closed {
			s.close()
		}
	}()
	w, err := s.furnish(t.Context(), plan, newProgress(io.Discard))
	if err != nil {
		t.Fatal(err)
	}
	countDocuments(t, s, plan)
	compareLedger(t, s, w)
	closed = true
	if err := s.close(); err != nil {
		t.Fatal(err)
	}
	if r, err := local.Verify(t.Context(), cfg.Data, storeOptions(cfg, s.log)); err != nil || len(r.Differences) > 0 || r.Events == 0 {
		t.Errorf("verified %+v, %v", r, err)
	}
}

// countDocuments compares what the domain knows with the plan.
func countDocuments(t *testing.T, s *server, plan demoPlan) {
	t.Helper()
	by := identity.Administrator()
	keys, err := s.service.KeysOf(t.Context(), by, subscription.KeyFilter{})
	if err != nil || len(keys) != testedKeys {
		t.Errorf("%d keys, %v", len(keys), err)
	}
	fates := map[demoFate]int{}
	for _, c := range plan.customers {
		fates[c.fate]++
	}
	for fate := range fateCancelled + 1 {
		if fates[fate] == 0 {
			t.Errorf("nobody has fate %d", fate)
		}
	}
	subs, err := s.service.SubscriptionPage(t.Context(), by, subscription.SubscriptionQuery{})
	if want := len(plan.customers) - fates[fateWaiting] - fates[fateRejected]; err != nil || subs.Active+subs.Cancelled != want || subs.Cancelled != fates[fateCancelled] {
		t.Errorf("%d active and %d cancelled subscriptions, %v", subs.Active, subs.Cancelled, err)
	}
	tenants, err := s.people.tenants.Find(t.Context(), by, "")
	if err != nil || len(tenants) != len(plan.customers) {
		t.Errorf("%d tenants, %v", len(tenants), err)
	}
	queue, _, err := s.people.profiles.Queue(t.Context(), by, "", 1000)
	if err != nil || len(queue) != fates[fateWaiting]+fates[fateChanging] {
		t.Errorf("%d profiles wait, %v", len(queue), err)
	}
	first := slices.IndexFunc(tenants, func(v identity.Tenant) bool { return v.Domain == iamtest.CustomerDomain })
	if own, err := s.service.KeysOf(t.Context(), by, subscription.KeyFilter{TenantID: tenants[first].ID}); err != nil || len(own) != testedKeys/20 {
		t.Errorf("the first customer has %d keys, %v", len(own), err)
	}
}

// compareLedger compares the ledger's sums with those of the generator.
func compareLedger(t *testing.T, s *server, w demoWorld) {
	t.Helper()
	today := store.DayOf(time.Now(), time.UTC)
	for _, byKey := range []bool{false, true} { // these are other sums of the store
		sums, err := s.store.Usage(t.Context(), store.UsageQuery{From: today - 2*largeDays, To: today + 2, ByModel: true, ByKey: byKey})
		if err != nil {
			t.Fatal(err)
		}
		got := demoTotals{}
		for _, row := range sums {
			sum := got[row.Model]
			sum.Requests += row.Requests
			sum.Tokens.Add(row.Tokens)
			sum.Quantities = sum.Quantities.PlusAll(row.Quantities)
			got[row.Model] = sum
		}
		if !reflect.DeepEqual(got, w.used) || len(got) == 0 {
			t.Errorf("the ledger has\n%+v, written was\n%+v", got, w.used)
		}
	}
}

func TestPlansOfADayAreTheSame(t *testing.T) {
	now := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	if !reflect.DeepEqual(largePlan(now, testedKeys), largePlan(now, testedKeys)) {
		t.Error("two plans of one moment differ")
	}
	plan := largePlan(now, largeKeys)
	keys, subscriptions, largest, domains := 0, 0, 0, map[string]bool{}
	for _, c := range plan.customers {
		keys += len(c.keys)
		largest = max(largest, len(c.keys))
		if domains[c.domain] {
			t.Errorf("domain %s has two tenants", c.domain)
		}
		domains[c.domain] = true
		if len(c.keys) > 0 {
			subscriptions++
		}
	}
	if keys != plan.total || keys != largeKeys-1 || subscriptions != 1000 || largest != 4999 || largest != len(plan.customers[0].keys) {
		t.Errorf("%d keys in %d subscriptions, the largest of %d", keys, subscriptions, largest)
	}
	if _, err := planDemo("huge", now); err == nil || !strings.Contains(err.Error(), "huge") {
		t.Errorf("an unheard size gives %v", err)
	}
}

// TestBulkDocuments compares many puts through a bulk with what each of them alone would have left.
func TestBulkDocuments(t *testing.T) {
	s, err := local.Open(t.TempDir(), local.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	ctx := t.Context()
	b := newBulkDocuments(s)
	put := func(ok bool, w store.Write) {
		t.Helper()
		w.Kind = "thing"
		if _, err := b.Put(ctx, w); (err == nil) != ok {
			t.Errorf("%+v: %v", w, err)
		}
	}
	get := func(id string) store.Document {
		t.Helper()
		d, err := b.Get(ctx, "thing", id)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	body := func(s string) []byte { return []byte(`"` + s + `"`) }
	put(true, store.Write{ID: "a", Body: body("1")})
	put(false, store.Write{ID: "a", Body: body("2")}) // exists by now
	put(true, store.Write{ID: "a", Expect: get("a").Version, Body: body("3")})
	put(true, store.Write{ID: "a", Expect: get("a").Version, Check: true})
	put(true, store.Write{ID: "gone", Body: body("1")})
	put(true, store.Write{ID: "gone", Expect: get("gone").Version, Delete: true})
	put(true, store.Write{ID: "none", Check: true})
	put(true, store.Write{ID: "none", Body: body("made after all")})
	if got := string(get("a").Body); got != `"3"` {
		t.Errorf("a is %s before it is written", got)
	}
	unwritten := get("a").Version
	page, _, err := b.List(ctx, store.ListQuery{Kind: "thing"})
	if err != nil || len(page) != 2 || string(page[0].Body) != `"3"` || string(page[1].Body) != `"made after all"` {
		t.Errorf("%+v, %v", page, err)
	}
	stored := get("a")
	if stored.Version == 0 || stored.Version >= bulkVersion {
		t.Errorf("version %d after it is written", stored.Version)
	}
	put(false, store.Write{ID: "a", Expect: unwritten, Body: body("4")})
	put(true, store.Write{ID: "a", Expect: stored.Version, Delete: true})
	put(true, store.Write{ID: "a", Body: body("again")})
	put(true, store.Write{ID: "other", Expect: 99, Body: body("x")})
	if err := b.flush(ctx); err == nil {
		t.Error("what the store has at another version is written")
	}
}
