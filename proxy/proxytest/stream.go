package proxytest

import (
	"math/rand/v2"
	"strconv"
	"strings"
	"time"
)

// form is how one API writes a stream: what stands in front of the deltas, for each, and behind the last.
type form interface {
	// open writes what stands in front of the first delta, delta what delta i brings.
	open() error
	delta(i int) error
	// torn returns the event of delta i alone, for one that is torn.
	torn(i int) []byte
	// closing returns the pieces behind the last delta; the last one says that the stream is complete, and is empty if the
	// script leaves it out.
	closing() []piece
}

// streamer writes the events of one streamed answer. By itself it has the form of chat and legacy completions.
type streamer struct {
	*answer
	form form
	// prefix is what all chunks begin with, up to the choices.
	prefix string
	// lineEnd and data are how a line ends and how data is announced.
	lineEnd, data string
	// given is the output written so far.
	given   Usage
	written int // events of all kinds
	buf     []byte
	visible []byte
}

func (a *answer) newStreamer() *streamer {
	s := &streamer{answer: a, lineEnd: "\n", data: "data: "}
	if e := a.script.Format.LineEnd; e != "" {
		s.lineEnd = e
	}
	if a.script.Format.NoSpace {
		s.data = "data:"
	}
	return s
}

// stream writes a streamed completion.
func (a *answer) stream() error {
	s := a.newStreamer()
	object, prefix := "chat.completion.chunk", "chatcmpl-"
	if a.legacy() {
		object, prefix = "text_completion", "cmpl-"
	}
	s.prefix = `{"id":"` + prefix + a.name + `","object":"` + object + `","created":` + a.p.created + `,"model":` +
		quote(a.ask.Model) + `,"system_fingerprint":"fp_proxytest","choices":[`
	return s.run(s)
}

// run writes the whole stream in a form.
func (s *streamer) run(f form) error {
	s.form = f
	s.begin("text/event-stream; charset=utf-8", -1)
	if err := s.start(); err != nil {
		return err
	}
	if ended, err := s.body(); ended || err != nil {
		return err
	}
	return s.end()
}

// start writes the head early where the script asks for it.
func (s *streamer) start() error {
	if s.script.FirstDelay > 0 || s.script.Cut.At == CutAfterHeaders {
		if err := s.w.flush(); err != nil {
			return err
		}
		if err := s.wait(s.script.FirstDelay); err != nil {
			return err
		}
	}
	if lead := s.script.Format.Leading; lead != "" || s.script.Format.BOM {
		if s.script.Format.BOM {
			lead = "\ufeff" + lead
		}
		return s.w.add(piece{wire: []byte(lead), same: true})
	}
	return nil
}

// body writes all up to the last delta. It reports whether the answer ended there, by fault or cut.
func (s *streamer) body() (ended bool, err error) {
	cut, fault := s.script.Cut, s.script.Fault
	if cut.At == CutAfterHeaders {
		return true, s.cut()
	}
	if fault.Body != "" && fault.After < 0 {
		return true, s.fault()
	}
	if err := s.form.open(); err != nil {
		return true, err
	}
	start := time.Now()
	for i := range len(s.deltas) * s.choices {
		if fault.Body != "" && i >= fault.After {
			return true, s.fault()
		}
		if cut.At >= CutBetween && cut.At <= CutMidChunkHeader && i >= cut.After {
			return true, s.cutAt(i)
		}
		if err := s.pace(start, i); err != nil {
			return true, err
		}
		if err := s.form.delta(i); err != nil {
			return true, err
		}
	}
	if fault.Body != "" {
		return true, s.fault()
	}
	if cut.At >= CutBetween && cut.At <= CutMidChunkHeader {
		return true, s.cutAt(len(s.deltas)*s.choices - 1)
	}
	return false, nil
}

// open names the role of each choice. Azure tells first what its filter makes of the prompt.
func (s *streamer) open() error {
	if s.azure {
		filter := `{"choices":[],"created":0,"id":"","model":"","object":"","prompt_filter_results":[{"prompt_index":0,"content_filter_results":{}}]}`
		if err := s.w.add(s.plainEvent(filter)); err != nil {
			return err
		}
	}
	if s.legacy() {
		return nil
	}
	for i := range s.choices {
		if err := s.chunk(i, `"role":"assistant","content":""`, "null", "null", Usage{}); err != nil {
			return err
		}
	}
	return nil
}

