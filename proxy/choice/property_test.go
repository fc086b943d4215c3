package choice

import (
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

// model is what a test knows of a group beside the group itself.
type model struct {
	group   *Group
	targets []*Target
	held    []held
	waiting []held
}

type held struct {
	index  int
	slot   Slot
	ticket *Ticket
}

func drawSettings(t *rapid.T) Settings {
	return Settings{
		MaxConcurrency: rapid.IntRange(0, 3).Draw(t, "slots"), Queue: rapid.IntRange(0, 2).Draw(t, "queue"), QueueTimeout: time.Second,
		Draining: rapid.IntRange(0, 5).Draw(t, "draining") == 0,
		Breaker:  Breaker{Failures: rapid.IntRange(0, 3).Draw(t, "failures"), Window: 30 * time.Second, Open: 5 * time.Second},
	}
}

// check insists on what holds at all times: slots add up, nobody waits beside a free slot, and at most one trial is on.
func (m *model) check(t *rapid.T, now time.Time) {
	inFlight, trials := make([]int, len(m.targets)), make([]int, len(m.targets))
	for i := range m.held {
		h := &m.held[i]
		inFlight[h.index]++
		if b := &h.slot.target.breaker; h.slot.trial && h.slot.opened == b.opened && !b.until.IsZero() {
			trials[h.index]++
		}
	}
	for _, w := range m.waiting {
		if w.ticket.granted {
			inFlight[w.index]++
		}
	}
	for i, target := range m.targets {
		s := target.Status(now)
		if s.InFlight != inFlight[i] || trials[i] > 1 || trials[i] == 1 != target.breaker.trial {
			t.Fatalf("target %d: %+v, %d slots, %d trials, %v", i, s, inFlight[i], trials[i], target.breaker.trial)
		}
		if s.Queued > 0 && target.hasSlot() {
			t.Fatalf("target %d: %d wait beside a free slot", i, s.Queued)
		}
	}
}

// collect takes what has become of those who wait.
func (m *model) collect() {
	synctest.Wait()
	still := m.waiting[:0]
	for _, w := range m.waiting {
		select {
		case <-w.ticket.ready:
			if slot, granted, _ := w.ticket.Wait(nil); granted {
				m.held = append(m.held, held{index: w.index, slot: slot})
			}
		default:
			still = append(still, w)
		}
	}
	m.waiting = still
}

// TestNothingLeaks plays random requests, ends, leavings, reloads and passing time against a group.
func TestNothingLeaks(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var failure any // rapid's way to stop a test, which must not end the bubble
		synctest.Test(t, func(*testing.T) {
			defer func() { failure = recover() }()
			m := &model{}
			var options []Option
			for range rapid.IntRange(1, 4).Draw(rt, "targets") {
				target := NewTarget(drawSettings(rt))
				m.targets = append(m.targets, target)
				options = append(options, Option{target, rapid.IntRange(0, 3).Draw(rt, "weight"), rapid.IntRange(0, 1).Draw(rt, "tier")})
			}
			m.group = NewGroup(LeastBusy, options)
			for range rapid.IntRange(1, 80).Draw(rt, "steps") {
				m.step(rt)
				m.check(rt, time.Now())
				m.collect()
			}
			m.end(rt)
		})
		if failure != nil {
			panic(failure)
		}
	})
}

func (m *model) step(t *rapid.T) {
	switch do := rapid.IntRange(0, 9).Draw(t, "do"); {
	case do < 4:
		p := m.group.Pick(time.Now(), rapid.Uint64().Draw(t, "random"), &Set{})
		switch {
		case p.Ticket != nil:
			m.waiting = append(m.waiting, held{index: p.Index, ticket: p.Ticket})
		case p.Index >= 0:
			m.held = append(m.held, held{index: p.Index, slot: p.Slot})
		default:
			m.wantNothing(t)
		}
	case do < 7 && len(m.held) > 0:
		i := rapid.IntRange(0, len(m.held)-1).Draw(t, "which")
		h := m.held[i]
		m.held = append(m.held[:i], m.held[i+1:]...)
		switch v := rapid.IntRange(0, 4).Draw(t, "verdict"); v {
		case 3:
			h.slot.Aside(time.Now(), time.Second)
		case 4:
			h.slot.Answered()
			fallthrough
		default:
			h.slot.Release(time.Now(), Verdict(v%3))
		}
		h.slot.Release(time.Now(), Bad) // counts for nothing
	case do == 7 && len(m.waiting) > 0:
		i := rapid.IntRange(0, len(m.waiting)-1).Draw(t, "who leaves")
		woken := make(chan struct{})
		close(woken)
		if _, granted, _ := m.waiting[i].ticket.Wait(woken); granted {
			t.Fatal("granted what was still waiting")
		}
		m.waiting = append(m.waiting[:i], m.waiting[i+1:]...)
	case do == 8:
		target := m.targets[rapid.IntRange(0, len(m.targets)-1).Draw(t, "target")]
		target.Drain(rapid.IntRange(0, 5).Draw(t, "drained") == 0)
		target.Configure(drawSettings(t))
	default:
		time.Sleep(time.Duration(rapid.IntRange(1, 6).Draw(t, "seconds")) * time.Second)
	}
}

// wantNothing insists that there was indeed nothing to be had.
func (m *model) wantNothing(t *rapid.T) {
	for i, target := range m.targets {
		if !target.draining() && target.hasSlot() {
			t.Fatalf("refused, though target %d has a slot", i)
		}
	}
}

// end lets all go, and insists that each target then serves again.
func (m *model) end(t *rapid.T) {
	woken := make(chan struct{})
	close(woken)
	for _, w := range m.waiting {
		w.ticket.Wait(woken)
	}
	for i := range m.held {
		m.held[i].slot.Release(time.Now(), Unjudged)
	}
	time.Sleep(MaxAside)
	for i, target := range m.targets {
		if s := target.Status(time.Now()); s.InFlight != 0 || s.Queued != 0 {
			t.Fatalf("target %d: left behind: %+v", i, s)
		}
		target.Configure(Settings{})
		target.Drain(false)
		if s, ok := target.acquire(time.Now(), false); !ok {
			t.Fatalf("target %d does not serve again", i)
		} else {
			s.Release(time.Now(), Good)
		}
	}
}

// TestNobodyStarves has all targets of a tier take requests in the end, whatever their weights and loads.
func TestNobodyStarves(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var options []Option
		for range rapid.IntRange(1, 5).Draw(t, "targets") {
			options = append(options, Option{NewTarget(Settings{}), rapid.IntRange(1, 20).Draw(t, "weight"), 0})
		}
		g := NewGroup(LeastBusy, options)
		got := make([]int, len(options))
		for i := range 200 {
			got[g.Pick(start, uint64(i)*0x9e3779b97f4a7c15, &Set{}).Index]++
		}
		for i, n := range got {
			if n == 0 {
				t.Fatalf("%d got none: %v", i, got)
			}
		}
	})
}
