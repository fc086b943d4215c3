package store

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Source identifies one run of one process that writes usage. Sources are never reused.
type Source uint32

// SourceBits and the bits below bound a request ID: 24 bits of source, 40 bits of counter.
const sourceShift = 40

// RequestID identifies one logical request, however many attempts it took upstream. It is the gateway's own,
// unique for ever: the source in the upper 24 bits, a counter from 1 in the lower 40.
type RequestID uint64

// NewRequestID joins a source and a counter.
func NewRequestID(s Source, n uint64) RequestID {
	return RequestID(uint64(s)<<sourceShift | n&(1<<sourceShift-1))
}

// Source returns the source that made the ID.
func (id RequestID) Source() Source { return Source(id >> sourceShift) }

// String returns the form shown to callers: "req-", the source and the counter in base 36.
func (id RequestID) String() string {
	b := make([]byte, 0, 24)
	b = append(b, "req-"...)
	b = strconv.AppendUint(b, uint64(id.Source()), 36)
	b = append(b, '-')
	return string(strconv.AppendUint(b, uint64(id)&(1<<sourceShift-1), 36))
}

// ParseRequestID reads the form that String writes.
func ParseRequestID(s string) (RequestID, error) {
	source, n, ok := strings.Cut(strings.TrimPrefix(s, "req-"), "-")
	src, err1 := strconv.ParseUint(source, 36, 24)
	cnt, err2 := strconv.ParseUint(n, 36, sourceShift)
	if !ok || err1 != nil || err2 != nil || !strings.HasPrefix(s, "req-") {
		return 0, fmt.Errorf("%q is not a request ID", s)
	}
	return NewRequestID(Source(src), cnt), nil
}

// Provenance says where the counts of an event come from.
type Provenance uint8

// The provenances. The numbers are part of the format on disk.
const (
	// FromUpstream: the model server's own final usage.
	FromUpstream Provenance = 1
	// FromDrained: the model server's own usage, read on after the client had left.
	FromDrained Provenance = 2
	// FromPartial: the answer was broken off; what was delivered has been counted.
	FromPartial Provenance = 3
	// FromEstimate: the answer was finished but came without usage; counted with the embedded tokenizer.
	FromEstimate Provenance = 4
)

// String returns the word used in the API.
func (p Provenance) String() string {
	switch p {
	case FromUpstream:
		return "upstream"
	case FromDrained:
		return "drained"
	case FromPartial:
		return "partial"
	case FromEstimate:
		return "estimated"
	}
	return "provenance-" + strconv.Itoa(int(p))
}

// Tokens are counts of tokens, normalised: CachedInput is part of Input, Reasoning is part of Output.
type Tokens struct {
	Input       int64
	CachedInput int64
	Output      int64
	Reasoning   int64
	// Estimated says how many of Input+Output were not reported by the model server.
	Estimated int64
}

// Total returns Input + Output.
func (t Tokens) Total() int64 { return t.Input + t.Output }

// Add adds u to t.
func (t *Tokens) Add(u Tokens) {
	t.Input += u.Input
	t.CachedInput += u.CachedInput
	t.Output += u.Output
	t.Reasoning += u.Reasoning
	t.Estimated += u.Estimated
}

// Event is the one ledger entry of one request.
type Event struct {
	ID RequestID
	// Key is the ID of the API key (not the key itself), at most 255 bytes.
	Key string
	// Model is the name the client asked for, at most 255 bytes.
	Model string
	// Deployment names where it was served, "upstream/model"; at most 255 bytes.
	Deployment string
	// At is when the request was settled, to the millisecond. It decides day and month of the sums.
	At time.Time
	// Duration is the time from arrival to settlement, to the millisecond.
	Duration   time.Duration
	Provenance Provenance
	// Recovered marks a request that was begun by a process that died, settled from its marks.
	Recovered bool
	Tokens    Tokens
	// Quantities are what was used beside tokens; at most MaxQuantities.
	Quantities Quantities
}

// MarkKind says what a mark states.
type MarkKind uint8

// The kinds of marks. The numbers are part of the format on disk.
const (
	// MarkBegun: the request has been sent on; all fields but Deltas are set.
	MarkBegun MarkKind = 1
	// MarkProgress: Deltas events with content have been delivered so far; only ID and Deltas are set.
	MarkProgress MarkKind = 2
	// MarkVoid: the request ended without anything to charge; only ID is set.
	MarkVoid MarkKind = 3
)

// Mark is a note on a request in flight. It outlives the process (kill -9), but not a power cut, and serves only to
// settle what a dead process left behind.
type Mark struct {
	Kind       MarkKind
	ID         RequestID
	Key        string
	Model      string
	Deployment string
	At         time.Time
	// RequestBytes is the size of the request's body.
	RequestBytes int64
	// Deltas counts events with content that were handed to the client.
	Deltas int64
}

// MaxBatchEvents and MaxMarks are what every engine takes in one batch and in one call of Mark; more may be ErrTooLarge.
const (
	MaxBatchEvents = 2048
	MaxMarks       = 4096
)

// Batch is what is committed at once.
type Batch struct {
	Source Source
	// Seq counts a source's batches from 1, without gaps.
	Seq    uint64
	Events []Event
}

