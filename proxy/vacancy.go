package proxy

import (
	"context"
	"sync"
)

// vacancy is a lock on something that fills and empties, and lets others wait until it is empty.
type vacancy struct {
	mu   sync.Mutex
	idle chan struct{} // closed by vacated, if somebody waits
}

// vacated tells those who wait that it is empty; the caller holds mu.
func (v *vacancy) vacated() {
	if v.idle != nil {
		close(v.idle)
		v.idle = nil
	}
}

// await waits until it is empty, as empty says under mu, and returns whether that came before ctx ended.
func (v *vacancy) await(ctx context.Context, empty func() bool) bool {
	for {
		v.mu.Lock()
		if empty() {
			v.mu.Unlock()
			return true
		}
		if v.idle == nil {
			v.idle = make(chan struct{})
		}
		idle := v.idle
		v.mu.Unlock()
		select {
		case <-idle:
		case <-ctx.Done():
			return false
		}
	}
}
