// Package conform plays the cases of proxytest against a gateway and keeps the score: which bytes reached the client, how
// many calls the model server got, and what the gateway recorded. It works with any gateway that can be given the scripted
// provider as model server. It knows nothing of how a gateway is managed: keys and records come through interfaces.
package conform

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"llmhub/proxy/proxytest"
)

// Key is a key of the gateway.
type Key struct {
	ID, Secret string
	// Revoke deactivates the key; nil if nobody can.
	Revoke func(context.Context) error
}

// Keys gives the key that a case is played with.
type Keys interface {
	Key(ctx context.Context, name string) (Key, error)
}

// Record is what a gateway has recorded for a key so far. What it does not tell is not compared.
type Record struct {
	Requests int64
	Usage    proxytest.Usage
	// Provenance is of the last entry, where the gateway tells of entries.
	Provenance string
	// Units says that Usage has what is billed beside tokens.
	Units bool
}

// Ledger reads what a gateway has recorded.
type Ledger interface {
	Read(ctx context.Context, key Key) (Record, error)
}

// Models are what a gateway calls the model server. An empty Any stands for a model of its own for each case, named by it.
type Models struct {
	// Any is the model for all cases; Drain is one whose answers are read on when the client leaves, Impatient one whose
	// silence is not waited for. Cases that need what there is no model for are skipped.
	Any, Drain, Impatient string
}

// Runner plays cases. Its fields are not changed while it runs.
type Runner struct {
	// BaseURL is the gateway's, such as http://127.0.0.1:8080/v1.
	BaseURL  string
	Provider *proxytest.Provider
	Keys     Keys
	// Ledger is nil if what was recorded cannot be known.
	Ledger Ledger
	Models Models
	// Parallel is how many cases are played at once. It must be 1 if they share a key that Ledger reads.
	Parallel int
	// Timeout bounds each step of a case: the answer, the end at the model server, the record.
	Timeout time.Duration
}

// Outcome is what became of a case.
type Outcome string

// The outcomes.
const (
	Passed  Outcome = "passed"
	Failed  Outcome = "failed"
	Skipped Outcome = "skipped"
)

// Result is what became of one case.
type Result struct {
	Case    string  `json:"case"`
	About   string  `json:"about"`
	Outcome Outcome `json:"outcome"`
	// Reason says why it failed or was skipped.
	Reason string `json:"reason,omitempty"`
	// Audited says that what the gateway recorded was compared as well.
	Audited bool `json:"audited"`
	// Milliseconds is how long it took.
	Milliseconds int64 `json:"milliseconds"`
}

// Run plays the cases and calls done for each result, in the order of the cases. It ends early only when ctx does.
func (r *Runner) Run(ctx context.Context, cases []proxytest.Case, done func(Result)) error {
	for _, c := range cases {
		r.Provider.Script(c.Model, c.Script)
	}
	results := make([]chan Result, len(cases))
	next := make(chan int, len(cases))
	for i := range cases {
		results[i] = make(chan Result, 1)
		next <- i
	}
	close(next)
	var players sync.WaitGroup
	defer players.Wait()
	for range max(1, r.Parallel) {
		players.Go(func() {
			for i := range next {
				results[i] <- r.play(ctx, cases[i])
			}
		})
	}
	for i := range results {
		result := <-results[i]
		if ctx.Err() != nil {
			return ctx.Err()
		}
		done(result)
	}
	return nil
}

// play plays one case.
func (r *Runner) play(ctx context.Context, c proxytest.Case) Result {
	start := time.Now()
	result := Result{Case: c.Name, About: c.About, Outcome: Passed}
	err := ctx.Err()
	if err == nil {
		result.Audited, err = r.judge(ctx, c)
	}
	var skip skipped
	switch {
	case errors.As(err, &skip):
		result.Outcome, result.Reason = Skipped, string(skip)
	case err != nil:
		result.Outcome, result.Reason = Failed, strings.TrimPrefix(err.Error(), c.Name+": ")
	}
	result.Milliseconds = time.Since(start).Milliseconds()
	return result
}

