package limit

import (
	"context"
	"strings"
	"sync"
	"time"

	"llmhub/metering"
	"llmhub/store"
)

const (
	// loadWait bounds a read of what has been spent.
	loadWait = 10 * time.Second
	// maxLoads bounds the scopes of one read, during which nothing is committed.
	maxLoads = 256
)

// loader reads what scopes have spent. Those that are asked for while a read goes on share the next one.
type loader struct {
	mu      sync.Mutex
	waiting []*load
	running bool
}

// load is a scope to be read.
type load struct {
	scope *scope
	need  share // beyond what it holds
	done  chan struct{}
	err   error // before done is closed
}

// load reads what scopes have spent, which are pinned, and waits for it. Where rules are divided among replicas it takes
// shares of them, too, for what is needed of each scope; nil needs nothing.
func (e *Engine) load(scopes []*scope, needs []share) error {
	jobs := make([]*load, 0, len(scopes))
	l := &e.loader
	l.mu.Lock()
	for i, s := range scopes {
		j := &load{scope: s, done: make(chan struct{})}
		if needs != nil {
			j.need = needs[i]
		}
		jobs = append(jobs, j)
	}
	l.waiting = append(l.waiting, jobs...)
	if !l.running {
		l.running = true
		go e.runLoads()
	}
	l.mu.Unlock()
	for _, j := range jobs {
		<-j.done
		if j.err != nil {
			return j.err
		}
	}
	return nil
}

// runLoads reads until nobody waits.
func (e *Engine) runLoads() {
	l := &e.loader
	for {
		l.mu.Lock()
		n := min(len(l.waiting), maxLoads)
		jobs := l.waiting[:n:n]
		l.waiting = l.waiting[n:]
		if n == 0 {
			l.waiting, l.running = nil, false
			l.mu.Unlock()
			return
		}
		l.mu.Unlock()
		crossed, err := e.read(jobs)
		for _, j := range jobs {
			j.err = err
			close(j.done)
		}
		e.tell(crossed)
	}
}

// read reads what the scopes have spent in the current month. No commit happens between the read and its being in force.
func (e *Engine) read(jobs []*load) (crossed []Crossing, err error) {
	e.loads.Lock()
	defer e.loads.Unlock()
	c := e.calendarAt(e.opts.Now())
	if e.opts.Shares != nil {
		return e.trade(jobs, c)
	}
	todo := map[*scope]bool{}
	for _, j := range jobs {
		j.scope.mu.Lock()
		if !j.scope.loaded || j.scope.edition != c.edition {
			todo[j.scope] = true
		}
		j.scope.mu.Unlock()
	}
	spent, err := e.sum(todo, c)
	if err != nil {
		return nil, err
	}
	for s := range todo {
		s.mu.Lock()
		s.setSpent(spent[s], c)
		crossed = s.crossed(crossed)
		s.mu.Unlock()
	}
	return crossed, nil
}

// spending is what has been committed.
type spending struct {
	tokens int64
	money  money
}

// sum returns what scopes have spent in the calendar's month.
func (e *Engine) sum(scopes map[*scope]bool, c *calendar) (map[*scope]spending, error) {
	type part struct {
		scope *scope
		model string // empty for all
	}
	parts := map[string][]part{} // by key
	var keys []string
	for s := range scopes {
		subscription, model, _ := strings.Cut(s.id, "/")
		of := []string{s.id}
		if strings.HasPrefix(s.id, subscriptionPrefix) {
			of = e.opts.KeysOf(subscription)
		}
		for _, k := range of {
			if parts[k] == nil {
				keys = append(keys, k)
			}
			parts[k] = append(parts[k], part{s, model})
		}
	}
	out := make(map[*scope]spending, len(scopes))
	if len(keys) == 0 {
		return out, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), loadWait)
	defer cancel()
	rows, err := metering.Report(ctx, e.opts.Ledger, c.list, store.UsageQuery{
		Keys: keys, From: c.month.First(), To: (c.month + 1).First(), ByKey: true, ByModel: true,
	})
	if err != nil {
		return nil, err
	}
	for _, row := range rows[:len(rows)-1] { // without the total
		for _, p := range parts[row.Key] {
			if p.model == "" || p.model == row.Model {
				f := out[p.scope]
				out[p.scope] = spending{f.tokens + row.Tokens.Total(), f.money.plus(moneyOf(row.Amount))}
			}
		}
	}
	return out, nil
}

// subscriptionPrefix begins the IDs of subscriptions, and of models within them.
const subscriptionPrefix = "sub_"

// Budget returns how far the budgets of a scope have been used. It reads the ledger if the engine has not met the scope.
// Rules that are not nil are in force from now on, as they are from a request on that comes with them.
func (e *Engine) Budget(ctx context.Context, of Scope) (BudgetState, error) {
	now := e.opts.Now()
	s := e.pin(of.ID, now.Unix())
	defer s.unpin()
	for range loadTries {
		c := e.calendarAt(now)
		s.mu.Lock()
		if of.Rules != nil && s.rules != of.Rules {
			s.setRules(of.Rules)
		}
		s.turn(c.month)
		if s.loaded && s.edition == c.edition && (e.opts.Shares == nil || now.Unix()-s.read < freshSeconds) {
			b := BudgetState{
				Month: s.month, SpentTokens: s.spentTokens, ReservedTokens: s.reservedTokens,
				SpentAmount: s.spentMoney.amount(), ReservedAmount: s.reservedMoney.amount(),
			}
			s.mu.Unlock()
			return b, nil
		}
		s.mu.Unlock()
		if err := ctx.Err(); err != nil {
			return BudgetState{}, err
		}
		if err := e.load([]*scope{s}, nil); err != nil {
			return BudgetState{}, err
		}
	}
	return BudgetState{}, errNotRead
}