// Day is a civil day in the billing time zone, counted from 1970-01-01.
type Day int32

// DayOf returns the day of t in loc.
func DayOf(t time.Time, loc *time.Location) Day {
	y, m, d := t.In(loc).Date()
	return Day(time.Date(y, m, d, 0, 0, 0, 0, time.UTC).Unix() / 86400)
}

// ParseDay reads 2006-01-02.
func ParseDay(s string) (Day, error) {
	t, err := time.Parse(time.DateOnly, s)
	if err != nil {
		return 0, fmt.Errorf("%q is not a day such as 2026-11-30", s)
	}
	return Day(t.Unix() / 86400), nil
}

// Date returns the beginning of the day in UTC.
func (d Day) Date() time.Time { return time.Unix(int64(d)*86400, 0).UTC() }

// String returns the day as 2006-01-02.
func (d Day) String() string { return d.Date().Format(time.DateOnly) }

// Month returns the month the day is in.
func (d Day) Month() Month {
	y, m, _ := d.Date().Date()
	return Month(y*12 + int(m) - 1)
}

// Month is a civil month in the billing time zone: year*12 + month-1.
type Month int32

// ParseMonth reads 2006-01.
func ParseMonth(s string) (Month, error) {
	t, err := time.Parse("2006-01", s)
	if err != nil {
		return 0, fmt.Errorf("%q is not a month such as 2026-11", s)
	}
	return Month(t.Year()*12 + int(t.Month()) - 1), nil
}

// First returns the first day of the month.
func (m Month) First() Day {
	return Day(time.Date(int(m)/12, time.Month(int(m)%12+1), 1, 0, 0, 0, 0, time.UTC).Unix() / 86400)
}

// String returns the month as 2006-01.
func (m Month) String() string { return m.First().Date().Format("2006-01") }

// UsageQuery selects and groups sums.
type UsageQuery struct {
	// Keys restricts to these key IDs; nil means all keys, an empty slice none.
	Keys []string
	// From and To are a half-open range of days.
	From, To Day
	// The By flags say what rows are kept apart by; what is not asked for is zero in the rows.
	ByKey, ByModel, ByDay, ByMonth bool
}

// Sum is one row of usage.
type Sum struct {
	Key      string
	Model    string
	Day      Day
	Month    Month
	Requests int64
	Tokens   Tokens
	// Quantities are what was used beside tokens.
	Quantities Quantities
}

// MinRetention is the shortest time for which an engine keeps single requests.
const MinRetention = 24 * time.Hour

// EventQuery selects single requests of a key, newest first.
type EventQuery struct {
	Key string
	// Cursor continues behind a former page; empty for the first.
	Cursor string
	// Limit bounds the page; 0 means 100, at most 1,000 are given.
	Limit int
}

// LedgerStats are figures for operators.
type LedgerStats struct {
	// FoldLagBatches counts committed batches that are not part of the stored sums yet (reads add them).
	FoldLagBatches int64
	// FreeBytes is the space left on the disk that holds the data; -1 where the engine cannot say.
	FreeBytes int64
	// DataBytes is the size of the usage log.
	DataBytes int64
}

// Ledger keeps usage. All methods may be called concurrently, except that a source has one Commit at a time. Mark goes on
// beside a Commit and does not wait for its sync: the first event of a stream waits for it.
type Ledger interface {
	// NewSource returns a source number that has never been used.
	NewSource(ctx context.Context) (Source, error)
	// Commit makes a batch durable (against power cuts) exactly once by (Source, Seq): a batch that has been
	// committed is acknowledged again without effect. After any error the same batch must be sent again, unchanged;
	// none may be skipped. ErrNoSpace leaves the ledger usable. After an error that wraps ErrDamaged or ErrClosed
	// the process must end. ErrInvalid and ErrTooLarge say that the batch can never be committed: its number stays
	// free for another.
	Commit(ctx context.Context, b Batch) error
	// Mark notes requests in flight: written before it returns, synced with a later Commit.
	Mark(ctx context.Context, source Source, marks []Mark) error
	// Orphans returns, for each request begun by a source that no longer runs and neither settled nor void, one mark
	// of kind MarkBegun with the last Deltas. Committing an event with its ID ends an orphan.
	Orphans(ctx context.Context, own Source) ([]Mark, error)
	// Usage returns sums; committed batches are contained at once. Rows are ordered by key, model, day, month.
	Usage(ctx context.Context, q UsageQuery) ([]Sum, error)
	// UsageVersion returns a number that changes with every commit of an event on a day of the half-open range: as long
	// as it stays the same, so do the sums. Numbers say nothing beyond that, nor to another process.
	UsageVersion(ctx context.Context, from, to Day) (uint64, error)
	// Events returns single requests of a key, newest first, and the next page's cursor, empty behind the last. An engine
	// with a retention leaves out those settled longer ago.
	Events(ctx context.Context, q EventQuery) (page []Event, next string, err error)
	// LastUsed returns when each of the keys was last settled a request for; keys never used are absent.
	LastUsed(ctx context.Context, keys []string) (map[string]time.Time, error)
	// Ready returns nil while Commit can be expected to succeed; ErrNoSpace below the free-space floor.
	Ready() error
	// Stats returns figures for operators.
	Stats() LedgerStats
}
