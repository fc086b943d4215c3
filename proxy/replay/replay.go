// Package replay remembers answers, so that a request which is sent again under the same Idempotency-Key is answered from
// the one that runs or has finished, and is charged once.
//
// All is in memory, bounded in bytes and in time, and lost with the process. Where an answer had to make room its key is
// remembered all the same: the request is then refused rather than served, and charged, a second time.
package replay

import (
	"container/list"
	"errors"
	"sync"
	"time"
)

// Why a request cannot be answered, tested with errors.Is.
var (
	// ErrMismatch: the key was used for another request.
	ErrMismatch = errors.New("idempotency key used for another request")
	// ErrGone: the request has finished, and its answer had to make room or was too large to be kept.
	ErrGone = errors.New("answer no longer kept")
	// ErrUnfinished: the request that is answered from did not come to its end.
	ErrUnfinished = errors.New("the request did not finish")
)

// Print identifies what was asked for: a hash of all that decides about the answer.
type Print [32]byte

// Bounds limit what is remembered.
type Bounds struct {
	// Bytes bounds all answers together, AnswerBytes each of them.
	Bytes, AnswerBytes int
	// Keys bounds the keys that are remembered, those whose answer is gone among them.
	Keys int
	// Age is how long a key is remembered, from the beginning of its request.
	Age time.Duration
}

// Cache holds answers by key. It may be used concurrently.
type Cache struct {
	bounds Bounds

	mu    sync.Mutex
	byKey map[string]*Recording
	order list.List // of *Recording, the oldest first
	bytes int
}

// NewCache returns an empty cache.
func NewCache(b Bounds) *Cache { return &Cache{bounds: b, byKey: map[string]*Recording{}} }

// Recording is the answer to one request: written by the one that leads, read by those that follow.
type Recording struct {
	cache *Cache
	key   string
	print Print
	began time.Time
	place *list.Element // in cache.order; nil once it is forgotten

	// All below is under cache.mu.
	head    Head
	chunks  [][]byte
	size    int
	state   state
	ended   bool          // Finish or Fail has been called
	changed chan struct{} // closed and replaced when something is added, if somebody waits
}

type state uint8

const (
	running state = iota
	finished
	gone   // the answer is not kept
	failed // not finished, and forgotten
)

// Head is what stands before an answer's body.
type Head struct {
	Status      int
	ContentType string
	// RequestID is that of the request which leads.
	RequestID string
}

// Join returns the recording of a key. The caller that gets leads=true must answer the request, write what it answers, and
// call Finish or Fail; all others read. The error is ErrMismatch or ErrGone.
func (c *Cache) Join(key string, print Print, now time.Time) (r *Recording, leads bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.expire(now)
	if r := c.byKey[key]; r != nil {
		switch {
		case r.print != print:
			return nil, false, ErrMismatch
		case r.state == gone:
			return nil, false, ErrGone
		}
		return r, false, nil
	}
	c.makeRoomForKey()
	r = &Recording{cache: c, key: key, print: print, began: now}
	r.place = c.order.PushBack(r)
	c.byKey[key] = r
	return r, true, nil
}

// expire forgets what is too old, but for what still runs.
func (c *Cache) expire(now time.Time) {
	for e := c.order.Front(); e != nil; {
		r := e.Value.(*Recording)
		if now.Sub(r.began) < c.bounds.Age {
			return
		}
		e = e.Next()
		c.forget(r)
	}
}

// makeRoomForKey forgets the oldest keys whose requests do not run, as far as there are too many.
func (c *Cache) makeRoomForKey() {
	for e := c.order.Front(); e != nil && c.order.Len() >= c.bounds.Keys; {
		r := e.Value.(*Recording)
		e = e.Next()
		c.forget(r)
	}
}

// forget lets go of a key whose request does not run. Its answer stays with those who are reading it.
func (c *Cache) forget(r *Recording) {
	if !r.ended || r.place == nil {
		return
	}
	c.order.Remove(r.place)
	r.place = nil
	delete(c.byKey, r.key)
	c.bytes -= r.size
}

// makeRoom lets go of the oldest finished answers until so many bytes more fit, and says whether they do.
func (c *Cache) makeRoom(n int) bool {
	for e := c.order.Front(); e != nil && c.bytes+n > c.bounds.Bytes; e = e.Next() {
		if r := e.Value.(*Recording); r.state == finished && r.size > 0 {
			c.bytes -= r.size
			r.state, r.chunks, r.size = gone, nil, 0
		}
	}
	return c.bytes+n <= c.bounds.Bytes
}

// Begin sets what stands before the body. It is called once, before Write, by the one that leads.
func (r *Recording) Begin(h Head) {
	r.cache.mu.Lock()
	defer r.cache.mu.Unlock()
	r.head = h
	r.wake()
}

// Write adds a copy of b to the answer. Where there is no room the answer is not kept, and those who follow are told so.
func (r *Recording) Write(b []byte) {
	if len(b) == 0 {
		return
	}
	c := r.cache
	c.mu.Lock()
	defer c.mu.Unlock()
	defer r.wake()
	if r.state != running {
		return
	}
	if r.size+len(b) > c.bounds.AnswerBytes || !c.makeRoom(len(b)) {
		c.bytes -= r.size
		r.state, r.chunks, r.size = gone, nil, 0
		return
	}
	r.chunks = append(r.chunks, append([]byte(nil), b...))
	r.size += len(b)
	c.bytes += len(b)
}

// Finish says that the answer is whole and has been charged. Only the first call of Finish or Fail counts.
func (r *Recording) Finish() { r.end(finished) }

// Fail forgets the request, so that the next one with its key is served.
func (r *Recording) Fail() { r.end(failed) }

func (r *Recording) end(s state) {
	c := r.cache
	c.mu.Lock()
	defer c.mu.Unlock()
	if r.ended {
		return
	}
	r.ended = true
	if r.state == running || s == failed { // an answer that is not kept stays gone where it has been charged
		r.state = s
	}
	if s == failed {
		c.forget(r)
	}
	r.wake()
}

// wake wakes those who wait; the caller holds cache.mu.
func (r *Recording) wake() {
	if r.changed != nil {
		close(r.changed)
		r.changed = nil
	}
}
