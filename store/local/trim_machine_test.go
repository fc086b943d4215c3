package local

import (
	"fmt"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"llmhub/store"
)

// trimKeys are keys with the shortest and the longest name, and one whose length is two bytes as a uvarint.
var trimKeys = []string{"a", strings.Repeat("b", store.MaxName), strings.Repeat("c", 128)}

// trimMachine does at random what can happen to a folder with a retention, and compares it with lists of what was
// committed.
type trimMachine struct {
	t   *testing.T
	dir string
	o   Options
	now time.Time
	s   *Store

	src      store.Source
	seq, n   uint64
	events   []store.Event
	orphans  map[store.RequestID]bool
	restored int
}

func (m *trimMachine) must(err error) {
	m.t.Helper()
	if err != nil {
		m.t.Fatal(err)
	}
}

func (m *trimMachine) open() {
	m.t.Helper()
	m.s = openTest(m.t, m.dir, m.o)
	var err error
	m.src, err = m.s.NewSource(m.t.Context())
	m.must(err)
	m.seq, m.n = 0, 0
}

// close ends the process; in a crash what is not folded stays so.
func (m *trimMachine) close(crash bool) {
	m.t.Helper()
	m.s.options.foldFault = func() error {
		if crash {
			return errCrash
		}
		return nil
	}
	m.must(m.s.Close())
}

func (m *trimMachine) id() store.RequestID {
	m.n++
	return store.NewRequestID(m.src, m.n)
}

// at returns a time on either side of the retention's edge.
func (m *trimMachine) at(r *rapid.T) time.Time {
	hours := rapid.OneOf(rapid.IntRange(0, 29*24), rapid.IntRange(31*24, 100*24)).Draw(r, "hours ago")
	return m.now.Add(-time.Duration(hours) * time.Hour)
}

// commit writes batches, half of the time with nothing but what is older than the retention, as it is with a log that
// ages: only so do segments become old as a whole.
func (m *trimMachine) commit(r *rapid.T) {
	allOld := rapid.Bool().Draw(r, "old")
	for range rapid.IntRange(1, 5).Draw(r, "batches") {
		m.seq++
		b := store.Batch{Source: m.src, Seq: m.seq}
		for range rapid.IntRange(1, 8).Draw(r, "events") {
			e := store.Event{
				ID: m.id(), Key: rapid.SampledFrom(trimKeys).Draw(r, "key"),
				Model: rapid.SampledFrom([]string{"m", strings.Repeat("n", store.MaxName)}).Draw(r, "model"), Deployment: "up/m", At: m.at(r),
				Provenance: store.FromUpstream, Tokens: store.Tokens{Input: 10, Output: int64(m.n)},
			}
			if allOld && e.At.After(m.now.Add(-testRetention)) {
				e.At = e.At.Add(-testRetention - time.Hour)
			}
			if m.n%2 == 0 {
				e.Quantities = e.Quantities.Plus(store.UnitImage1024, int64(m.n))
			}
			b.Events = append(b.Events, e)
		}
		m.must(m.s.Commit(m.t.Context(), b))
		m.must(m.s.Commit(m.t.Context(), b)) // again, as after an answer that was lost
		m.events = append(m.events, b.Events...)
	}
}

func (m *trimMachine) begin(*rapid.T) {
	id := m.id()
	m.must(m.s.Mark(m.t.Context(), m.src, []store.Mark{{Kind: store.MarkBegun, ID: id, Key: "d", Model: "m", Deployment: "up/m", At: m.now}}))
	m.orphans[id] = true
}

func (m *trimMachine) trim(*rapid.T) { m.must(m.s.trim(m.t.Context(), m.now)) }

// dieTrimming leaves off before the rows are removed that point to what is gone.
func (m *trimMachine) dieTrimming(*rapid.T) {
	m.must(m.s.log.EndSegment(time.Now().Add(time.Minute)))
	first, err := m.s.firstKept(m.t.Context(), m.now)
	m.must(err)
	if begin, _ := m.s.log.First(); first > begin.Segment {
		m.must(m.s.trimTo(m.t.Context(), first))
	}
	m.close(true)
	m.open()
}

func (m *trimMachine) fold(*rapid.T) { m.must(m.s.fold()) }

func (m *trimMachine) restart(r *rapid.T) {
	m.close(rapid.Bool().Draw(r, "crash"))
	m.verify()
	m.open()
}

