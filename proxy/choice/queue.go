package choice

import "time"

// queue is those who wait for a slot of a target, the first to come first. It is under the target's lock.
type queue struct {
	first, last *Ticket
	n           int
}

// Ticket is a place in a target's queue. It must be given up by Wait.
type Ticket struct {
	target     *Target
	patience   time.Duration
	ready      chan struct{} // closed when it is settled
	slot       Slot          // under the target's lock, like those below
	granted    bool
	queued     bool
	prev, next *Ticket
}

func (q *queue) push(t *Target, patience time.Duration) *Ticket {
	k := &Ticket{target: t, patience: patience, ready: make(chan struct{}), queued: true, prev: q.last}
	if q.last == nil {
		q.first = k
	} else {
		q.last.next = k
	}
	q.last = k
	q.n++
	return k
}

func (q *queue) remove(k *Ticket) {
	if k.prev == nil {
		q.first = k.next
	} else {
		k.prev.next = k.next
	}
	if k.next == nil {
		q.last = k.prev
	} else {
		k.next.prev = k.prev
	}
	k.prev, k.next, k.queued = nil, nil, false
	q.n--
}

func (q *queue) pop() *Ticket {
	k := q.first
	q.remove(k)
	return k
}

// refuse sends all who wait elsewhere.
func (q *queue) refuse() {
	for q.n > 0 {
		q.pop().settle(Slot{}, false)
	}
}

func (k *Ticket) settle(s Slot, granted bool) {
	k.slot, k.granted = s, granted
	close(k.ready)
}

// Wait waits for a slot, until the target's patience ends or something comes from wake. granted says whether it got one;
// woken, whether it was woken before, in which case it got none.
func (k *Ticket) Wait(wake <-chan struct{}) (slot Slot, granted, woken bool) {
	timer := time.NewTimer(k.patience)
	defer timer.Stop()
	select {
	case <-k.ready:
	case <-timer.C:
	case <-wake:
		woken = true
	}
	k.target.mu.Lock()
	defer k.target.mu.Unlock()
	if k.queued {
		k.target.queue.remove(k)
		return Slot{}, false, woken
	}
	slot, k.slot = k.slot, Slot{}
	if woken && k.granted {
		slot.end()
		return Slot{}, false, true
	}
	return slot, k.granted, woken
}
