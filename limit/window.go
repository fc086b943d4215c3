package limit

import "time"

const (
	// windowSeconds is what rates are counted over.
	windowSeconds = 60
	// slots is one more: the second that is going on and the one a minute before are both counted whole, so that no more
	// than the limit fits into any 60 seconds, wherever they begin.
	slots = windowSeconds + 1
)

// window counts what was taken in each of the last seconds. Moving on costs a step for each second since the last use.
type window struct {
	second int64 // the newest, in Unix seconds
	sum    int64
	slots  [slots]int64
}

// advance moves the window on to a second. Time that goes back stands still.
func (w *window) advance(second int64) {
	if second <= w.second {
		return
	}
	if second-w.second >= slots {
		w.slots, w.sum, w.second = [slots]int64{}, 0, second
		return
	}
	for w.second < second {
		w.second++
		s := &w.slots[w.second%slots]
		w.sum -= *s
		*s = 0
	}
}

// add counts n more in the newest second.
func (w *window) add(n int64) {
	w.slots[w.second%slots] += n
	w.sum += n
}

// correct changes what was taken in an earlier second to another number: less is given back there, if that second still
// counts, and more counts now.
func (w *window) correct(second, was, is int64) {
	switch {
	case is > was:
		w.add(is - was)
	case second > w.second-slots && second <= w.second:
		n := min(was-is, w.slots[second%slots])
		w.slots[second%slots] -= n
		w.sum -= n
	}
}

// wait returns how long it takes until n more fit below a limit, 0 if they never do.
func (w *window) wait(now time.Time, n, limit int64) time.Duration {
	sum := w.sum
	for second := w.second - slots + 1; second <= w.second && n <= limit; second++ {
		sum -= w.slots[second%slots]
		if sum+n <= limit {
			return max(time.Unix(second+slots, 0).Sub(now), time.Millisecond)
		}
	}
	return 0
}

// status says how much is left below a limit.
func (w *window) status(now time.Time, limit int64) Window {
	s := Window{Limit: limit, Left: max(0, limit-w.sum)}
	if w.sum > 0 {
		s.Reset = max(time.Unix(w.second+slots, 0).Sub(now), 0)
	}
	return s
}
