package limit

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// mostTokens is beyond what any answer has, and far from what overflows.
const mostTokens = 1 << 40

// Admit takes a request in, in all of its scopes or in none. Without scopes there is nothing to hold, and both results
// are nil; else one of them is.
//
// Rates are those of what is admitted: never more than the limit in any 60 seconds. Input is taken for its bound, and
// output for its bound or, without one, for what the answers of the scope have been like of late; both are corrected
// when the request ends. An answer is never broken off for a rate.
func (e *Engine) Admit(now time.Time, a *Ask) (*Reservation, *Refusal) {
	if len(a.Scopes) == 0 {
		return nil, nil
	}
	r := &Reservation{e: e, model: a.Model, n: len(a.Scopes), second: now.Unix(), growing: a.Growing}
	x := admission{e: e, r: r, a: a, now: now, input: max(0, a.InputTokens), want: min(a.OutputTokens, mostTokens)}
	if e.opts.Shares != nil {
		x.trades = tradeTries
	}
	for i, s := range sorted(a.Scopes) {
		x.rules[i] = s.Rules
		r.scopes[i] = e.pin(s.ID, r.second)
	}
	refusal := x.run()
	if refusal != nil {
		r.unpin()
		return nil, refusal
	}
	return r, nil
}

// sorted returns scopes in the order of their IDs, in which they mostly are.
func sorted(scopes []Scope) []Scope {
	byID := func(a, b Scope) int { return cmp.Compare(a.ID, b.ID) }
	if slices.IsSortedFunc(scopes, byID) {
		return scopes
	}
	return slices.SortedFunc(slices.Values(scopes), byID)
}

// admission is one call of Admit.
type admission struct {
	e       *Engine
	r       *Reservation
	a       *Ask
	now     time.Time
	rules   [MaxScopes]*Rules
	input   int64
	want    int64 // what the output is bounded to, 0 if it is not
	counted bool  // input is no bound any more but has been counted
	trades  int   // that may still be made
	short   bool  // the replica's share does not suffice where the rule might
	narrow  bool  // the room that budgets have is that of the share
	needs   [MaxScopes]share
	crossed []Crossing
}

// run tries until all that must be known is known.
func (x *admission) run() *Refusal {
	for tries := 0; ; {
		c := x.e.calendarAt(x.now)
		x.r.calendar, x.r.rates = c, c.ratesOf(x.a.Model)
		x.r.lock()
		unread := x.prepare(c)
		var refusal *Refusal
		closer := false
		x.short, x.narrow = false, false
		if !unread {
			refusal, closer = x.try()
		}
		trade := x.short && x.trades > 0
		x.r.unlock()
		x.e.tell(x.crossed)
		x.crossed = nil
		switch {
		case unread && tries == loadTries, unread && x.load() != nil:
			return x.notRead()
		case unread:
			tries++
		case trade:
			x.trades--
			if x.load() != nil {
				x.trades = 0
			}
		case closer:
			x.counted, x.input = true, min(x.input, x.a.Exact())
		default:
			return refusal
		}
	}
}

// prepare brings the scopes up to date, and says whether something must be read first.
func (x *admission) prepare(c *calendar) (unread bool) {
	for i, s := range x.r.scopes[:x.r.n] {
		before := s.rules
		unread = s.prepare(x.rules[i], x.r.second, c) || unread
		x.needs[i] = x.need(s)
		if before != s.rules {
			x.crossed = s.crossed(x.crossed)
		}
	}
	return unread
}

// load reads what has been spent, and takes the shares that the request needs.
func (x *admission) load() error { return x.e.load(x.r.scopes[:x.r.n], x.needs[:x.r.n]) }

// need returns what the request takes of a scope; the caller holds the locks.
func (x *admission) need(s *scope) share {
	output := x.wanted()
	n := share{Counts: [counted]int64{
		inRequests: 1, inInput: x.input, inOutput: x.outputRate(s, math.MaxInt64), inConcurrency: 1, inTokens: x.input + output,
	}}
	n.setAmount(x.inputCost().plus(x.r.rates.most.output.times(output)))
	return n
}

// wanted is how many output tokens the request takes of a budget where there are enough.
func (x *admission) wanted() int64 {
	switch {
	case !x.a.Generates:
		return 0
	case x.a.Growing && x.want > 0:
		return min(x.want, max(growStep, x.a.Choices))
	case x.a.Growing:
		return max(growStep, x.a.Choices)
	case x.want > 0:
		return x.want
	}
	return x.mostNeeded()
}

