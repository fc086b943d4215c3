package postgres

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"llmhub/secret"
	"llmhub/store"
	"llmhub/store/postgres/pgtest"
)

// The primary is killed under load and its synchronous standby promoted: nothing that was acknowledged is lost, nothing
// counts twice, and versions and numbers of sources go on where they were. The URL names both.
func TestFailover(t *testing.T) {
	primary, err := pgtest.New()
	if err != nil {
		t.Fatal(err)
	}
	remove := func(s *pgtest.Server) {
		if err := s.Remove(); err != nil {
			t.Error(err)
		}
	}
	defer remove(primary)
	database, _, err := primary.Database()
	if err != nil {
		t.Fatal(err)
	}
	standby, err := primary.Standby()
	if err != nil {
		t.Fatal(err)
	}
	defer remove(standby)
	url := strings.Replace(primary.URL("127.0.0.1", primary.Port(), database), fmt.Sprint(":", primary.Port()),
		fmt.Sprintf(":%d,127.0.0.1:%d", primary.Port(), standby.Port()), 1)
	o := Options{noListen: true, pollEvery: 50 * time.Millisecond, Patience: time.Minute}
	const writers = 3
	var stores []*Store
	var sources []store.Source
	for range writers {
		s := openTest(t, secret.New(url), o)
		stores, sources = append(stores, s), append(sources, newSource(t, s))
	}
	versions, docs := follow(t, stores[0])
	before := mustPut(t, stores[1], "before", 0)

	stop := make(chan struct{})
	acknowledged := make([]int, writers)
	started := make(chan struct{}, writers)
	promoted := make(chan struct{})
	var all sync.WaitGroup
	for w, s := range stores {
		all.Go(func() {
			after := 0
			for seq := uint64(1); ; seq++ {
				mustCommit(t, s, sources[w], seq, eventOf(store.NewRequestID(sources[w], 2*seq), "k"), eventOf(store.NewRequestID(sources[w], 2*seq+1), "k"))
				acknowledged[w] += 2
				if seq == 20 {
					started <- struct{}{}
				}
				select {
				case <-promoted:
					after++
				case <-stop:
					return
				default:
				}
				if after == 20 {
					return
				}
			}
		})
	}
	for range writers {
		<-started
	}
	primary.Kill()
	if err := standby.Promote(); err != nil {
		close(stop)
		t.Fatal(err)
	}
	close(promoted)
	all.Wait()
	total := 0
	for _, n := range acknowledged {
		total += n
	}
	rows, err := stores[0].Usage(t.Context(), store.UsageQuery{Keys: []string{"k"}, From: 0, To: 100_000})
	if err != nil || len(rows) != 1 || rows[0].Requests != int64(total) {
		t.Errorf("%d requests were acknowledged, the sums have %+v, %v", total, rows, err)
	}
	if source := newSource(t, stores[1]); source <= sources[writers-1] {
		t.Errorf("source %d is given out behind %v", source, sources)
	}
	after := mustPut(t, stores[1], "after", 0)
	if after != before+1 {
		t.Errorf("version %d follows %d", after, before)
	}
	waitFor(t, versions, after)
	if got := docs(); len(got) != 2 {
		t.Errorf("%d documents delivered", len(got))
	}
}
