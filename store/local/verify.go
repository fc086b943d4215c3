package local

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"llmhub/store"
	"llmhub/store/local/usagelog"
)

// maxDifferences bounds how many differences a report spells out.
const maxDifferences = 20

// VerifyReport says what Verify has found.
type VerifyReport struct {
	// Frames of the log; Batches are those with events, the others hold marks only.
	Frames  int64 `json:"frames"`
	Batches int64 `json:"batches"`
	Events  int64 `json:"events"`
	// RemovedEvents are older than the retention; only their sums are kept, in the log's base.
	RemovedEvents int64 `json:"removed_events"`
	// UnfoldedFrames are not part of the stored sums yet; they are added when the folder is next opened.
	UnfoldedFrames int64 `json:"unfolded_frames"`
	// DuplicateBatches and DuplicateRequests are counted more than once.
	DuplicateBatches  int64 `json:"duplicate_batches"`
	DuplicateRequests int64 `json:"duplicate_requests"`
	// Keys is how many keys have, or had, events.
	Keys int `json:"keys"`
	// First and Last are the times of the oldest and the newest event that the log has; zero without events.
	First time.Time `json:"first,omitzero"`
	Last  time.Time `json:"last,omitzero"`
	// OpenMarks are requests begun and neither settled nor void.
	OpenMarks int `json:"open_marks"`
	// Differences between the log and what the database says, at most 20; MoreDifferences counts the others.
	Differences     []string `json:"differences"`
	MoreDifferences int64    `json:"more_differences"`
}

// differ notes a difference.
func (r *VerifyReport) differ(format string, args ...any) {
	if len(r.Differences) == maxDifferences {
		r.MoreDifferences++
		return
	}
	r.Differences = append(r.Differences, fmt.Sprintf(format, args...))
}

// Verify reads the whole usage log, from its base on, adds everything up anew and compares it with the sums. The error wraps
// store.ErrDamaged if they differ or the log is damaged; the report is then filled as far as it was possible. The data
// folder must not be in use. Memory is needed for a row per key, model and day, and a bit per request.
func Verify(ctx context.Context, dir string, o Options) (VerifyReport, error) {
	v := &verifier{report: VerifyReport{Differences: []string{}}, requests: map[store.Source]requestSet{}}
	if _, err := os.Stat(filepath.Join(dir, "log")); err != nil {
		return v.report, fmt.Errorf("%s is not a data folder: %w", dir, err)
	}
	s, err := openParts(dir, o, usagelog.OpenReadOnly)
	if err != nil {
		return v.report, fmt.Errorf("verify data folder %s: %w", dir, err)
	}
	if err = v.run(ctx, s); err == nil && len(v.report.Differences) > 0 {
		err = fmt.Errorf("%w: log and sums differ in %d places, first: %s", store.ErrDamaged,
			int64(len(v.report.Differences))+v.report.MoreDifferences, v.report.Differences[0])
	}
	if err = errors.Join(err, s.closeParts()); err != nil {
		return v.report, fmt.Errorf("verify data folder %s: %w", dir, err)
	}
	return v.report, nil
}

// verifier adds up the log.
type verifier struct {
	*account
	report VerifyReport
	at     folded
	frames map[uint32]*keyFrames
	// requests holds which requests have an event.
	requests map[store.Source]requestSet
}

// keyFrames is a fingerprint of the positions of the frames that have events of a key.
type keyFrames struct {
	last usagelog.Position
	all  fingerprint
}

// fingerprint stands for a sequence of positions.
type fingerprint struct {
	count int64
	hash  uint64
}

func (f *fingerprint) add(p usagelog.Position) {
	const prime = 1099511628211
	f.count++
	f.hash = (f.hash*prime+uint64(p.Segment))*prime + uint64(p.Offset)
}

// requestSet is a set of counters, in pages of 4 KiB.
type requestSet map[uint64]*[512]uint64

// insert reports whether the counter is new.
func (s requestSet) insert(n uint64) bool {
	page := s[n>>15]
	if page == nil {
		page = new([512]uint64)
		s[n>>15] = page
	}
	word, bit := &page[n>>6&511], uint64(1)<<(n&63)
	isNew := *word&bit == 0
	*word |= bit
	return isNew
}

func (v *verifier) run(ctx context.Context, s *Store) error {
	v.account, v.frames = newAccount(s.location), map[uint32]*keyFrames{}
	txn := s.db.NewTransaction(false)
	defer txn.Discard()
	isNew, err := s.checkFormat(txn)
	if err != nil || isNew {
		return badgerError(err)
	}
	if v.at, err = foldedIn(txn); err != nil {
		return badgerError(err)
	}
	if err := s.checkLogReaches(v.at); err != nil {
		return err
	}
	_, err = s.log.ReadBase(func(content io.Reader) error {
		return v.readBase(content, func(c cell, s sum) error {
			v.cells[c] = &s
			return nil
		})
	})
	if err != nil {
		return err
	}
	v.report.RemovedEvents = v.events
	begin, _ := s.log.First()
	compared := false
	_, err = s.log.Replay(usagelog.Position{}, func(pos usagelog.Position, seq uint64, _ time.Time, payload []byte) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		if seq > v.at.seq && !compared {
			compared = true
			if err := v.compare(txn, begin); err != nil {
				return err
			}
		}
		return v.frame(pos, seq, payload)
	})
	if err == nil && !compared {
		err = v.compare(txn, begin)
	}
	v.report.Keys, v.report.OpenMarks = len(v.last), len(v.ledger.open)
	return badgerError(err)
}

// frame checks one frame and adds it up.
func (v *verifier) frame(pos usagelog.Position, seq uint64, payload []byte) error {
	var f frame
	err := f.decode(payload)
	if err == nil {
		if f.seq > 0 {
			v.batch(&f, seq)
		}
		err = v.add(&f)
	}
	if err != nil {
		return fmt.Errorf("%w: usage log, frame %d at %s: %w", store.ErrDamaged, seq, pos, err)
	}
	v.report.Frames++
	if seq > v.at.seq {
		v.report.UnfoldedFrames++
	}
	for i := range f.events {
		v.event(&f.events[i], pos)
	}
	return nil
}

// batch checks that a batch follows the one before. It comes before the batch is added.
func (v *verifier) batch(f *frame, seq uint64) {
	v.report.Batches++
	switch last := v.ledger.seqs[f.source]; {
	case f.seq <= last:
		v.report.DuplicateBatches++
		v.report.differ("frame %d repeats batch %d of source %d", seq, f.seq, f.source)
	case f.seq > last+1:
		v.report.differ("frame %d has batch %d of source %d behind batch %d", seq, f.seq, f.source, last)
	}
}

func (v *verifier) event(e *event, pos usagelog.Position) {
	v.report.Events++
	at := time.UnixMilli(e.at).UTC()
	if v.report.First.IsZero() || at.Before(v.report.First) {
		v.report.First = at
	}
	if at.After(v.report.Last) {
		v.report.Last = at
	}
	source := e.id.Source()
	if v.requests[source] == nil {
		v.requests[source] = requestSet{}
	}
	if !v.requests[source].insert(uint64(e.id) & counterMask) {
		v.report.DuplicateRequests++
		v.report.differ("request %s is counted more than once", e.id)
	}
	k := v.frames[e.key]
	if k == nil {
		k = &keyFrames{}
		v.frames[e.key] = k
	}
	if k.last != pos {
		k.last = pos
		k.all.add(pos)
	}
}
