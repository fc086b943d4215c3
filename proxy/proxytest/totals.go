package proxytest

import (
	"slices"
	"sync"
	"sync/atomic"
)

// Usage is a count of tokens, and of what is billed beside them. Cached ones are part of Prompt, Reasoning ones are part of
// Output.
type Usage struct {
	Prompt    int64 `json:"prompt_tokens"`
	Cached    int64 `json:"cached_tokens"`
	Output    int64 `json:"output_tokens"`
	Reasoning int64 `json:"reasoning_tokens"`

	Images            int64 `json:"images,omitempty"`
	AudioMilliseconds int64 `json:"audio_milliseconds,omitempty"`
	// Characters are those of text turned into speech.
	Characters int64 `json:"characters,omitempty"`
	Searches   int64 `json:"searches,omitempty"`
}

// Total returns Prompt + Output.
func (u Usage) Total() int64 { return u.Prompt + u.Output }

func (u *Usage) add(v Usage) {
	u.Prompt += v.Prompt
	u.Cached += v.Cached
	u.Output += v.Output
	u.Reasoning += v.Reasoning
	u.Images += v.Images
	u.AudioMilliseconds += v.AudioMilliseconds
	u.Characters += v.Characters
	u.Searches += v.Searches
}

// Plus returns u and v together.
func (u Usage) Plus(v Usage) Usage {
	u.add(v)
	return u
}

// Minus returns what u has more than v.
func (u Usage) Minus(v Usage) Usage {
	u.add(Usage{Prompt: -v.Prompt, Cached: -v.Cached, Output: -v.Output, Reasoning: -v.Reasoning, Images: -v.Images,
		AudioMilliseconds: -v.AudioMilliseconds, Characters: -v.Characters, Searches: -v.Searches})
	return u
}

// Counts are exact figures about the answers to a group of requests.
//
// Figures are raised before the bytes they describe are written and lowered again for what could not be written; so
// whatever a client has seen is contained. What is in flight may be contained for a moment without being seen by anyone.
type Counts struct {
	// Requests counts model requests that were received whole, whatever became of them.
	Requests int64 `json:"requests"`
	// Finished counts answers with status 200 that were written to their last byte.
	Finished int64 `json:"finished"`
	// Asked sums the prompt tokens of all requests received, answered or not.
	Asked int64 `json:"asked_prompt_tokens"`
	// HandedOut is what was given: the prompt once the first byte of a 200 answer was written, and the tokens of those
	// deltas that were written to their last byte.
	HandedOut Usage `json:"handed_out"`
	// FinishedUsage is the true usage of the finished answers.
	FinishedUsage Usage `json:"finished_usage"`
}

func (c *Counts) add(d Counts) {
	c.Requests += d.Requests
	c.Finished += d.Finished
	c.Asked += d.Asked
	c.HandedOut.add(d.HandedOut)
	c.FinishedUsage.add(d.FinishedUsage)
}

// Totals are the counts of all requests and those by the requests' `user` member.
type Totals struct {
	All    Counts            `json:"all"`
	ByUser map[string]Counts `json:"by_user"`
}

// Totals returns the counts since Start.
func (p *Provider) Totals() Totals { return p.ledger.totals() }

// usageCounter is a Usage that many goroutines add to.
type usageCounter struct {
	prompt, cached, output, reasoning             atomic.Int64
	images, audioMilliseconds, characters, search atomic.Int64
}

func (c *usageCounter) add(u Usage, sign int64) {
	c.prompt.Add(sign * u.Prompt)
	c.cached.Add(sign * u.Cached)
	c.output.Add(sign * u.Output)
	c.reasoning.Add(sign * u.Reasoning)
	if u.Images|u.AudioMilliseconds|u.Characters|u.Searches != 0 {
		c.images.Add(sign * u.Images)
		c.audioMilliseconds.Add(sign * u.AudioMilliseconds)
		c.characters.Add(sign * u.Characters)
		c.search.Add(sign * u.Searches)
	}
}

func (c *usageCounter) load() Usage {
	return Usage{Prompt: c.prompt.Load(), Cached: c.cached.Load(), Output: c.output.Load(), Reasoning: c.reasoning.Load(),
		Images: c.images.Load(), AudioMilliseconds: c.audioMilliseconds.Load(), Characters: c.characters.Load(), Searches: c.search.Load()}
}

