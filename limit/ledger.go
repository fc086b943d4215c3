package limit

import (
	"context"
	"errors"
	"sync"

	"llmhub/metering"
	"llmhub/store"
)

// endShards is how many maps the requests that wait for their commit are in; a power of two.
const endShards = 64

// endShard holds requests that have been settled and not committed.
type endShard struct {
	mu   sync.Mutex
	byID map[store.RequestID]*Reservation
}

func (e *Engine) endsOf(id store.RequestID) *endShard { return &e.ends[uint64(id)%endShards] }

// await keeps a settled reservation until its event is committed.
func (e *Engine) await(id store.RequestID, r *Reservation) {
	h := e.endsOf(id)
	h.mu.Lock()
	h.byID[id] = r
	h.mu.Unlock()
}

// awaited takes the reservation of an event; nil if there is none.
func (e *Engine) awaited(id store.RequestID) *Reservation {
	h := e.endsOf(id)
	h.mu.Lock()
	defer h.mu.Unlock()
	r := h.byID[id]
	delete(h.byID, id)
	return r
}

// Ledger returns a ledger that tells the engine what is committed. All usage must go through it.
func (e *Engine) Ledger(inner metering.Ledger) metering.Ledger { return &watched{inner, e} }

type watched struct {
	metering.Ledger
	e *Engine
}

// Commit implements metering.Ledger.
func (w *watched) Commit(ctx context.Context, b store.Batch) error {
	e := w.e
	e.loads.RLock()
	err := w.Ledger.Commit(ctx, b)
	var crossed []Crossing
	switch {
	case err == nil:
		crossed = e.committed(b.Events, e.doubt.ends(b.Source, b.Seq))
	case !errors.Is(err, store.ErrInvalid) && !errors.Is(err, store.ErrTooLarge):
		e.doubt.begins(b.Source, b.Seq)
	case len(b.Events) == 1:
		// The ledger will never take it, so that it is not spent.
		if r := e.awaited(b.Events[0].ID); r != nil {
			r.release()
		}
	}
	e.loads.RUnlock()
	e.tell(crossed)
	return err
}

// doubt remembers the batch whose commit has failed: it may be in the ledger all the same, and be read there before it is
// sent again. The recorder sends no other one before it.
type doubt struct {
	mu     sync.Mutex
	source store.Source
	seq    uint64
}

func (d *doubt) begins(source store.Source, seq uint64) {
	d.mu.Lock()
	d.source, d.seq = source, seq
	d.mu.Unlock()
}

// ends says whether the batch was in doubt, which it is no more.
func (d *doubt) ends(source store.Source, seq uint64) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if seq == 0 || d.source != source || d.seq != seq {
		return false
	}
	d.source, d.seq = 0, 0
	return true
}

// committed counts events as spent, and lets go of what was reserved for them in the same step. doubtful says that
// scopes may have read them already, and are to be read again.
func (e *Engine) committed(events []store.Event, doubtful bool) (crossed []Crossing) {
	var buf [512]byte
	c := e.calendarAt(e.opts.Now())
	for i := range events {
		ev := &events[i]
		day := c.day
		if at := ev.At.Unix(); at < c.from || at >= c.to {
			day = store.DayOf(ev.At, e.opts.Location)
		}
		u := use{ev: ev, calendar: c, day: day, doubtful: doubtful, reservation: e.awaited(ev.ID)}
		id := append(buf[:0], ev.Key...)
		u.count(u.pinned(e, id))
		if sub := e.opts.SubscriptionOf(ev.Key); sub != "" {
			id = append(buf[:0], sub...)
			u.count(u.pinned(e, id))
			id = append(append(id, '/'), ev.Model...)
			u.count(u.pinned(e, id))
		}
		if u.reservation != nil {
			u.countRest()
		}
		crossed = append(crossed, u.crossed...)
	}
	return crossed
}

// use is one event on its way into the scopes.
type use struct {
	ev          *store.Event
	calendar    *calendar
	day         store.Day // of the event
	cost        money     // once charged
	charged     bool
	doubtful    bool
	reservation *Reservation
	crossed     []Crossing
}

// pinned is Engine.pinned, which need not look for what the request was admitted in.
func (u *use) pinned(e *Engine, id []byte) *scope {
	if r := u.reservation; r != nil {
		for _, s := range r.scopes[:r.n] {
			if s.id == string(id) {
				s.pins.Add(1)
				return s
			}
		}
	}
	return e.pinned(id)
}

// count adds the event to a scope, which may be nil, and unpins it.
func (u *use) count(s *scope) {
	if s == nil {
		return
	}
	if !u.charged {
		u.cost, u.charged = u.calendar.charge(u.ev, u.day), true
	}
	s.mu.Lock()
	if r := u.reservation; r != nil {
		r.leave(s)
	}
	if u.doubtful {
		s.loaded = false
	}
	s.spend(u.day.Month(), u.ev.Tokens.Total(), u.cost)
	u.crossed = s.crossed(u.crossed)
	s.mu.Unlock()
	s.unpin()
}

// countRest adds the event to scopes that the request was admitted in and that its key does not lead to any more.
func (u *use) countRest() {
	for i, s := range u.reservation.scopes {
		if s != nil && !u.reservation.left[i] {
			s.pins.Add(1)
			u.count(s)
		}
	}
	u.reservation.unpin()
}