// skipped says why a case cannot be played.
type skipped string

func (s skipped) Error() string { return string(s) }

// model returns what to ask the gateway for.
func (r *Runner) model(c *proxytest.Case) (string, error) {
	switch m := r.Models; {
	case m.Any == "":
		return c.Model, nil
	case c.Drain && m.Drain == "":
		return "", skipped("needs a model whose answers are read on when the client leaves")
	case c.ShortIdle && m.Impatient == "":
		return "", skipped("needs a model whose silence is not waited for")
	case c.Drain:
		return m.Drain, nil
	case c.ShortIdle:
		return m.Impatient, nil
	default:
		return m.Any, nil
	}
}

// judge plays a case and returns what is wrong with its outcome.
func (r *Runner) judge(ctx context.Context, c proxytest.Case) (audited bool, err error) {
	model, err := r.model(&c)
	if err != nil {
		return false, err
	}
	if model != c.Model {
		c = c.For(model)
	}
	key, err := r.Keys.Key(ctx, c.Name)
	if err != nil {
		return false, fmt.Errorf("no key: %w", err)
	}
	if c.Revoke && key.Revoke == nil {
		return false, skipped("needs somebody who can deactivate a key")
	}
	before, err := r.read(ctx, key)
	if err != nil {
		return false, err
	}
	calls := r.Provider.Calls(c.Model)
	if err := r.exchange(ctx, &c, key, calls); err != nil {
		return false, err
	}
	if r.Ledger == nil {
		return false, nil
	}
	return true, r.audit(ctx, &c, key, before)
}

// exchange plays the client's part and compares what it saw with what the model server sent.
func (r *Runner) exchange(ctx context.Context, c *proxytest.Case, key Key, calls int) error {
	transport := &http.Transport{DisableCompression: true}
	defer transport.CloseIdleConnections()
	playing, stop := context.WithTimeout(ctx, r.Timeout)
	defer stop()
	player := proxytest.Player{BaseURL: r.BaseURL, Key: key.Secret, Client: &http.Client{Transport: transport}, Provider: r.Provider,
		Revoke: func() error { return key.Revoke(playing) }}
	seen, err := player.Play(playing, c)
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(seen.Err, context.DeadlineExceeded) {
		return fmt.Errorf("no end of the answer within %s", r.Timeout)
	}
	if err != nil {
		return err
	}
	if err := r.wait(ctx, func() bool { return r.Provider.Busy(c.Model) == 0 }); err != nil {
		return fmt.Errorf("the request is still open at the model server: %w", err)
	}
	sent, _ := r.Provider.LastSent(c.Model)
	if err := c.Check(seen.Status, seen.Body, sent); err != nil {
		if seen.Err != nil {
			err = fmt.Errorf("%w; the answer ended with %w", err, seen.Err)
		}
		return err
	}
	if want := c.Want.RetryAfter; want != "" && seen.Header.Get("Retry-After") != want {
		return fmt.Errorf("%s: Retry-After is %q, want %q", c.Name, seen.Header.Get("Retry-After"), want)
	}
	switch n := r.Provider.Calls(c.Model) - calls; {
	case n == 0:
		return errors.New("the request did not reach the model server")
	case c.Want.Calls > 0 && n != c.Want.Calls:
		return fmt.Errorf("%d calls at the model server, want %d", n, c.Want.Calls)
	}
	return c.CheckRequest(r.Provider.LastRequest(c.Model))
}

// wait waits until ok, at most for the runner's timeout.
func (r *Runner) wait(ctx context.Context, ok func() bool) error {
	ctx, stop := context.WithTimeout(ctx, r.Timeout)
	defer stop()
	for !ok() {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(2 * time.Millisecond):
		}
	}
	return nil
}
