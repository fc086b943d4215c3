package usagelog

import (
	"bytes"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"llmhub/store"
)

// forge returns a segment with frames of the given headers, all their checksums right.
func forge(head segmentHeader, frames ...frameHeader) []byte {
	b := head.encode()
	for i, h := range frames {
		b, _ = appendFrame(b, h, head.salt, payload(i))
	}
	return b
}

// chainOf returns the checksum of the only frame of a forged segment.
func chainOf(head segmentHeader, h frameHeader) uint32 {
	_, sum := appendFrame(nil, h, head.salt, payload(0))
	return sum
}

// TestFramesInWrongOrder has frames whose own checksums are right, in places where they do not belong, whole and torn.
func TestFramesInWrongOrder(t *testing.T) {
	dir := t.TempDir()
	head := segmentHeader{number: 1, firstSeq: 1, previous: 11, salt: 5}
	one := frameHeader{seq: 1, previous: 11}
	chain := chainOf(head, one)
	wantFrames(t, dir, image{first: forge(head, one, frameHeader{seq: 2, previous: chain})}, 2, "the right frame")
	for what, two := range map[string]frameHeader{
		"a number left out":   {seq: 3, previous: chain},
		"a number repeated":   {seq: 1, previous: chain},
		"another predecessor": {seq: 2, previous: chain + 1},
	} {
		b := forge(head, one, two)
		wantDamage(t, dir, image{first: b}, what)
		wantDamage(t, dir, image{first: b[:len(b)-1]}, what+", torn")
	}
}

// TestSegmentsInWrongOrder has segments that do not continue each other.
func TestSegmentsInWrongOrder(t *testing.T) {
	dir := t.TempDir()
	head := segmentHeader{number: 1, firstSeq: 1, previous: 11, salt: 5}
	one := frameHeader{seq: 1, previous: 11}
	chain := chainOf(head, one)
	second := func(h segmentHeader) image {
		h.number = 2
		two, _ := appendFrame(h.encode(), frameHeader{seq: h.firstSeq, previous: h.previous}, h.salt, payload(1))
		return image{first: forge(head, one), "00000002.log": two}
	}
	wantFrames(t, dir, second(segmentHeader{firstSeq: 2, previous: chain, salt: 5}), 2, "the right segment")
	wantDamage(t, dir, second(segmentHeader{firstSeq: 3, previous: chain, salt: 5}), "a number left out")
	wantDamage(t, dir, second(segmentHeader{firstSeq: 0, previous: chain, salt: 5}), "an earlier number")
	wantDamage(t, dir, second(segmentHeader{firstSeq: 2, previous: chain + 1, salt: 5}), "another predecessor")
	wantDamage(t, dir, second(segmentHeader{firstSeq: 2, previous: chain, salt: 6}), "another log")

	for _, h := range []segmentHeader{{number: 2, firstSeq: 2, previous: chain, salt: 6}, {number: 2, previous: chain, salt: 5}} {
		image{first: forge(head, one), "00000002.log": h.encode()}.restore(t, dir)
		if l, err := Open(dir, Options{}); !errors.Is(err, store.ErrDamaged) || l != nil {
			t.Errorf("Open with segment %+v: %v, want damage", h, err)
		}
	}
}

// TestFrameBeyondLimit refuses a frame that is whole but larger than any that is written.
func TestFrameBeyondLimit(t *testing.T) {
	head := segmentHeader{number: 1, firstSeq: 1, previous: 11, salt: 5}
	b, _ := appendFrame(head.encode(), frameHeader{seq: 1, previous: 11}, 5, bytes.Repeat([]byte{1}, MaxPayload+1))
	dir := t.TempDir()
	wantDamage(t, dir, image{first: b}, "a frame beyond the limit")
	wantDamage(t, dir, image{first: b[:1000]}, "a torn frame beyond the limit")
}

// TestAppendsShareSyncs lets many durable appends gather behind a sync that hangs: one more sync serves them all.
func TestAppendsShareSyncs(t *testing.T) {
	hanging, release := make(chan struct{}), make(chan struct{})
	var syncs atomic.Int64
	var armed atomic.Bool
	l := mustOpen(t, t.TempDir(), Options{Faults: Faults{Sync: func() error {
		if armed.Load() && syncs.Add(1) == 1 {
			close(hanging)
			<-release
		}
		return nil
	}}})
	armed.Store(true)
	const more = 20
	var all sync.WaitGroup
	appendOne := func() {
		if _, err := l.Append(payload(0), true); err != nil {
			t.Error(err)
		}
	}
	all.Go(appendOne)
	<-hanging
	for range more {
		all.Go(appendOne)
	}
	for l.LastSeq() < more+1 {
		runtime.Gosched()
	}
	close(release)
	all.Wait()
	if n := syncs.Load(); n != 2 {
		t.Fatalf("%d syncs for %d appends, want 2", n, more+1)
	}
	if l.SyncedSeq() != more+1 {
		t.Fatalf("synced up to %d", l.SyncedSeq())
	}
}
