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

// BenchmarkFold measures adding a second of a busy hub to the sums: 40 batches of 256 events, of 100 keys or of one for
// each event.
func BenchmarkFold(b *testing.B) {
	for _, keys := range []int{100, 10_240} {
		b.Run(fmt.Sprintf("keys=%d", keys), func(b *testing.B) { benchmarkFold(b, keys) })
	}
}

func benchmarkFold(b *testing.B, keys int) {
	s := openTest(b, b.TempDir(), Options{Location: berlin(b), foldEvery: -1})
	src, err := s.NewSource(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	batch := store.Batch{Source: src, Events: make([]store.Event, 256)}
	n := 0
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		for range 40 {
			batch.Seq++
			for i := range batch.Events {
				n++
				batch.Events[i] = store.Event{ID: store.NewRequestID(src, uint64(n)), Key: fmt.Sprintf("key_%013d", n%keys),
					Model: "gpt-4o-mini", Deployment: "local/gpt-4o-mini", At: noon, Provenance: store.FromUpstream,
					Tokens: store.Tokens{Input: 900, Output: 300, CachedInput: 128}}
			}
			if err := s.commitWritten(batch); err != nil {
				b.Fatal(err)
			}
		}
		b.StartTimer()
		if err := s.fold(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n), "ns/event")
}
