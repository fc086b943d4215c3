package limit

import (
	"errors"
	"math"
	"slices"

	"llmhub/store"
)

const (
	// growStep is how many output tokens a stream reserves at once, where there are many left.
	growStep = 256
	// growShare is the part of what is left that it reserves at most without need.
	growShare = 64
	// wholeBound is how many output tokens an answer without a bound that comes whole may have, where there are so many left;
	// if more are known to be possible, it may have a share of growShare of what is left.
	wholeBound = 8192
	// loadTries bounds how often what has been spent is read for one step.
	loadTries = 3
)

var errNotRead = errors.New("limit: what has been spent could not be read")

// Reservation is what one request holds of its scopes. Grow, Recount, Settled and Void are for one goroutine at a time.
// It ends with Settled and the commit of its event, or with Void, and dies with the process. Settled and Void of nil do
// nothing, and only the first of them counts.
type Reservation struct {
	e      *Engine
	model  string
	scopes [MaxScopes]*scope // in the order of their IDs
	n      int
	// counted says in which scopes the request takes part in rates and concurrency: not where a dry run would refuse it.
	counted  [MaxScopes]bool
	left     [MaxScopes]bool // under the scope's mutex: nothing is held of it any more
	calendar *calendar       // of its admission, like rates
	rates    *dayRates
	second   int64            // of its admission
	input    int64            // tokens of it that budgets were charged with
	exact    func() int64     // Ask.Exact; nil once called
	rateIn   [MaxScopes]int64 // tokens that the rates were charged with, like rateOut
	rateOut  [MaxScopes]int64
	tokens   int64 // held of budgets, like amount; not changed once settled
	amount   money
	granted  int64 // output tokens that are within tokens
	approved int64 // the most that Grow has agreed to
	most     int64 // MaxOutput
	growing  bool
	ended    bool
	status   Status
	would    *Refusal
}

// MaxOutput returns the number of output tokens that the answer must be bounded to, over all of its choices; 0 if it
// needs no other bound than the request has.
func (r *Reservation) MaxOutput() int64 { return r.most }

// Status says how near the limits the request has come.
func (r *Reservation) Status() *Status { return &r.status }

// WouldRefuse returns why a dry run would have refused the request; nil if it would not.
func (r *Reservation) WouldRefuse() *Refusal { return r.would }

// Approved returns the most output tokens that Grow has agreed to.
func (r *Reservation) Approved() int64 { return r.approved }

// Grow says whether budgets allow for an answer of so many output tokens in all; it must be asked before any of them is
// delivered. Fewer than before change nothing. false ends the answer: the budget is spent.
func (r *Reservation) Grow(output int64) bool {
	if output > r.granted && !r.grow(output) {
		return false
	}
	r.approved = max(r.approved, output)
	return true
}

// Recount is Grow with a number that is closer to the truth than those before: what was reserved for more is given back.
// If it does not fit all the same, the input is counted more closely, too.
func (r *Reservation) Recount(output int64) bool {
	if output < r.granted && r.growing {
		r.lock()
		r.hold(output - r.granted)
		r.unlock()
		r.approved = output
		return true
	}
	return r.Grow(output) || r.countInput() && r.Grow(output)
}

// countInput has the input counted more closely, if it has not been, and says whether that gave something back.
func (r *Reservation) countInput() bool {
	if r.exact == nil {
		return false
	}
	n := r.exact()
	r.exact = nil
	if n >= r.input {
		return false
	}
	r.lock()
	most := larger(r.rates.most.input, r.rates.most.cached)
	r.reserve(r.tokens-(r.input-n), r.amount.minus(most.times(r.input-n)))
	r.unlock()
	r.input = n
	return true
}

func (r *Reservation) grow(output int64) bool {
	now := r.e.opts.Now()
	c := r.e.calendarAt(now)
	for range loadTries {
		more := output - r.granted
		r.lock()
		unread, narrow := false, false
		left := int64(math.MaxInt64)
		for _, s := range r.scopes[:r.n] {
			s.turn(c.month)
			unread = unread || s.unread(c)
			if !s.rules.DryRun {
				b := s.bounds(s.rules, r.e, now.Unix())
				left = min(left, s.leftOutput(&b, &r.rates.most))
				narrow = narrow || b.counts[inTokens] < s.rules.MonthlyTokens || b.amount.less(s.amount)
			}
		}
		fits := !unread && more <= left
		if fits {
			r.hold(max(more, min(growStep, left/growShare)))
		}
		r.unlock()
		if fits || !unread && !narrow {
			return fits
		}
		if r.e.load(r.scopes[:r.n], r.needs(max(more, growStep))) != nil {
			return false
		}
	}
	return false
}

