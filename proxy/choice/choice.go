// Package choice decides which of a model's deployments a request is tried at: by tier, by weight or by how busy they are,
// past those whose circuit breaker is open, and within the slots that each has.
//
// It is state and arithmetic only. It knows no HTTP and reads no clock but that of the queue: the time and the random
// numbers are the caller's. Whether a failure is worth another attempt, and when, is not decided here.
package choice

import (
	"math/bits"
	"slices"
	"time"
)

// Balance says how the deployments of a tier share its requests.
type Balance string

const (
	// LeastBusy takes the one with the fewest requests in flight for its weight; ties are drawn by weight.
	LeastBusy Balance = "least_busy"
	// Weighted draws by weight alone.
	Weighted Balance = "weighted"
)

// MaxOptions is how many options a Group can have.
const MaxOptions = 128

// Option is a target in a group.
type Option struct {
	Target *Target
	// Weight is the share of the tier's requests. One of weight 0 is taken only when the others of the tier cannot be.
	Weight int
	// Priority is the tier; the lowest is first.
	Priority int
}

// Group is the options for one kind of request. It is not changed once it is in use; its methods may be called concurrently.
type Group struct {
	balance Balance
	options []Option
	order   []int // of the options by priority
}

// NewGroup returns a group of at most MaxOptions options. Balance is LeastBusy unless it is Weighted.
func NewGroup(balance Balance, options []Option) *Group {
	g := &Group{balance: balance, options: options, order: make([]int, len(options))}
	for i := range options {
		g.order[i] = i
	}
	slices.SortStableFunc(g.order, func(a, b int) int { return options[a].Priority - options[b].Priority })
	return g
}

// Set is a set of options, by index.
type Set [MaxOptions / 64]uint64

// Add adds an option.
func (s *Set) Add(i int) { s[i/64] |= 1 << (i % 64) }

// Has says whether an option is in the set.
func (s *Set) Has(i int) bool { return s[i/64]>>(i%64)&1 != 0 }

// Count returns how many are in the set.
func (s *Set) Count() (n int) {
	for _, word := range s {
		n += bits.OnesCount64(word)
	}
	return n
}

// Picked is what Pick found.
type Picked struct {
	// Index is that of the option, -1 where none can be had.
	Index int
	// Slot is what the request has there. It is empty where Ticket is set.
	Slot Slot
	// Ticket is a place in the option's queue, since all of its slots are taken; otherwise nil.
	Ticket *Ticket
}

// maxRaces bounds how often Pick looks again after another request has taken what it found.
const maxRaces = 4

// Pick takes a slot at the best option that is not in skip. In each tier, the lowest first, it takes one that has a free
// slot and whose breaker lets requests through; failing that, a place in a queue. When no tier has either, it takes the
// option with an open breaker that is due soonest, since a request that might be served is not to be refused; options
// that are draining, or full, are never taken. random is any number, which ties are drawn with.
func (g *Group) Pick(now time.Time, random uint64, skip *Set) Picked {
	for from := 0; from < len(g.order); {
		to := g.tier(from)
		for range maxRaces {
			i := g.free(now, random, skip, g.order[from:to])
			if i < 0 {
				break
			}
			if slot, ok := g.options[i].Target.acquire(now, false); ok {
				return Picked{Index: i, Slot: slot}
			}
		}
		for range maxRaces {
			i := g.shortest(now, skip, g.order[from:to])
			if i < 0 {
				break
			}
			if ticket := g.options[i].Target.join(now); ticket != nil {
				return Picked{Index: i, Ticket: ticket}
			}
		}
		from = to
	}
	return g.force(now, skip)
}

// tier returns where the tier ends that begins there in order.
func (g *Group) tier(from int) int {
	to := from + 1
	for to < len(g.order) && g.options[g.order[to]].Priority == g.options[g.order[from]].Priority {
		to++
	}
	return to
}

// free returns the best of the options that has a free slot, or -1.
func (g *Group) free(now time.Time, random uint64, skip *Set, among []int) int {
	best, total := -1, uint64(0) // total is the weight of those that are as good as the best
	bestWeight, bestLoad := 0, 0
	for _, i := range among {
		if skip.Has(i) {
			continue
		}
		o := &g.options[i]
		load, ok := o.Target.load(now)
		if !ok || best >= 0 && o.Weight == 0 && bestWeight > 0 {
			continue
		}
		if g.balance == Weighted {
			load = 0
		}
		better := best < 0 || bestWeight == 0 && o.Weight > 0
		if !better {
			// load/weight compared without division; weights of 0 are all alike
			mine, its := load*max(bestWeight, 1), bestLoad*max(o.Weight, 1)
			if mine > its {
				continue
			}
			better = mine < its
		}
		w := uint64(max(o.Weight, 1))
		if better {
			total = 0
		}
		total += w
		random = random*6364136223846793005 + 1442695040888963407
		if drawn, _ := bits.Mul64(random, total); better || drawn < w {
			best, bestWeight, bestLoad = i, o.Weight, load
		}
	}
	return best
}

// shortest returns the option with room in its queue and the fewest in it, or -1.
func (g *Group) shortest(now time.Time, skip *Set, among []int) int {
	best, fewest := -1, 0
	for _, i := range among {
		if skip.Has(i) {
			continue
		}
		if n, ok := g.options[i].Target.room(now); ok && (best < 0 || n < fewest) {
			best, fewest = i, n
		}
	}
	return best
}

// force takes a slot at the option with an open breaker that is due soonest.
func (g *Group) force(now time.Time, skip *Set) Picked {
	tried := *skip
	for range maxRaces {
		best, bestDue := -1, time.Time{}
		for _, i := range g.order {
			if tried.Has(i) {
				continue
			}
			if due, ok := g.options[i].Target.due(); ok && (best < 0 || due.Before(bestDue)) {
				best, bestDue = i, due
			}
		}
		if best < 0 {
			break
		}
		if slot, ok := g.options[best].Target.acquire(now, true); ok {
			return Picked{Index: best, Slot: slot}
		}
		tried.Add(best)
	}
	return Picked{Index: -1}
}