func (x *admission) notRead() *Refusal {
	for i, s := range x.r.scopes[:x.r.n] {
		if rules := x.rules[i]; rules.HasBudget() {
			refusal := &Refusal{Scope: s.id, Rule: RuleTokens, Limit: decimal(rules.MonthlyTokens), Cause: NotRead, RetryAfter: 5 * time.Second}
			if rules.MonthlyTokens == 0 {
				refusal.Rule, refusal.Limit = RuleAmount, rules.MonthlyAmount
			}
			return refusal
		}
	}
	return nil
}

// try admits the request, or says why not; the caller holds the locks. closer says that it is to be tried again with a
// count of the input that is closer to the truth.
func (x *admission) try() (refusal *Refusal, closer bool) {
	r := x.r
	mayCount := x.a.Exact != nil && !x.counted
	r.would = nil
	room := int64(math.MaxInt64) // of output tokens
	for i, s := range r.scopes[:r.n] {
		rules := x.rules[i]
		b := s.bounds(rules, x.e, r.second)
		left, refusal := x.check(s, rules, &b)
		if x.short && x.trades > 0 {
			return nil, false
		}
		if refusal != nil && mayCount && refusal.dependsOnInput() {
			return nil, true
		}
		r.counted[i] = refusal == nil
		switch {
		case refusal == nil && !rules.DryRun:
			room = min(room, left)
		case refusal == nil:
		case !rules.DryRun:
			return refusal, false
		case r.would == nil:
			r.would = refusal
			if refusal.Fresh = r.second-s.noted >= windowSeconds; refusal.Fresh {
				s.noted = r.second
			}
		}
	}
	output, bounded := x.output(room)
	if bounded && x.narrow && x.trades > 0 {
		x.short = true
		return nil, false
	}
	if bounded && mayCount {
		return nil, true
	}
	x.take(output, bounded)
	return nil, false
}

func (f *Refusal) dependsOnInput() bool {
	return f.Cause == Beyond && (f.Rule == RuleInputTokens || f.Rule == RuleTokens || f.Rule == RuleAmount)
}

// check looks whether the request fits into one scope, and how many output tokens its budgets have room for besides.
func (x *admission) check(s *scope, rules *Rules, b *bounds) (room int64, refusal *Refusal) {
	refuse := func(rule string, limit, of int64, after time.Duration) (int64, *Refusal) {
		if of < limit {
			x.short, after = true, max(after, busyWait)
		}
		return 0, &Refusal{Scope: s.id, Rule: rule, Limit: decimal(limit), RetryAfter: after}
	}
	if l, of := rules.RequestsPerMinute, b.counts[inRequests]; l > 0 && s.requests.sum >= of {
		return refuse(RuleRequests, l, of, s.requests.wait(x.now, 1, of))
	}
	if l, of := rules.InputTokensPerMinute, b.counts[inInput]; l > 0 && s.input.sum+x.input > of {
		return refuse(RuleInputTokens, l, of, s.input.wait(x.now, x.input, of))
	}
	if l, of := rules.OutputTokensPerMinute, b.counts[inOutput]; l > 0 && x.a.Generates {
		if n := x.outputRate(s, l); s.output.sum+n > of {
			return refuse(RuleOutputTokens, l, of, s.output.wait(x.now, n, of))
		}
	}
	if l, of := rules.Concurrency, b.counts[inConcurrency]; l > 0 && s.active >= of {
		return refuse(RuleConcurrency, l, of, busyWait)
	}
	return x.checkBudgets(s, rules, b)
}

// outputRate returns what the answer is taken for in a rate of output tokens.
func (x *admission) outputRate(s *scope, limit int64) int64 {
	switch {
	case !x.a.Generates:
		return 0
	case x.want > 0:
		return x.want
	}
	return min(s.guess, limit)
}

