package helm

import (
	"context"
	"errors"
	"fmt"
	"time"

	"llmhub/deployer"
)

// fetchGrace is what a child that fetches a chart has beyond the time that the network has, so that it can tell which of the two
// was too slow.
const fetchGrace = 5 * time.Second

// talk starts a child, follows it to its end and returns its last message. tell is called by this goroutine.
func (r *Releases) talk(ctx context.Context, q request, tell func(deployer.Stage)) (message, error) {
	if err := ctx.Err(); err != nil {
		return message{}, err
	}
	c, err := start(r.o.Command, q)
	if err != nil {
		return message{}, lost(fmt.Sprintf("the worker cannot be started: %s", err))
	}
	f := follower{child: c, request: q, limit: r.o.RenderTimeout, tell: tell}
	if q.Fetch != nil {
		f.limit += fetchGrace
	}
	last, err := f.follow(ctx)
	how := c.end()
	switch {
	case err != nil:
		return message{}, err
	case last.Done && last.Reason == nil:
		return last, nil
	case ctx.Err() != nil:
		return message{}, q.ended(ctx)
	case last.Done:
		return message{}, last.Reason
	}
	return message{}, f.died(how)
}

// ended is the error for a context that has ended before what was asked for was done: that of ctx if it was cancelled.
func (q request) ended(ctx context.Context) error {
	if !errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return ctx.Err()
	}
	switch {
	case q.Job != nil:
		return &deployer.Reason{Code: deployer.NotReady}
	case q.Look != nil:
		return &deployer.Reason{Code: deployer.Unreachable, Detail: "no answer in time"}
	case q.Fetch != nil:
		return &deployer.Reason{Code: deployer.ChartMissing, Detail: "no answer in time"}
	}
	return &deployer.Reason{Code: deployer.RenderLimit, Detail: "not done in time"}
}

// follower follows a child.
type follower struct {
	*child
	request request
	limit   time.Duration
	tell    func(deployer.Stage)
	stage   deployer.Stage
}

// follow returns the last message of the child, which has not Done if the child has died. An error means that time was up.
func (f *follower) follow(ctx context.Context) (message, error) {
	timer := time.NewTimer(f.limit)
	defer timer.Stop()
	if f.request.Job != nil {
		timer.Stop() // what comes first is the cluster's time
	}
	done := ctx.Done()
	var grace <-chan time.Time
	for {
		select {
		case m, ok := <-f.messages:
			if !ok || m.Done {
				return m, nil
			}
			f.reach(m.Stage, timer)
		case <-timer.C:
			return message{}, f.gone(fmt.Sprintf("not done after %s", f.limit))
		case <-done:
			if f.request.Job == nil {
				return message{}, f.request.ended(ctx)
			}
			f.cancel()
			done, grace = nil, time.After(cancelGrace)
		case <-grace:
			return message{}, f.request.ended(ctx)
		}
	}
}

func (f *follower) reach(s deployer.Stage, timer *time.Timer) {
	f.stage = s
	if s == stageRendering {
		timer.Reset(f.limit)
		return
	}
	timer.Stop()
	f.tell(s)
}

// died says why a child has ended without a last message.
func (f *follower) died(how string) error {
	if f.malformed {
		return f.gone("the worker has said too much, or what makes no sense")
	}
	return f.gone("the worker has used up its memory, or was killed: " + how)
}

// gone is the reason for a child that was killed or died before its time.
func (f *follower) gone(detail string) *deployer.Reason {
	code := deployer.RenderLimit
	switch {
	case f.request.Fetch != nil:
		code = deployer.ChartInvalid
	case f.request.Look != nil:
		code = deployer.Unreachable
	case f.request.Job != nil && f.stage != stageRendering:
		code = deployer.Interrupted
	}
	return &deployer.Reason{Code: code, Detail: detail}
}

// lost is the reason for what should not happen.
func lost(detail string) *deployer.Reason {
	return &deployer.Reason{Code: deployer.Internal, Detail: detail}
}