// needs returns what output tokens take of the budgets of each scope.
func (r *Reservation) needs(output int64) []share {
	need := share{Counts: [counted]int64{inTokens: output}}
	need.setAmount(r.rates.most.output.times(output))
	return slices.Repeat([]share{need}, r.n)
}

// leftOutput returns how many output tokens the budgets have room for; the caller holds mu.
func (s *scope) leftOutput(of *bounds, at *rate) int64 {
	left := int64(math.MaxInt64)
	if s.rules.MonthlyTokens > 0 {
		left = max(0, of.counts[inTokens]-s.spentTokens-s.reservedTokens)
	}
	if s.rules.MonthlyAmount != "" {
		if !at.known {
			return 0
		}
		left = min(left, of.amount.minus(s.spentMoney.plus(s.reservedMoney)).over(at.output))
	}
	return left
}

// hold reserves n more output tokens, fewer than before where n is negative; the caller holds the locks.
func (r *Reservation) hold(n int64) {
	tokens, amount := r.tokens+n, r.amount
	if n > 0 {
		amount = amount.plus(r.rates.most.output.times(n))
	} else {
		amount = amount.minus(r.rates.most.output.times(-n))
	}
	r.granted += n
	r.reserve(tokens, amount)
}

// reserve changes what is reserved to other sums; the caller holds the locks.
func (r *Reservation) reserve(tokens int64, amount money) {
	for _, s := range r.scopes[:r.n] {
		s.reservedTokens += tokens - r.tokens
		s.reservedMoney = s.reservedMoney.minus(r.amount).plus(amount)
	}
	r.tokens, r.amount = tokens, amount
}

// Settled notes what the request has used, before its entry is settled: its place is free, its rates are those of what
// it used, and what it reserved shrinks to the charge, which is held until the event is committed. id is the event's.
// Where a model server reports more than was reserved, that is held: the ledger tells the truth.
func (r *Reservation) Settled(id store.RequestID, t store.Tokens, q store.Quantities) {
	if r == nil || r.ended {
		return
	}
	r.ended = true
	now := r.e.opts.Now()
	rates := r.rates
	if c := r.e.calendarAt(now); c != r.calendar {
		rates = c.ratesOf(r.model)
	}
	cost := rates.most.chargeAll(t, q)
	r.lock()
	r.correct(now.Unix(), t, true)
	r.reserve(t.Total(), cost)
	r.unlock()
	r.e.await(id, r)
}

// Void gives all back: nothing is charged. The request itself stays among the requests of the minute.
func (r *Reservation) Void() {
	if r == nil || r.ended {
		return
	}
	r.ended = true
	now := r.e.opts.Now()
	r.lock()
	r.correct(now.Unix(), store.Tokens{}, false)
	r.unlock()
	r.release()
}

// correct brings rates and concurrency to what was used; the caller holds the locks. Answers teach what to take the next
// ones for: a longer one at once, shorter ones by and by.
func (r *Reservation) correct(second int64, t store.Tokens, learn bool) {
	for i, s := range r.scopes[:r.n] {
		s.used = max(s.used, second)
		if learn && r.rateOut[i] > 0 {
			s.guess = max(1, t.Output, s.guess-(s.guess-t.Output)/16)
		}
		if !r.counted[i] {
			continue
		}
		s.active--
		if s.input != nil {
			s.input.advance(second)
			s.input.correct(r.second, r.rateIn[i], t.Input)
		}
		if s.output != nil {
			s.output.advance(second)
			s.output.correct(r.second, r.rateOut[i], t.Output)
		}
	}
}

// leave gives back what is held of a scope, if it is one of the request's; the caller holds its mutex.
func (r *Reservation) leave(s *scope) {
	for i, own := range r.scopes[:r.n] {
		if own == s && !r.left[i] {
			r.left[i] = true
			s.reservedTokens -= r.tokens
			s.reservedMoney = s.reservedMoney.minus(r.amount)
		}
	}
}

// release gives back all that is held.
func (r *Reservation) release() {
	for _, s := range r.scopes[:r.n] {
		s.mu.Lock()
		r.leave(s)
		s.mu.Unlock()
	}
	r.unpin()
}

func (r *Reservation) unpin() {
	for _, s := range r.scopes[:r.n] {
		s.unpin()
	}
}

func (r *Reservation) lock() {
	for _, s := range r.scopes[:r.n] {
		s.mu.Lock()
	}
}

func (r *Reservation) unlock() {
	for _, s := range r.scopes[:r.n] {
		s.mu.Unlock()
	}
}