func (x *admission) checkBudgets(s *scope, rules *Rules, of *bounds) (room int64, refusal *Refusal) {
	least := int64(0)
	if x.a.Generates {
		least = max(1, x.a.Choices)
	}
	room = math.MaxInt64
	if b := rules.MonthlyTokens; b > 0 {
		room = of.counts[inTokens] - s.spentTokens - s.reservedTokens - x.input
		narrow := of.counts[inTokens] < b
		x.narrow = x.narrow || narrow
		if room < least {
			x.short = narrow
			f := &Refusal{Scope: s.id, Rule: RuleTokens, Limit: decimal(b)}
			if b-s.spentTokens-x.input >= least {
				f.RetryAfter = busyWait
			}
			return 0, f
		}
	}
	if rules.MonthlyAmount == "" {
		return room, nil
	}
	f := &Refusal{Scope: s.id, Rule: RuleAmount, Limit: rules.MonthlyAmount}
	rate := &x.r.rates.most
	if !rate.known || len(x.a.Quantities) > 0 && !rate.covers(x.a.Quantities) {
		f.Cause = NoPrice
		return 0, f
	}
	need := x.inputCost()
	held := s.spentMoney.plus(s.reservedMoney).plus(need)
	left := of.amount.minus(held)
	tokens := left.over(rate.output)
	narrow := of.amount.less(s.amount)
	x.narrow = x.narrow || narrow
	if of.amount.less(held) || tokens < least {
		x.short = narrow
		free := s.spentMoney.plus(need)
		if !s.amount.less(free) && s.amount.minus(free).over(rate.output) >= least && (narrow || !s.reservedMoney.isZero()) {
			f.RetryAfter = busyWait
		}
		return 0, f
	}
	return min(room, tokens), nil
}

// inputCost is the most that the request costs without its output tokens.
func (x *admission) inputCost() money {
	r := &x.r.rates.most
	return r.atMost(x.input, 0).plus(r.chargeQuantities(x.a.Quantities))
}

// output returns how many output tokens to reserve where budgets have room for so many, and whether that is fewer than
// the answer may have.
func (x *admission) output(room int64) (n int64, bounded bool) {
	switch want := x.want; {
	case !x.a.Generates:
		return 0, false
	case x.a.Growing:
		n = max(1, x.a.Choices, min(growStep, room/growShare))
		if want > 0 {
			n = min(n, want)
		}
		return min(n, room), false
	case want > 0:
		return min(want, room), want > room
	case room == math.MaxInt64:
		return 0, false
	}
	most := x.mostWhole()
	if most == 0 {
		most = wholeBound // model servers refuse a bound beyond what they can do
	}
	return min(room, most, max(wholeBound, room/growShare)), room < x.mostNeeded()
}

// mostNeeded is how many output tokens are enough for an answer without a bound that comes whole.
func (x *admission) mostNeeded() int64 {
	if most := x.mostWhole(); most > 0 {
		return min(wholeBound, most)
	}
	return wholeBound
}

// mostWhole is how many output tokens the model can put out for all choices, 0 if that is not known.
func (x *admission) mostWhole() int64 { return min(x.a.MostOutput, mostTokens) * max(1, x.a.Choices) }

// take counts the request in its scopes.
func (x *admission) take(output int64, bounded bool) {
	r := x.r
	if x.a.Generates && !x.a.Growing && (bounded || x.want == 0 && output != x.mostWhole()) {
		r.most = output // what the model cannot exceed by itself needs no bound, which may not fit its context
	}
	r.granted, r.input = output, x.input
	if !x.counted {
		r.exact = x.a.Exact
	}
	r.reserve(x.input+output, x.inputCost().plus(r.rates.most.output.times(output)))
	for i, s := range r.scopes[:r.n] {
		rules := x.rules[i]
		if r.counted[i] {
			s.active++
			if s.requests != nil {
				s.requests.add(1)
			}
			if s.input != nil {
				r.rateIn[i] = x.input
				s.input.add(x.input)
			}
			if s.output != nil {
				r.rateOut[i] = x.outputRate(s, max(rules.OutputTokensPerMinute, 1))
				s.output.add(r.rateOut[i])
			}
		}
		x.report(s, rules)
	}
}

// report takes the tightest windows of the scopes whose rules are in force.
func (x *admission) report(s *scope, rules *Rules) {
	if rules.DryRun {
		return
	}
	st := &x.r.status
	st.Requests.tighten(s.requests, x.now, rules.RequestsPerMinute)
	st.InputTokens.tighten(s.input, x.now, rules.InputTokensPerMinute)
	st.OutputTokens.tighten(s.output, x.now, rules.OutputTokensPerMinute)
}

func (w *Window) tighten(by *window, now time.Time, limit int64) {
	if limit == 0 {
		return
	}
	if other := by.status(now, limit); w.Limit == 0 || other.Left < w.Left {
		*w = other
	}
}
