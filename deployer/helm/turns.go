package helm

import (
	"context"
	"sync"
)

// widePlaces is how many places can be asked as often as one may be, before others have to wait.
const widePlaces = 4

// turns bounds what is done at the same time: what needs this machine alone, and apart from it what waits for other places, so that
// a place which does not answer keeps nobody waiting but those who ask it.
type turns struct {
	local, remote chan struct{}
	each          int

	mu     sync.Mutex
	places map[string]*place
}

// place is a server that is asked, with those who ask it or wait for it.
type place struct {
	turns chan struct{}
	users int
}

func newTurns(each int) *turns {
	return &turns{local: make(chan struct{}, each), remote: make(chan struct{}, widePlaces*each), each: each, places: map[string]*place{}}
}

// take waits for a turn at a place, empty for this machine, and returns what gives it back. The error is that of ctx.
func (t *turns) take(ctx context.Context, name string) (done func(), err error) {
	if name == "" {
		return wait(ctx, t.local)
	}
	p := t.enter(name)
	atPlace, err := wait(ctx, p.turns)
	if err != nil {
		t.leave(name, p)
		return nil, err
	}
	anywhere, err := wait(ctx, t.remote)
	if err != nil {
		atPlace()
		t.leave(name, p)
		return nil, err
	}
	return func() {
		anywhere()
		atPlace()
		t.leave(name, p)
	}, nil
}

func wait(ctx context.Context, turns chan struct{}) (done func(), err error) {
	select {
	case turns <- struct{}{}:
		return func() { <-turns }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (t *turns) enter(name string) *place {
	t.mu.Lock()
	defer t.mu.Unlock()
	p := t.places[name]
	if p == nil {
		p = &place{turns: make(chan struct{}, t.each)}
		t.places[name] = p
	}
	p.users++
	return p
}

func (t *turns) leave(name string, p *place) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if p.users--; p.users == 0 {
		delete(t.places, name)
	}
}
