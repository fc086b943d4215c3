package choice

import "time"

// Breaker says when a target that fails is left alone. The zero value never does, but for a target that asks for it.
type Breaker struct {
	// Failures in a row open the breaker, unless the last but one is longer ago than Window. 0 means that none do.
	Failures int
	// Window is the time over which the share of failures is taken: from half of it to all of it. When at least half of
	// at least 20 attempts that ended in it failed, the breaker opens.
	Window time.Duration
	// Open is how long the breaker stays open. Then it is half-open: one attempt is let through, and decides.
	Open time.Duration
}

const (
	judgeable    = 20 // attempts in the window from which on their share of failures says something
	failingShare = 2  // one in so many
)

// MaxAside bounds how long a target is left alone because it asked for it.
const MaxAside = 5 * time.Minute

// State is that of a breaker.
type State uint8

// The states of a breaker.
const (
	Closed State = iota
	HalfOpen
	Open
)

var stateNames = [...]string{"closed", "half-open", "open"}

// String returns the state's name.
func (s State) String() string { return stateNames[s] }

// breaker is the state of a target's breaker, under the target's lock.
type breaker struct {
	until time.Time // when it is half-open; zero while it is closed
	// opened counts how often it has opened. An attempt that began before says nothing of the time since.
	opened uint64
	trial  bool // the attempt that decides is under way

	inARow      int
	lastFailure time.Time
	since       time.Time // when recent began
	recent      counts
	before      counts // of the half window before recent
}

type counts struct{ attempts, failures int }

func (b *breaker) state(now time.Time) State {
	switch {
	case b.until.IsZero():
		return Closed
	case now.Before(b.until):
		return Open
	}
	return HalfOpen
}

// lets says whether a request may go through.
func (b *breaker) lets(now time.Time) bool {
	s := b.state(now)
	return s == Closed || s == HalfOpen && !b.trial
}

func (b *breaker) open(until time.Time) {
	b.until, b.trial = until, false
	b.opened++
	b.forget()
}

func (b *breaker) close() {
	b.until, b.trial = time.Time{}, false
	b.forget()
}

func (b *breaker) forget() { b.inARow, b.recent, b.before = 0, counts{}, counts{} }

// count notes how an attempt ended while the breaker is closed, and says whether it is to open.
func (b *breaker) count(now time.Time, failed bool, o *Breaker) bool {
	if o.Failures == 0 {
		return false
	}
	if gone := now.Sub(b.since); gone >= o.Window/2 {
		b.before = b.recent
		if gone >= o.Window {
			b.before = counts{}
		}
		b.since, b.recent = now, counts{}
	}
	b.recent.attempts++
	if !failed {
		b.inARow = 0
		return false
	}
	b.recent.failures++
	if now.Sub(b.lastFailure) > o.Window {
		b.inARow = 0
	}
	b.inARow++
	b.lastFailure = now
	attempts := b.recent.attempts + b.before.attempts
	failures := b.recent.failures + b.before.failures
	return b.inARow >= o.Failures || attempts >= judgeable && failures*failingShare >= attempts
}
