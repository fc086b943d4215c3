package limit

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"llmhub/store"
)

// Replicas divide what rules allow. Each holds a share of every scope that it has met and admits nothing beyond it, so
// that all of them together stay within the rule. A share is never less than what requests under way hold and what the
// last minute has seen, so that nothing is used twice when it changes hands. A replica that needs more than its share
// trades: under a lock on the scope's row it reads what has been spent, and takes of what nobody holds.
const (
	// leaseSeconds is how long a share may be used after it was last traded.
	leaseSeconds = 30
	// renewEvery is how often shares are traded that are in use, and what is not needed of them is given back.
	renewEvery = 2 * time.Second
	// freshSeconds is how old what has been spent may be where it is shown.
	freshSeconds = 2
	// orphanSeconds is how long the share of a budget outlives the lease of a replica that died. By then the requests that
	// it had under way have been settled by another one.
	orphanSeconds = 600
	// rateHalvings and budgetHalvings are how often what nobody holds is halved for what a replica takes at least when it
	// needs some.
	rateHalvings   = 2
	budgetHalvings = 3
	// tradeTries bounds the trades for one step.
	tradeTries = 2
)

// The rules that are counted, in the order of share.Counts.
const (
	inRequests = iota
	inInput
	inOutput
	inConcurrency
	inTokens
	counted
)

func (r *Rules) counts() [counted]int64 {
	return [counted]int64{r.RequestsPerMinute, r.InputTokensPerMinute, r.OutputTokensPerMinute, r.Concurrency, r.MonthlyTokens}
}

// share is how much of each rule a replica holds, in use or not. In budgets it counts from what had been spent when it was
// traded.
type share struct {
	Counts [counted]int64 `json:"counts"`
	Money  [2]uint64      `json:"money"`
}

func (s *share) amount() money { return money{s.Money[0], s.Money[1]} }

func (s *share) setAmount(m money) { s.Money = [2]uint64{m.hi, m.lo} }

// holds says whether the scope's row may hold a share of this replica; the caller holds mu.
func (s *scope) holds() bool { return s.unsure || s.share != (share{}) }

// least returns the smaller one of each.
func (s share) least(t share) share {
	for i := range s.Counts {
		s.Counts[i] = min(s.Counts[i], t.Counts[i])
	}
	if t.amount().less(s.amount()) {
		s.Money = t.Money
	}
	return s
}

func (s share) plus(t share) share {
	for i := range s.Counts {
		s.Counts[i] += t.Counts[i]
	}
	s.setAmount(s.amount().plus(t.amount()))
	return s
}

// minus returns what s has more of each.
func (s share) minus(t share) share {
	for i := range s.Counts {
		s.Counts[i] = max(0, s.Counts[i]-t.Counts[i])
	}
	s.setAmount(s.amount().minus(t.amount()))
	return s
}

// leases are what the row of a scope holds: the shares of the replicas, by their names.
type leases map[string]lease

type lease struct {
	share
	// Until is when it must not be used any more, in Unix seconds of the engine that keeps the rows.
	Until int64 `json:"until"`
}

// others sums up what other replicas hold.
func (l leases) others(replica string, now int64) (sum share) {
	for name, of := range l {
		if name == replica {
			continue
		}
		if now >= of.Until+slots { // its last minute does not count any more
			of.Counts = [counted]int64{inTokens: of.Counts[inTokens]}
		}
		sum = sum.plus(of.share)
	}
	return sum
}

// forget removes those that hold nothing any more.
func (l leases) forget(now int64) {
	for name, of := range l {
		if of.share == (share{}) || now >= of.Until+orphanSeconds {
			delete(l, name)
		}
	}
}

// bounds are what a scope may have here: what its rules say, or less.
type bounds struct {
	counts [counted]int64
	amount money
}

// bounds returns what the scope may have; the caller holds mu.
func (s *scope) bounds(rules *Rules, e *Engine, second int64) bounds {
	b := bounds{rules.counts(), s.amount}
	if e.opts.Shares == nil {
		return b
	}
	held := s.share
	if second >= s.until {
		held = share{}
	}
	held.Counts[inTokens] += s.baseTokens
	for i := range b.counts {
		b.counts[i] = min(b.counts[i], held.Counts[i])
	}
	if m := s.baseMoney.plus(held.amount()); m.less(b.amount) {
		b.amount = m
	}
	return b
}

