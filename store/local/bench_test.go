package local

import (
	"fmt"
	"testing"

	"llmhub/store"
	"llmhub/store/local/usagelog"
)

// BenchmarkCommit measures a commit by the number of its events: once with the disk's sync, once without waiting for
// the disk, which leaves the work of this package.
func BenchmarkCommit(b *testing.B) {
	for _, size := range []int{1, 16, 256} {
		b.Run(fmt.Sprintf("events=%d/synced", size), func(b *testing.B) { benchmarkCommit(b, size, (*Store).commitSynced) })
		b.Run(fmt.Sprintf("events=%d/written", size), func(b *testing.B) { benchmarkCommit(b, size, (*Store).commitWritten) })
	}
}

func (s *Store) commitSynced(b store.Batch) error {
	seq, err := s.append(&entries{Batch: b})
	if err == nil {
		err = s.log.SyncTo(seq)
	}
	return err
}

func (s *Store) commitWritten(b store.Batch) error {
	_, err := s.append(&entries{Batch: b})
	return err
}

func benchmarkCommit(b *testing.B, size int, commit func(*Store, store.Batch) error) {
	s := openTest(b, b.TempDir(), Options{Location: berlin(b)})
	src, err := s.NewSource(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	batch := store.Batch{Source: src, Events: make([]store.Event, size)}
	var keys [100]string
	for i := range keys {
		keys[i] = fmt.Sprintf("key_%013d", i)
	}
	id := uint64(0)
	before := s.log.Bytes()
	b.ReportAllocs()
	for b.Loop() {
		batch.Seq++
		for i := range batch.Events {
			id++
			batch.Events[i] = store.Event{ID: store.NewRequestID(src, id), Key: keys[id%100], Model: "gpt-4o-mini",
				Deployment: "local/gpt-4o-mini", At: noon, Duration: 1234e6, Provenance: store.FromUpstream,
				Tokens: store.Tokens{Input: 900, Output: 300, CachedInput: 128}}
		}
		if err := commit(s, batch); err != nil {
			b.Fatal(err)
		}
	}
	b.StopTimer()
	frames := int64(batch.Seq) * usagelog.FrameBytes(0)
	b.ReportMetric(float64(s.log.Bytes()-before-frames)/float64(id), "payload-B/event")
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(id), "ns/event")
}