func (m *trimMachine) verify() {
	m.t.Helper()
	report, err := Verify(m.t.Context(), m.dir, m.o)
	m.must(err)
	if all := report.Events + report.RemovedEvents; all != int64(len(m.events)) || report.OpenMarks != len(m.orphans) {
		m.t.Fatalf("%d events and %d open requests were recorded, verified are %+v", len(m.events), len(m.orphans), report)
	}
}

func (m *trimMachine) backup(*rapid.T) {
	file, _ := backupTo(m.t, m.s)
	m.close(false)
	m.restored++
	m.dir = filepath.Join(m.t.TempDir(), fmt.Sprint(m.restored))
	_, err := Restore(m.t.Context(), file, m.dir, RestoreOptions{})
	m.must(err)
	m.open()
}

func (m *trimMachine) check(*rapid.T) {
	type group struct {
		key, model string
		day        store.Day
	}
	sums := map[group]store.Sum{}
	used := map[string]time.Time{}
	for i := range m.events {
		e := &m.events[i]
		g := group{e.Key, e.Model, store.DayOf(e.At, m.o.Location)}
		s := sums[g]
		s.Key, s.Model, s.Day, s.Requests = g.key, g.model, g.day, s.Requests+1
		s.Tokens.Add(e.Tokens)
		s.Quantities = s.Quantities.PlusAll(e.Quantities)
		sums[g] = s
		if e.At.After(used[e.Key]) {
			used[e.Key] = e.At
		}
	}
	got, err := m.s.Usage(m.t.Context(), store.UsageQuery{From: 0, To: 40000, ByKey: true, ByModel: true, ByDay: true})
	m.must(err)
	for _, s := range got {
		want := sums[group{s.Key, s.Model, s.Day}]
		if s.Requests != want.Requests || s.Tokens != want.Tokens || !slices.Equal(s.Quantities, want.Quantities) {
			m.t.Fatalf("usage %+v, want %+v", s, want)
		}
	}
	if len(got) != len(sums) {
		m.t.Fatalf("%d sums, want %d", len(got), len(sums))
	}
	last, err := m.s.LastUsed(m.t.Context(), trimKeys)
	m.must(err)
	if !reflect.DeepEqual(last, used) {
		m.t.Fatalf("last used %v, want %v", last, used)
	}
	for _, key := range trimKeys {
		m.checkPages(key)
	}
}

// checkPages reads the single requests of a key in small pages.
func (m *trimMachine) checkPages(key string) {
	m.t.Helper()
	var want, got []string
	for _, e := range slices.Backward(m.events) {
		if e.Key == key && e.At.After(m.now.Add(-testRetention)) {
			want = append(want, fmt.Sprintf("%+v", e))
		}
	}
	q := store.EventQuery{Key: key, Limit: 3}
	for {
		page, next, err := m.s.Events(m.t.Context(), q)
		m.must(err)
		for _, e := range page {
			got = append(got, fmt.Sprintf("%+v", e))
		}
		if next == "" {
			break
		}
		if q.Cursor = next; len(page) < q.Limit {
			m.t.Fatalf("a page of %d has a next one", len(page))
		}
	}
	if !slices.Equal(got, want) {
		m.t.Fatalf("events of %s:\n%s\nwant:\n%s", key, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestRetentionMachine: however commits, folds, trims, crashes, verifications and backups follow one another, sums have all, and pages
// what is not older than the retention.
func TestRetentionMachine(t *testing.T) {
	removed := int64(0)
	rapid.Check(t, func(r *rapid.T) {
		m := &trimMachine{
			t: t, dir: t.TempDir(), now: time.Now().UTC().Truncate(time.Millisecond), orphans: map[store.RequestID]bool{},
			o: Options{Location: berlin(t), Retention: testRetention, foldEvery: -1, trimEvery: -1, SegmentBytes: 600},
		}
		m.open()
		r.Repeat(map[string]func(*rapid.T){
			"": m.check, "commit": m.commit, "commit more": m.commit, "begin": m.begin, "fold": m.fold, "trim": m.trim,
			"die trimming": m.dieTrimming, "restart": m.restart, "backup": m.backup,
		})
		m.trim(r)
		m.check(r)
		m.close(false)
		m.verify()
		report, err := Verify(t.Context(), m.dir, m.o)
		m.must(err)
		removed += report.RemovedEvents
	})
	if removed == 0 {
		t.Error("nothing was ever removed")
	}
}