// inUse returns what is held or has been seen of each rule that there is; the caller holds mu.
func (s *scope) inUse() (u share) {
	for i, w := range []*window{s.requests, s.input, s.output} {
		if w != nil {
			u.Counts[i] = w.sum
		}
	}
	u.Counts[inConcurrency], u.Counts[inTokens] = s.active, s.reservedTokens
	u.setAmount(s.reservedMoney)
	for i, limit := range s.rules.counts() {
		if limit == 0 {
			u.Counts[i] = 0
		}
	}
	if s.rules.MonthlyAmount == "" {
		u.setAmount(money{})
	}
	return u
}

// divide returns the share that the replica is to hold of a scope of which others hold so much; the caller holds mu. What
// has been spent is that of all replicas. Of what is free it takes its need or a part, whichever is more; without a need
// it keeps half of what it did not use.
func (s *scope) divide(others, need, unused share) share {
	used := s.inUse()
	n := used
	limits := s.rules.counts()
	if limits[inTokens] > 0 {
		limits[inTokens] = max(0, limits[inTokens]-s.spentTokens)
	}
	for i, limit := range limits {
		free := max(0, limit-others.Counts[i]-used.Counts[i])
		more := unused.Counts[i] / 2
		if need.Counts[i] > 0 {
			more = max(more, need.Counts[i], free>>halvings(i)+1)
		}
		n.Counts[i] += min(free, more)
	}
	if s.rules.MonthlyAmount == "" {
		return n
	}
	free := s.amount.minus(s.spentMoney).minus(others.amount()).minus(used.amount())
	more := unused.amount().halved(1)
	if m := need.amount(); !m.isZero() {
		more = larger(more, larger(m, free.halved(budgetHalvings)))
	}
	if free.less(more) {
		more = free
	}
	n.setAmount(used.amount().plus(more))
	return n
}

func halvings(rule int) uint {
	if rule == inTokens {
		return budgetHalvings
	}
	return rateHalvings
}

// unusedAt returns what the scope holds beyond what is in use, before what has been spent is read again; the caller holds
// mu.
func (s *scope) unusedAt(second int64) share {
	if second >= s.until {
		return share{}
	}
	held := s.share
	held.Counts[inTokens] = max(0, held.Counts[inTokens]+s.baseTokens-s.spentTokens)
	held.setAmount(held.amount().plus(s.baseMoney).minus(s.spentMoney))
	return held.minus(s.inUse())
}

// trading is one trade of scopes, which no commit comes between.
type trading struct {
	e      *Engine
	c      *calendar
	scopes []*scope // by their IDs
	needs  map[*scope]share
	shares []share // that were taken
	second int64
	// budgets are the scopes whose spending is read.
	budgets map[*scope]bool
	spent   map[*scope]spending
}

// trade reads what the scopes have spent and takes their shares.
func (e *Engine) trade(jobs []*load, c *calendar) (crossed []Crossing, err error) {
	t := trading{e: e, c: c, needs: map[*scope]share{}, second: e.opts.Now().Unix()}
	for _, j := range jobs {
		if _, known := t.needs[j.scope]; !known {
			t.scopes = append(t.scopes, j.scope)
		}
		t.needs[j.scope] = t.needs[j.scope].plus(j.need)
	}
	if t.scopes, crossed, err = t.readIdle(); err != nil || len(t.scopes) == 0 {
		return crossed, err
	}
	slices.SortFunc(t.scopes, func(a, b *scope) int { return strings.Compare(a.id, b.id) })
	ids := make([]string, len(t.scopes))
	for i, s := range t.scopes {
		ids[i] = s.id
	}
	ctx, cancel := context.WithTimeout(context.Background(), loadWait)
	defer cancel()
	err = e.opts.Shares.Trade(ctx, ids, t.run)
	for i, s := range t.scopes {
		s.mu.Lock()
		if s.unsure = err != nil; !s.unsure {
			s.share, s.until = t.shares[i], t.second+leaseSeconds
			crossed = s.crossed(crossed)
		}
		s.mu.Unlock()
	}
	if err != nil {
		return crossed, fmt.Errorf("divide limits among replicas: %w", err)
	}
	return crossed, nil
}