// account holds the counts of one user.
type account struct {
	requests, finished, asked atomic.Int64
	handedOut, finishedUsage  usageCounter
}

func (a *account) load() Counts {
	return Counts{
		Requests:      a.requests.Load(),
		Finished:      a.finished.Load(),
		Asked:         a.asked.Load(),
		HandedOut:     a.handedOut.load(),
		FinishedUsage: a.finishedUsage.load(),
	}
}

// ledger holds the accounts by user.
type ledger struct{ users sync.Map }

func (l *ledger) account(user string) *account {
	if a, ok := l.users.Load(user); ok {
		return a.(*account)
	}
	a, _ := l.users.LoadOrStore(user, new(account))
	return a.(*account)
}

func (l *ledger) totals() Totals {
	t := Totals{ByUser: map[string]Counts{}}
	for user, a := range l.users.Range {
		c := a.(*account).load()
		t.ByUser[user.(string)] = c
		t.All.add(c)
	}
	return t
}

// Request is a request as the provider received it.
type Request struct {
	// ID numbers requests from 1; the answer carries it in its id and in the header x-request-id as "pt-ID".
	ID     uint64
	Method string
	Path   string
	Header []Header
	// Body is what was received, without transfer coding.
	Body []byte
	// User and Model are members of the body. User is metadata.user_id in messages; both are fields of a form.
	User, Model string
	// Files are those of a form, in order.
	Files []File
	// Script is the name of the script that answered it, empty for the one of all names.
	Script string
}

// File is a file in a form, by what tells whether it arrived as it was.
type File struct {
	Field, Name string
	Size        int
	// SHA256 is in hexadecimal digits.
	SHA256 string
}

// Sent is what the provider wrote as body of an answer, without transfer coding.
type Sent struct {
	// Wire is every byte written. At a cut inside an event it ends there.
	Wire []byte
	// Visible is Wire as a client must see it that has not asked for usage in a stream: without the chunk that only
	// holds usage, and without "usage" members elsewhere (each with the comma before it). What is no whole event (the
	// part before a cut, an error in plain text) is left out.
	Visible []byte
	// Events are the ends of whole events in Wire, VisibleEvents those in Visible.
	Events, VisibleEvents []int
	// Finished says whether the answer was written to its last byte.
	Finished bool
}

// journal keeps the last requests, and what was sent to them.
type journal struct {
	mu   sync.Mutex
	keep int
	last []entry
}

type entry struct {
	req  Request
	sent *Sent
	done bool
}

// add keeps a request, if requests are kept at all.
func (j *journal) add(r Request) {
	if j.keep < 0 {
		return
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.last) >= j.keep {
		j.last = slices.Delete(j.last, 0, len(j.last)-j.keep+1)
	}
	j.last = append(j.last, entry{req: r, sent: new(Sent)})
}

// done notes that a request is no longer being answered.
func (j *journal) done(id uint64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for i := len(j.last) - 1; i >= 0; i-- {
		if j.last[i].req.ID == id {
			j.last[i].done = true
			return
		}
	}
}

// update changes what was sent to a request that is still kept.
func (j *journal) update(id uint64, change func(*Sent)) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for i := len(j.last) - 1; i >= 0; i-- {
		if j.last[i].req.ID == id {
			change(j.last[i].sent)
			return
		}
	}
}

// Requests returns the last requests received, oldest first, bounded by Options.Keep.
func (p *Provider) Requests() []Request {
	p.journal.mu.Lock()
	defer p.journal.mu.Unlock()
	all := make([]Request, len(p.journal.last))
	for i, e := range p.journal.last {
		all[i] = e.req
	}
	return all
}

// Sent returns what was sent as answer to a request that is still kept. Options.Record must be set.
func (p *Provider) Sent(id uint64) (Sent, bool) {
	p.journal.mu.Lock()
	defer p.journal.mu.Unlock()
	for _, e := range p.journal.last {
		if e.req.ID == id {
			s := *e.sent
			s.Wire, s.Visible = slices.Clone(s.Wire), slices.Clone(s.Visible)
			s.Events, s.VisibleEvents = slices.Clone(s.Events), slices.Clone(s.VisibleEvents)
			return s, true
		}
	}
	return Sent{}, false
}
