package metering

import (
	"container/list"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"sync"

	"llmhub/store"
)

// maxCachedRows bounds what a Cache holds; a row takes about a hundred bytes.
const maxCachedRows = 250_000

// History is what a Cache needs of a store.Ledger.
type History interface {
	Usage
	UsageVersion(ctx context.Context, from, to store.Day) (uint64, error)
}

// Cache is a Usage that remembers answers. One is given again only if nothing has been committed since for any day of
// its range, which the ledger tells: late commits and those of orphans are in the next answer, whatever day they are of.
// So answers about days that are over live long, and those about the current day hardly at all.
//
// It may be used concurrently. Answers are shared and must not be changed.
type Cache struct {
	history History

	mu      sync.Mutex
	answers map[question]*list.Element // of *cachedAnswer
	latest  list.List                  // most recently used first
	rows    int
}

// question is a query, with a hash in place of the keys: two sets of keys must not be taken for each other.
type question struct {
	keys                           [sha256.Size]byte
	all                            bool
	from, to                       store.Day
	byKey, byModel, byDay, byMonth bool
}

type cachedAnswer struct {
	question question
	version  uint64
	sums     []store.Sum
}

// size counts an answer without rows as one, since it takes room, too.
func (a *cachedAnswer) size() int { return 1 + len(a.sums) }

// NewCache returns an empty cache in front of a ledger.
func NewCache(h History) *Cache { return &Cache{history: h, answers: map[question]*list.Element{}} }

// Usage implements Usage.
func (c *Cache) Usage(ctx context.Context, q store.UsageQuery) ([]store.Sum, error) {
	// Before the sums are read: what is committed in between may be in them already, and makes them outdated at worst.
	version, err := c.history.UsageVersion(ctx, q.From, q.To)
	if err != nil {
		return nil, err
	}
	key := questionOf(q)
	if sums, found := c.find(key, version); found {
		return sums, nil
	}
	sums, err := c.history.Usage(ctx, q)
	if err == nil {
		c.keep(&cachedAnswer{question: key, version: version, sums: slices.Clip(sums)})
	}
	return sums, err
}

func questionOf(q store.UsageQuery) question {
	h := sha256.New()
	b := make([]byte, 0, 256)
	for _, k := range q.Keys {
		b = append(binary.AppendUvarint(b[:0], uint64(len(k))), k...)
		h.Write(b)
	}
	key := question{
		all: q.Keys == nil, from: q.From, to: q.To,
		byKey: q.ByKey, byModel: q.ByModel, byDay: q.ByDay, byMonth: q.ByMonth,
	}
	h.Sum(key.keys[:0])
	return key
}

func (c *Cache) find(key question, version uint64) ([]store.Sum, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.answers[key]
	if e == nil {
		return nil, false
	}
	a := e.Value.(*cachedAnswer)
	if a.version != version {
		return nil, false
	}
	c.latest.MoveToFront(e)
	return a.sums, true
}

// keep remembers an answer in place of the former one, unless it is too large, and forgets the oldest.
func (c *Cache) keep(a *cachedAnswer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.answers[a.question]; e != nil {
		c.forget(e)
	}
	if a.size() > maxCachedRows/4 {
		return
	}
	c.answers[a.question] = c.latest.PushFront(a)
	c.rows += a.size()
	for c.rows > maxCachedRows {
		c.forget(c.latest.Back())
	}
}

func (c *Cache) forget(e *list.Element) {
	a := c.latest.Remove(e).(*cachedAnswer)
	delete(c.answers, a.question)
	c.rows -= a.size()
}
