package conform

import (
	"context"
	"errors"
	"fmt"
	"time"

	"llmhub/proxy/proxytest"
)

const (
	// readEvery is how often a record that is not there yet is looked for.
	readEvery = 20 * time.Millisecond
	// settleWait is how long an entry that must not come is waited for.
	settleWait = 250 * time.Millisecond
)

// read reads the record of a key, if there is a ledger.
func (r *Runner) read(ctx context.Context, key Key) (Record, error) {
	if r.Ledger == nil {
		return Record{}, nil
	}
	ctx, stop := context.WithTimeout(ctx, r.Timeout)
	defer stop()
	record, err := r.Ledger.Read(ctx, key)
	if err != nil {
		return Record{}, fmt.Errorf("the record cannot be read: %w", err)
	}
	return record, nil
}

// audit compares what the gateway has recorded of a case with what it must have.
func (r *Runner) audit(ctx context.Context, c *proxytest.Case, key Key, before Record) error {
	want := int64(1)
	if c.Want.Provenance == "" {
		want = 0
	}
	now, err := r.settled(ctx, key, before, want)
	if err != nil {
		return err
	}
	if n := now.Requests - before.Requests; n != want {
		return fmt.Errorf("%s: %d entries recorded, want %d", c.Name, n, want)
	}
	if want == 0 {
		return nil
	}
	usage := now.Usage.Minus(before.Usage)
	provenance := now.Provenance
	if provenance == "" {
		provenance = c.Want.Provenance
	}
	if err := c.CheckUsage(provenance, usage); err != nil || !now.Units {
		return err
	}
	return c.CheckUnits(usage)
}

// settled waits until the record has as many more entries as are wanted, or for none to come.
func (r *Runner) settled(ctx context.Context, key Key, before Record, want int64) (Record, error) {
	wait := r.Timeout
	if want == 0 {
		wait = settleWait
	}
	for end := time.Now().Add(wait); ; {
		now, err := r.read(ctx, key)
		if n := now.Requests - before.Requests; err != nil || n > want || n == want && want > 0 || time.Now().After(end) {
			return now, err
		}
		select {
		case <-ctx.Done():
			return now, errors.New("interrupted")
		case <-time.After(readEvery):
		}
	}
}
