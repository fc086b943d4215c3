package metering

import (
	"context"
	"fmt"
	"time"

	"llmhub/store"
)

// bytesPerToken turns the size of a lost request's body into input tokens. English text has about four bytes a token;
// six, with the JSON around it counted too, errs in the customer's favour, since nobody can look it up any more.
const bytesPerToken = 6

// maxOrphanBatch bounds the events of one commit of orphans.
const maxOrphanBatch = 1024

// settleOrphans records the requests that dead processes had begun and not settled, and returns the number of the
// last batch it committed.
func (r *Recorder) settleOrphans(ctx context.Context) (seq uint64, err error) {
	orphans, err := r.ledger.Orphans(ctx, r.source)
	if err != nil {
		return 0, fmt.Errorf("look for unsettled requests: %w", err)
	}
	for len(orphans) > 0 {
		n := min(len(orphans), maxOrphanBatch)
		events := r.orphanEvents(orphans[:n])
		seq++
		start := time.Now()
		if err := r.ledger.Commit(ctx, store.Batch{Source: r.source, Seq: seq, Events: events}); err != nil {
			return seq, fmt.Errorf("settle %d requests of a dead process: %w", n, err)
		}
		r.opts.Observer.Committed(events, time.Since(start))
		orphans = orphans[n:]
	}
	return seq, nil
}

// adoptOrphans records the requests of processes that have died meanwhile. While they cannot be committed, nothing else can
// either, as with any batch. An error ends the recorder.
func (r *Recorder) adoptOrphans(seq *uint64) error {
	ctx, cancel := context.WithTimeout(context.Background(), r.opts.OrphansEvery)
	defer cancel()
	orphans, err := r.ledger.Orphans(ctx, r.source)
	if err != nil {
		r.opts.Logger.Warn("unsettled requests of other processes not looked for", "err", err)
		return nil
	}
	for len(orphans) > 0 {
		n := min(len(orphans), maxOrphanBatch)
		if _, err := r.commit(newBatch(), r.orphanEvents(orphans[:n]), seq); err != nil {
			return err
		}
		orphans = orphans[n:]
	}
	return nil
}

// orphanEvents returns the entries of orphans, and tells the log of each.
func (r *Recorder) orphanEvents(orphans []store.Mark) []store.Event {
	now := time.Now().UTC().Truncate(time.Millisecond)
	events := make([]store.Event, len(orphans))
	for i, m := range orphans {
		events[i] = orphanEvent(m, now)
		r.opts.Logger.Warn("request settled from its marks: the process that began it has died",
			"request", m.ID.String(), "key", m.Key, "model", m.Model, "begun", m.At, "deltas", m.Deltas)
	}
	return events
}

// orphanEvent counts what is known to have been delivered: an event with content is at least one token. Where nothing
// was delivered, the entry states the request and charges nothing.
func orphanEvent(m store.Mark, now time.Time) store.Event {
	var t store.Tokens
	if m.Deltas > 0 {
		t.Input = m.RequestBytes / bytesPerToken
		t.Output = m.Deltas
		t.Estimated = t.Total()
	}
	return store.Event{
		ID: m.ID, Key: m.Key, Model: m.Model, Deployment: m.Deployment,
		At: now, Duration: max(0, now.Sub(m.At)).Truncate(time.Millisecond),
		Provenance: store.FromPartial, Recovered: true, Tokens: t,
	}
}
