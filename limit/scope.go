package limit

import (
	"hash/maphash"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"llmhub/store"
)

const (
	// scopeShards is how many maps the scopes are in; a power of two.
	scopeShards = 256
	// sweepSeconds is how often a shard lets go of scopes that nobody uses.
	sweepSeconds = 60
	// firstGuess is what an answer is taken for before a scope has seen any, in output tokens.
	firstGuess = 256
	// busyWait is when to try again where requests under way are in the way.
	busyWait = time.Second
)

// scope is what is known of the use of a key, a subscription or a model within one.
type scope struct {
	id string
	// pins counts those that hold the scope: it stays while there are any. It grows under the shard's lock.
	pins atomic.Int32

	mu    sync.Mutex
	rules *Rules
	// amount is the rules' MonthlyAmount.
	amount money
	used   int64 // Unix seconds
	// The windows are made when there is a rule for them.
	requests, input, output *window
	active                  int64
	guess                   int64 // of the output tokens of an answer
	noted                   int64 // when a dry run was last told of, in Unix seconds

	// What has been spent is valid once loaded, for a month, and in money for an edition of the prices.
	loaded                bool
	month                 store.Month
	edition               uint64
	spentTokens           int64
	spentMoney            money
	reservedTokens        int64
	reservedMoney         money
	toldTokens, toldMoney int8 // the percentages of which Crossed has been told

	// share is the replica's until a second. In budgets it counts from a base, which is what had been spent when read.
	share       share
	until, read int64 // Unix seconds
	unsure      bool  // the last trade has failed, but may have been stored
	baseTokens  int64
	baseMoney   money
}

// scopeShard is a part of the scopes.
type scopeShard struct {
	seed maphash.Seed
	// mu is taken before the mutex of a scope.
	mu    sync.RWMutex
	byID  map[string]*scope
	swept atomic.Int64 // Unix seconds
}

func (h *scopeShard) init(seed maphash.Seed) {
	h.seed, h.byID = seed, map[string]*scope{}
}

// pin returns the scope of an ID, which stays until unpin.
func (e *Engine) pin(id string, now int64) *scope {
	h := &e.scopes[maphash.String(e.scopes[0].seed, id)%scopeShards]
	if now-h.swept.Load() >= sweepSeconds {
		h.sweep(now)
	}
	h.mu.RLock()
	s := h.byID[id]
	if s != nil {
		s.pins.Add(1)
	}
	h.mu.RUnlock()
	if s != nil {
		return s
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if s = h.byID[id]; s == nil {
		s = &scope{id: id, guess: firstGuess, used: now}
		h.byID[id] = s
	}
	s.pins.Add(1)
	return s
}

// pinned is pin for a scope that may not be known; nil then.
func (e *Engine) pinned(id []byte) *scope {
	h := &e.scopes[maphash.Bytes(e.scopes[0].seed, id)%scopeShards]
	h.mu.RLock()
	defer h.mu.RUnlock()
	s := h.byID[string(id)]
	if s != nil {
		s.pins.Add(1)
	}
	return s
}

func (s *scope) unpin() { s.pins.Add(-1) }

// sweep forgets the scopes that have been out of use for longer than rates count. What has been spent is read again.
func (h *scopeShard) sweep(now int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if now-h.swept.Load() < sweepSeconds {
		return
	}
	h.swept.Store(now)
	for id, s := range h.byID {
		if s.pins.Load() > 0 {
			continue
		}
		s.mu.Lock()
		idle := now-s.used >= slots && !s.holds()
		s.mu.Unlock()
		if idle {
			delete(h.byID, id)
		}
	}
}

// prepare brings a scope up to a time and to its rules, and says whether what it has spent must be read before it can
// be used; the caller holds mu.
func (s *scope) prepare(rules *Rules, second int64, c *calendar) (unread bool) {
	s.used = max(s.used, second)
	if rules != nil && s.rules != rules {
		s.setRules(rules)
	}
	s.turn(c.month)
	s.advance(second)
	return s.unread(c)
}

// advance brings the windows up to a second; the caller holds mu.
func (s *scope) advance(second int64) {
	move(&s.requests, second, s.rules.RequestsPerMinute)
	move(&s.input, second, s.rules.InputTokensPerMinute)
	move(&s.output, second, s.rules.OutputTokensPerMinute)
}

// move brings a window up to a second, and makes it where there is a limit.
func move(w **window, second, limit int64) {
	switch {
	case *w != nil:
		(*w).advance(second)
	case limit > 0:
		*w = &window{second: second}
	}
}

// unread says whether there is a budget and what has been spent of it is not known.
func (s *scope) unread(c *calendar) bool {
	return s.rules.HasBudget() && (!s.loaded || s.rules.MonthlyAmount != "" && s.edition != c.edition)
}

func (s *scope) setRules(rules *Rules) {
	if s.rules == nil || s.rules.MonthlyTokens != rules.MonthlyTokens {
		s.toldTokens = 0
	}
	if s.rules == nil || s.rules.MonthlyAmount != rules.MonthlyAmount {
		s.toldMoney = 0
		s.amount = moneyOf(rules.Amount())
	}
	s.rules = rules
}

// turn begins a month: nothing has been spent in it, since all that is committed is seen. What is reserved stays.
func (s *scope) turn(m store.Month) {
	if m > s.month {
		s.month, s.spentTokens, s.spentMoney, s.toldTokens, s.toldMoney = m, 0, money{}, 0, 0
		s.baseTokens, s.baseMoney = 0, money{}
	}
}

// setSpent takes what has been read; the caller holds mu.
func (s *scope) setSpent(f spending, c *calendar) {
	if c.month >= s.month { // a month that has turned since is empty
		s.month, s.spentTokens, s.spentMoney = c.month, f.tokens, f.money
	}
	s.loaded, s.edition = true, c.edition
}

// spend adds what has been committed in a month; the caller holds mu.
func (s *scope) spend(m store.Month, tokens int64, amount money) {
	if !s.loaded {
		return
	}
	s.turn(m)
	if m == s.month {
		s.spentTokens += tokens
		s.spentMoney = s.spentMoney.plus(amount)
	}
}

// shares are the percentages of budgets that are told of.
var shares = [...]int8{50, 80, 100}

// crossed appends the shares that have been reached and not told of; the caller holds mu.
func (s *scope) crossed(dst []Crossing) []Crossing {
	if !s.loaded || s.rules == nil {
		return dst
	}
	if b := s.rules.MonthlyTokens; b > 0 {
		spent, whole := money{lo: uint64(s.spentTokens)}, money{lo: uint64(b)}
		for _, p := range shares {
			if p > s.toldTokens && spent.reached(int64(p), whole) {
				s.toldTokens = p
				dst = append(dst, Crossing{Scope: s.id, Month: s.month, Percent: int(p), Spent: decimal(s.spentTokens), Budget: decimal(b)})
			}
		}
	}
	if s.rules.MonthlyAmount != "" {
		for _, p := range shares {
			if p > s.toldMoney && s.spentMoney.reached(int64(p), s.amount) {
				s.toldMoney = p
				dst = append(dst, Crossing{Scope: s.id, Month: s.month, Percent: int(p), Money: true,
					Spent: s.spentMoney.amount().String(), Budget: s.amount.amount().String()})
			}
		}
	}
	return dst
}

func decimal(n int64) string { return strconv.FormatInt(n, 10) }

// tell passes crossings on. No lock is held.
func (e *Engine) tell(all []Crossing) {
	for _, c := range all {
		e.opts.Crossed(c)
	}
}
