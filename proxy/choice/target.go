package choice

import (
	"sync"
	"time"
)

// Settings are what an operator sets for a target. The zero value bounds nothing.
type Settings struct {
	// MaxConcurrency bounds the requests in flight; 0 means no bound.
	MaxConcurrency int
	// Queue is how many may wait for a slot, each for QueueTimeout at most.
	Queue        int
	QueueTimeout time.Duration
	// Draining has it take no new requests.
	Draining bool
	Breaker  Breaker
}

// Target is the state of one deployment, which may be an option of several groups. Its methods may be called concurrently.
type Target struct {
	mu       sync.Mutex
	settings Settings
	drained  bool // by hand, whatever the settings say
	inFlight int
	queue    queue
	breaker  breaker
}

// Status is a target's state at a time.
type Status struct {
	InFlight, Queued int
	// Draining says that it takes no new requests, by its settings or by hand.
	Draining bool
	Breaker  State
	// Until is when an open breaker is half-open.
	Until time.Time
}

// NewTarget returns a target that is idle.
func NewTarget(s Settings) *Target { return &Target{settings: s} }

// Configure changes the settings. Requests in flight keep their slots, even where there are fewer now; those that wait
// are sent elsewhere when the target drains.
func (t *Target) Configure(s Settings) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.settings = s
	if s.Breaker.Failures == 0 {
		t.breaker.forget()
	}
	t.settle()
}

// Drain has the target take no new requests, whatever its settings say, or ends that.
func (t *Target) Drain(on bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.drained = on
	t.settle()
}

// settle gives those who wait what the settings have for them.
func (t *Target) settle() {
	if t.draining() {
		t.queue.refuse()
		return
	}
	t.grant()
}

func (t *Target) draining() bool { return t.settings.Draining || t.drained }

// Settings returns those in force.
func (t *Target) Settings() Settings {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.settings
}

// Status returns the state.
func (t *Target) Status(now time.Time) Status {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := Status{InFlight: t.inFlight, Queued: t.queue.n, Draining: t.draining(), Breaker: t.breaker.state(now)}
	if s.Breaker == Open {
		s.Until = t.breaker.until
	}
	return s
}

func (t *Target) hasSlot() bool {
	return t.settings.MaxConcurrency == 0 || t.inFlight < t.settings.MaxConcurrency
}

// load returns how many requests are in flight, and whether one more can be taken at once.
func (t *Target) load(now time.Time) (int, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.inFlight, !t.draining() && t.hasSlot() && t.breaker.lets(now)
}

// due returns when the breaker is half-open, and whether a request can be forced through it.
func (t *Target) due() (time.Time, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.breaker.until, !t.draining() && t.hasSlot() && !t.breaker.until.IsZero()
}

// acquire takes a slot, if there is one and the breaker lets the request through or it is forced.
func (t *Target) acquire(now time.Time, forced bool) (Slot, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.draining() || !t.hasSlot() || !forced && !t.breaker.lets(now) {
		return Slot{}, false
	}
	return t.take(now), true
}

func (t *Target) take(now time.Time) Slot {
	t.inFlight++
	s := Slot{target: t, opened: t.breaker.opened}
	if t.breaker.state(now) == HalfOpen && !t.breaker.trial {
		t.breaker.trial, s.trial = true, true
	}
	return s
}

// queues says whether a request can wait here, since all slots are taken.
func (t *Target) queues(now time.Time) bool {
	return !t.draining() && !t.hasSlot() && t.queue.n < t.settings.Queue && t.breaker.state(now) == Closed
}

// room returns how many wait, and whether one more can.
func (t *Target) room(now time.Time) (int, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.queue.n, t.queues(now)
}

// join takes a place in the queue, if all slots are taken and there is one.
func (t *Target) join(now time.Time) *Ticket {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.queues(now) {
		return nil
	}
	return t.queue.push(t, t.settings.QueueTimeout)
}

// grant gives free slots to those who wait.
func (t *Target) grant() {
	for t.queue.n > 0 && t.hasSlot() {
		t.inFlight++
		t.queue.pop().settle(Slot{target: t, opened: t.breaker.opened}, true)
	}
}

// Verdict is what an attempt says of its target.
type Verdict uint8

// The verdicts.
const (
	// Unjudged: it was broken off for reasons that are none of the target's.
	Unjudged Verdict = iota
	// Good: the target answered, be it that it refused a faulty request.
	Good
	// Bad: the target failed.
	Bad
)

// Slot is one request's place at a target. The zero value is none. Its methods are called by one goroutine at a time.
type Slot struct {
	target *Target
	opened uint64 // what breaker.opened was
	trial  bool   // it decides whether a half-open breaker closes
}

// Held says whether the slot has not been given back.
func (s *Slot) Held() bool { return s.target != nil }

// Answered notes that the answer has begun: a trial has been passed, however long the rest takes.
func (s *Slot) Answered() {
	if !s.trial {
		return
	}
	s.trial = false
	s.target.mu.Lock()
	defer s.target.mu.Unlock()
	if s.opened == s.target.breaker.opened {
		s.target.breaker.close()
	}
}

// Release gives the slot back with a verdict. Only the first call counts.
func (s *Slot) Release(now time.Time, v Verdict) {
	if t := s.target; t != nil {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.judge(now, s, v)
		s.end()
	}
}

// Aside gives the slot back of a target that asks to be left alone for a while, MaxAside at most. That is no failure.
func (s *Slot) Aside(now time.Time, d time.Duration) {
	if t := s.target; t != nil {
		t.mu.Lock()
		defer t.mu.Unlock()
		if until := now.Add(min(d, MaxAside)); until.After(t.breaker.until) {
			t.breaker.open(until)
			t.queue.refuse()
		}
		s.end()
	}
}

// end is called with the target's lock held.
func (s *Slot) end() {
	t := s.target
	*s = Slot{}
	t.inFlight--
	t.grant()
}

func (t *Target) judge(now time.Time, s *Slot, v Verdict) {
	b := &t.breaker
	current := s.opened == b.opened // it began after the breaker opened last
	switch {
	case v == Unjudged:
		if s.trial && current {
			b.trial = false // another one is to decide
		}
	case b.until.IsZero():
		if current && b.count(now, v == Bad, &t.settings.Breaker) {
			b.open(now.Add(t.settings.Breaker.Open))
			t.queue.refuse()
		}
	case v == Good && current:
		b.close()
	case v == Bad && s.trial && current:
		b.open(now.Add(t.settings.Breaker.Open))
	}
}