// plainEvent builds an event of which a client sees all.
func (s *streamer) plainEvent(data string) piece {
	s.buf = s.frame(s.comment(s.buf[:0]), data)
	s.written++
	return piece{wire: s.buf, same: true, event: true}
}

// pace waits until delta i is due, with all before it written.
func (s *streamer) pace(start time.Time, i int) error {
	if s.script.Pace <= 0 || i == 0 {
		return nil
	}
	due := start.Add(time.Duration(i) * s.script.Pace)
	if j := s.script.Jitter; j > 0 {
		due = due.Add(time.Duration(rand.Int64N(int64(2*j))) - j)
	}
	return s.c.sleepUntil(due)
}

func (s *streamer) delta(i int) error {
	d := &s.deltas[i/s.choices]
	logprobs := "null"
	if s.script.Logprobs && d.Part == Content {
		logprobs = `{"content":[` + logprob(d.Text) + `],"refusal":null}`
	}
	u := d.usage()
	s.given.add(u)
	return s.chunk(i%s.choices, s.member(d), logprobs, "null", u)
}

func (s *streamer) member(d *Delta) string {
	if s.legacy() {
		return quote(d.Text)
	}
	return d.json()
}

// chunk writes one chunk with one choice, and usage as the mode has it.
func (s *streamer) chunk(index int, member, logprobs, finish string, u Usage) error {
	usage := ""
	switch s.script.Usage {
	case UsageNullEach:
		if s.asked() {
			usage = "null"
		}
	case UsageCumulative:
		usage = s.usageJSON(s.given)
	case UsageInFinish:
		if finish != "null" {
			usage = s.usageJSON(s.given)
		}
	}
	return s.w.add(s.event(s.choice(index, member, logprobs, finish), usage, false, u))
}

// choice returns the content of the choices array.
func (s *streamer) choice(index int, member, logprobs, finish string) string {
	open, end := `,"delta":{`, `}`
	if s.legacy() {
		open, end = `,"text":`, ``
		if member == "" {
			member = `""`
		}
	}
	return `{"index":` + strconv.Itoa(index) + open + member + end + `,"logprobs":` + logprobs + `,"finish_reason":` +
		finish + `}`
}

// event builds an event with the choices and, if not empty, the usage. Only says that a client that has not asked for
// usage must not see the event at all.
func (s *streamer) event(choices, usage string, only bool, u Usage) piece {
	p := piece{event: true, usage: u, same: usage == ""}
	bare := s.prefix + choices + `]`
	if usage != "" && !only && s.w.record {
		s.visible = s.frame(s.visible[:0], bare+`}`)
		p.visible = s.visible
	}
	if usage != "" {
		bare += `,"usage":` + usage
	}
	s.buf = s.comment(s.buf[:0])
	// Comments are not about usage: they stay, even where they stand in an event that goes.
	if n := len(s.buf); n > 0 && s.w.record {
		p.visible = append(append([]byte(nil), s.buf[:n]...), p.visible...)
	}
	s.buf = s.frame(s.buf, bare+`}`)
	p.wire = s.buf
	s.written++
	return p
}

// comment appends the script's comment, if it is due.
func (s *streamer) comment(b []byte) []byte {
	f := &s.script.Format
	if f.Comment != "" && s.written%max(1, f.CommentEvery) == 0 {
		b = append(b, f.Comment...)
	}
	return b
}

// frame appends an event with the given data.
func (s *streamer) frame(b []byte, data string) []byte {
	for _, f := range s.script.Format.Fields {
		b = append(append(b, f...), s.lineEnd...)
	}
	if i := dividedAt(data); i > 0 && s.script.Format.MultiLine {
		b = append(append(b, s.data...), data[:i]...)
		b = append(append(b, s.lineEnd...), s.data...)
		b = append(b, data[i:]...)
	} else {
		b = append(append(b, s.data...), data...)
	}
	return append(append(b, s.lineEnd...), s.lineEnd...)
}

// dividedAt returns where data can be divided into two lines: in front of the choices, else behind the first member, which
// is a type. 0 is nowhere.
func dividedAt(data string) int {
	if i := strings.Index(data, `,"choices"`); i >= 0 {
		return i + 1
	}
	return strings.IndexByte(data, ',') + 1
}

func (s *streamer) asked() bool {
	return s.ask.StreamOptions != nil && s.ask.StreamOptions.IncludeUsage
}
