package proxy

import (
	"time"

	"llmhub/proxy/choice"
	"llmhub/proxy/openai"
)

// wakeUp ends the exchange's wait, if it is waiting for anything but a call.
func (x *exchange) wakeUp() {
	if wake := x.wake.Load(); wake != nil {
		select {
		case *wake <- struct{}{}:
		default:
		}
	}
}

// unwanted says why the request is not to be sent on any more, nil if it is.
func (x *exchange) unwanted() *openai.Error {
	switch e := x.cut.Load(); {
	case e != nil:
		return e
	case x.gone():
		return errClientLeft
	case x.p.draining.Load():
		return errShutdown
	}
	return nil
}

// wait calls f with a channel from which something comes when f is to end at once, since the client has left, the key was
// revoked or the gateway is to stop, and returns which of them it was. Those who do so change what unwanted looks at
// before they wake, so that nothing is missed.
func (x *exchange) wait(f func(wake <-chan struct{})) *openai.Error {
	x.atWork = false
	start := time.Now()
	wake := make(chan struct{}, 1)
	x.wake.Store(&wake)
	defer func() {
		x.wake.Store(nil)
		x.waitTime += time.Since(start)
	}()
	if e := x.unwanted(); e != nil {
		wake <- struct{}{}
	}
	f(wake)
	return x.unwanted()
}

// queue waits for a slot. It returns why the request is not to be sent on any more, in which case it holds none; that the
// slot is empty means that there was none in time.
func (x *exchange) queue(ticket *choice.Ticket) (slot choice.Slot, unwanted *openai.Error) {
	unwanted = x.wait(func(wake <-chan struct{}) { slot, _, _ = ticket.Wait(wake) })
	if unwanted != nil {
		slot.Release(time.Now(), choice.Unjudged)
	}
	return slot, unwanted
}

// pause waits for so long, unless the request is not to be sent on any more.
func (x *exchange) pause(d time.Duration) (unwanted *openai.Error) {
	return x.wait(func(wake <-chan struct{}) {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-wake:
		}
	})
}