// readIdle reads what has been spent by scopes of which nothing is held nor needed, as where it is shown. They need no
// trade; it returns those that do.
func (t *trading) readIdle() (others []*scope, crossed []Crossing, err error) {
	idle := map[*scope]bool{}
	for _, s := range t.scopes {
		s.mu.Lock()
		if !s.holds() && t.needs[s] == (share{}) {
			idle[s] = true
		} else {
			others = append(others, s)
		}
		s.mu.Unlock()
	}
	if len(idle) == 0 {
		return others, nil, nil
	}
	spent, err := t.e.sum(idle, t.c)
	if err != nil {
		return nil, nil, err
	}
	for s := range idle {
		s.mu.Lock()
		s.rebase(spent[s], t)
		crossed = s.crossed(crossed)
		s.mu.Unlock()
	}
	return others, crossed, nil
}

// rebase takes what has been read, from which the share of a budget is counted; the caller holds mu.
func (s *scope) rebase(f spending, t *trading) {
	s.setSpent(f, t.c)
	s.baseTokens, s.baseMoney, s.read = s.spentTokens, s.spentMoney, t.second
}

// run does the trade while the rows are locked. As long as they may not be stored, the replica uses the smaller one of
// the share before and the one that it takes.
func (t *trading) run(now time.Time, rows []store.ShareRow) (err error) {
	t.budgets = map[*scope]bool{}
	for _, s := range t.scopes {
		s.mu.Lock()
		if s.rules == nil || s.rules.HasBudget() {
			t.budgets[s] = true
		}
		s.mu.Unlock()
	}
	if t.spent, err = t.e.sum(t.budgets, t.c); err != nil {
		return err
	}
	t.shares = make([]share, len(t.scopes))
	for i, s := range t.scopes {
		of := leases{}
		if len(rows[i].Data) > 0 {
			if err := json.Unmarshal(rows[i].Data, &of); err != nil {
				return fmt.Errorf("the shares of %s: %w", s.id, err)
			}
		}
		t.shares[i] = t.take(s, of, now.Unix())
		if rows[i].Data, err = of.encode(); err != nil {
			return err
		}
	}
	return nil
}

func (l leases) encode() ([]byte, error) {
	if len(l) == 0 {
		return nil, nil
	}
	return json.Marshal(l)
}

// take takes a share of one scope and notes it among the leases.
func (t *trading) take(s *scope, of leases, now int64) (n share) {
	me := t.e.opts.Replica
	of.forget(now)
	s.mu.Lock()
	defer s.mu.Unlock()
	var unused share
	if s.rules != nil {
		s.advance(t.second)
		if !t.e.leaving.Load() {
			unused = s.unusedAt(t.second)
		}
	}
	if t.budgets[s] {
		s.rebase(t.spent[s], t)
	}
	if s.rules != nil {
		n = s.divide(of.others(me, now), t.needs[s], unused)
	}
	s.share = s.share.least(n)
	delete(of, me)
	if n != (share{}) {
		of[me] = lease{n, now + leaseSeconds}
	}
	return n
}

// Renew trades the shares that the engine holds: those in use stay, and half of what is not used is given back. It does
// nothing where nothing is divided.
func (e *Engine) Renew() error {
	if e.opts.Shares == nil {
		return nil
	}
	var held []*scope
	for i := range e.scopes {
		held = e.scopes[i].appendHeld(held)
	}
	var err error
	for part := range slices.Chunk(held, maxLoads) {
		if e := e.load(part, nil); e != nil {
			err = e
		}
		for _, s := range part {
			s.unpin()
		}
	}
	return err
}

// GiveBack gives back all that is not in use, so that others need not wait for the leases of a replica that ends.
func (e *Engine) GiveBack() error {
	e.leaving.Store(true)
	return e.Renew()
}

// appendHeld appends the scopes that hold a share, pinned.
func (h *scopeShard) appendHeld(dst []*scope) []*scope {
	h.mu.RLock()
	defer h.mu.RUnlock()
	for _, s := range h.byID {
		s.mu.Lock()
		if s.holds() {
			s.pins.Add(1)
			dst = append(dst, s)
		}
		s.mu.Unlock()
	}
	return dst
}

// Run renews shares until ctx ends, or returns at once where nothing is divided. told is given the error of a round that failed, nil for one that did not; shares then
// serve until their lease ends.
func (e *Engine) Run(ctx context.Context, told func(error)) {
	if e.opts.Shares == nil {
		return
	}
	t := time.NewTicker(renewEvery)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			told(e.Renew())
		case <-ctx.Done():
			return
		}
	}
}
