package proxy

import (
	"context"
	"time"

	"llmhub/proxy/socket"
)

// liveList holds the requests under way.
type liveList struct {
	vacancy
	head exchange // of a ring
	n    int
}

func (l *liveList) init() { l.head.prev, l.head.next = &l.head, &l.head }

// add adds a request, unless there are as many as limit; 0 is no limit.
func (l *liveList) add(x *exchange, limit int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if limit > 0 && l.n >= limit {
		return false
	}
	x.prev, x.next = l.head.prev, &l.head
	x.prev.next, l.head.prev = x, x
	l.n++
	return true
}

// remove takes a request out, if it is among them.
func (l *liveList) remove(x *exchange) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if x.next == nil {
		return
	}
	x.prev.next, x.next.prev = x.next, x.prev
	x.prev, x.next = nil, nil
	l.n--
	if l.n == 0 {
		l.vacated()
	}
}

// wait waits until nothing is under way, and says whether that came before ctx ended.
func (l *liveList) wait(ctx context.Context) bool {
	return l.await(ctx, func() bool { return l.n == 0 })
}

func (l *liveList) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.n
}

// each calls f for every request under way, none of which ends meanwhile. f must not block nor come back to the list.
func (l *liveList) each(f func(*exchange)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for x := l.head.next; x != &l.head; x = x.next {
		f(x)
	}
}

// appendAll appends the requests that are under way now. They may end before they are looked at.
func (l *liveList) appendAll(all []*exchange) []*exchange {
	l.mu.Lock()
	defer l.mu.Unlock()
	for x := l.head.next; x != &l.head; x = x.next {
		all = append(all, x)
	}
	return all
}

// watcher looks whether the clients of requests under way are still there, since fasthttp does not tell before a
// write fails. One goroutine serves all.
type watcher struct {
	stop, done chan struct{}
}

func (w *watcher) start(p *Proxy) {
	w.stop, w.done = make(chan struct{}), make(chan struct{})
	go func() {
		defer close(w.done)
		t := time.NewTicker(p.Limits.Watch)
		defer t.Stop()
		var all []*exchange
		for {
			select {
			case now := <-t.C:
				all = p.live.appendAll(all[:0])
				for _, x := range all {
					x.watch(now)
				}
				clear(all) // lets go of them
			case <-w.stop:
				return
			}
		}
	}()
}

func (w *watcher) close() {
	close(w.stop)
	<-w.done
}

// watch notes whether the client has left, and interrupts the call upstream when that is to end.
func (x *exchange) watch(now time.Time) {
	if now.Sub(x.arrived) < x.p.Limits.Watch {
		return
	}
	left := x.look(now)
	if left != 0 && (x.policy() == Cancel || x.wake.Load() != nil || now.UnixNano()-left > int64(x.p.Limits.Drain)) {
		x.interrupt()
	}
}

// look looks whether the client is still there, and returns when it was found to have left, or 0.
func (x *exchange) look(now time.Time) int64 {
	if left := x.left.Load(); left != 0 || socket.Look(x.client) != socket.Closed {
		return left
	}
	x.left.CompareAndSwap(0, now.UnixNano())
	return x.left.Load()
}

// Live returns the number of requests under way.
func (p *Proxy) Live() int { return p.live.count() }
