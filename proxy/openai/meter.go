package openai

import (
	"bytes"
	"iter"
	"sync"
)

const (
	// maxText bounds the text kept of one answer, in bytes.
	maxText = 4 << 20
	// maxLanes bounds the texts and the choices told apart.
	maxLanes = 256
	// keepText is the largest text buffer that is kept for another answer, in bytes, and keepTexts how many of them.
	keepText  = 16 << 10
	keepTexts = 8
)

// Meter watches one answer, streamed or whole, for what it has used. The zero value is ready. It is for one goroutine
// at a time and can be used again after Reset, which keeps what it has been told. Release should follow when the texts of
// the answer are not asked for any more.
type Meter struct {
	// Dialect is that of the answer.
	Dialect Dialect
	// Images is how many images have been asked for, where the answer is a stream of them: the last one ends it. 0 is
	// one.
	Images int64
	// Running says that usage may be reported again until the stream ends, in a dialect in which that is not usual. Reset
	// forgets it.
	Running bool

	usage reported
	units Units
	// finished says that the model server has finished an answer that has no choices.
	finished bool
	// final says that the event that ends the stream, or the whole answer, has been read.
	final bool

	deltas int64
	unkept int64
	kept   int
	*workspace
}

// workspace is what a meter works in. Those that are over leave theirs to others.
type workspace struct {
	texts   []laneText
	choices []ending
	reader  chunkReader
}

var workspaces = sync.Pool{New: func() any { return new(workspace) }}

// work gives the meter a workspace if it has none.
func (m *Meter) work() *workspace {
	if m.workspace == nil {
		m.workspace = workspaces.Get().(*workspace)
		m.reader.usage, m.reader.units = m.usage, m.units
	}
	return m.workspace
}

// clear forgets all, and lets go of buffers that are larger than is usual.
func (w *workspace) clear() {
	texts := w.texts[:cap(w.texts)]
	if len(texts) > keepTexts {
		texts = nil
	}
	for i := range texts {
		if cap(texts[i].text) > keepText {
			texts[i].text = nil
		}
	}
	r := &w.reader
	*w = workspace{texts: texts[:0], choices: emptied(w.choices), reader: chunkReader{
		pieces: emptied(r.pieces), endings: emptied(r.endings), ids: emptied(r.ids),
	}}
}

// emptied returns s without elements, to be filled again unless it is large.
func emptied[T any](s []T) []T {
	if cap(s) > maxLanes {
		return nil
	}
	return s[:0]
}

// laneText is the text of one lane so far.
type laneText struct {
	lane
	text []byte
}

// Text is one text of an answer: a choice's content, its reasoning, or one of its tool calls.
type Text struct {
	// Choice is the choice, or the place in a response's output.
	Choice    int64
	Reasoning bool
	// Bytes is valid until the meter is used again.
	Bytes []byte
}

// Reset makes the meter ready for another answer.
func (m *Meter) Reset() {
	if m.workspace != nil {
		m.clear()
	}
	*m = Meter{Dialect: m.Dialect, Images: m.Images, workspace: m.workspace}
}

// Release lets go of the texts and of what they were read with. Counts and usage stay, and the meter can be used on.
func (m *Meter) Release() {
	m.finished = m.Finished()
	if w := m.workspace; w != nil {
		m.workspace = nil
		w.clear()
		workspaces.Put(w)
	}
}

// Event takes the data of one event of a stream. What is not a sound JSON object is not counted.
func (m *Meter) Event(data []byte) Chunk {
	if !m.read(data, false) {
		return Chunk{}
	}
	m.keepTexts()
	if m.reader.chunk.HasContent {
		m.deltas++
	}
	return m.reader.chunk
}

// Whole takes an answer that is not streamed. It keeps the texts only if no usage is reported. The error is an *Error
// with status 502 if body is not a sound JSON object.
func (m *Meter) Whole(body []byte) (Chunk, error) {
	if !m.read(body, true) {
		return Chunk{}, brokenAnswer()
	}
	if _, ok := m.Usage(); !ok {
		m.keepTexts()
	}
	return m.reader.chunk, nil
}

// WholeText takes an answer that is a transcript in plain text or subtitles. Its text is kept without the numbers and times
// of cues.
func (m *Meter) WholeText(body []byte) {
	m.work()
	t := m.lane(lane{kind: laneContent})
	for line := range bytes.Lines(body) {
		if isNumber(bytes.TrimSpace(line)) || bytes.Contains(line, []byte("-->")) {
			continue
		}
		if m.kept+len(line) > maxText {
			m.unkept += int64(len(line))
			continue
		}
		t.text = append(t.text, line...)
		m.kept += len(line)
	}
}

func isNumber(word []byte) bool { return len(word) > 0 && len(bytes.Trim(word, "0123456789")) == 0 }

// read walks a chunk or a whole answer and, if all of it is sound, takes its usage and the ends of its choices. What the
// reader knows of usage and units is, between answers, what the meter knows.
func (m *Meter) read(data []byte, whole bool) bool {
	r := &m.work().reader
	r.walker, r.chunk = walker{b: data}, Chunk{}
	r.pieces, r.endings = r.pieces[:0], r.endings[:0]
	if !m.readChunk(whole) {
		r.b, r.usage, r.units, r.ids = nil, m.usage, m.units, r.ids[:0]
		return false
	}
	if r.chunk.HasUsage || r.chunk.UsageMember {
		m.usage = r.usage
	}
	for _, end := range r.endings {
		m.note(end)
	}
	return true
}

func (m *Meter) readChunk(whole bool) bool {
	r := &m.reader
	if m.Dialect == DialectChat {
		return r.read()
	}
	r.ids, r.silent, r.images = r.ids[:0], len(m.texts) == 0, max(m.Images, 1)
	if !r.readAs(m.Dialect, whole) {
		return false
	}
	m.units, m.finished = r.units, m.finished || r.chunk.Finished
	m.final = m.final || r.chunk.Final || whole
	return true
}

func (m *Meter) note(end ending) {
	for i := range m.choices {
		if m.choices[i].choice == end.choice {
			m.choices[i].finished = m.choices[i].finished || end.finished
			return
		}
	}
	if len(m.choices) < maxLanes {
		m.choices = append(m.choices, end)
	}
}

func (m *Meter) keepTexts() {
	for _, p := range m.reader.pieces {
		raw := m.reader.b[p.lo:p.hi]
		t := m.lane(p.lane)
		if t == nil || m.kept+len(raw) > maxText {
			m.unkept += int64(len(raw))
			continue
		}
		before := len(t.text)
		if p.escaped {
			t.text = appendUnescaped(t.text, raw)
		} else {
			t.text = append(t.text, raw...)
		}
		m.kept += len(t.text) - before
	}
	m.reader.b = nil
}

// lane finds or opens the text of a lane; nil if there are too many.
func (m *Meter) lane(of lane) *laneText {
	for i := range m.texts {
		if m.texts[i].lane == of {
			return &m.texts[i]
		}
	}
	n := len(m.texts)
	if n == maxLanes {
		return nil
	}
	if n < cap(m.texts) {
		m.texts = m.texts[:n+1]
		m.texts[n] = laneText{of, m.texts[n].text[:0]}
	} else {
		m.texts = append(m.texts, laneText{lane: of})
	}
	return &m.texts[n]
}

// Usage returns what the model server reported, and whether it reported anything. Of each field the last report
// counts; a field that a later report lacks keeps its value. In a session of several responses it is that of the last
// one unless there is a Reset behind each.
func (m *Meter) Usage() (Usage, bool) {
	usage, in, out := m.usage.normaliseAs(m.Dialect)
	return usage, in || out
}

// Reported says of which side the model server has reported: one may have to be estimated where the other need not.
func (m *Meter) Reported() (input, output bool) {
	_, input, output = m.usage.normaliseAs(m.Dialect)
	return input, output
}

// Units returns what the model server said the answer used beside tokens: images, the length of the audio listened to,
// searches. What it did not say is zero.
func (m *Meter) Units() Units { return m.units }

// Deltas returns the number of events that carried some of the answer. Most servers send a token in each.
func (m *Meter) Deltas() int64 { return m.deltas }

// TextBytes returns how many bytes of text of the answer have come, kept or not: no fewer than its tokens.
func (m *Meter) TextBytes() int64 { return int64(m.kept) + m.unkept }

// Unkept returns how many bytes of text were not kept, because there was too much of it.
func (m *Meter) Unkept() int64 { return m.unkept }

// Finished says that a choice has been seen and that every choice seen has finished; in dialects without choices, that
// the answer has come to the end that its model server gave it. One that failed or was cancelled has not.
func (m *Meter) Finished() bool {
	if m.finished || m.workspace == nil {
		return m.finished
	}
	for _, c := range m.choices {
		if !c.finished {
			return false
		}
	}
	return len(m.choices) > 0
}

// Over says that the answer has finished and that what it used cannot be reported anew: of a message, running totals may
// come behind its reason to stop.
func (m *Meter) Over() bool {
	return m.Finished() && (m.final || !m.Running && m.Dialect != DialectMessages)
}

// Texts gives the texts kept, each gathered over all events, in the order in which they began.
func (m *Meter) Texts() iter.Seq[Text] {
	return func(yield func(Text) bool) {
		if m.workspace == nil {
			return
		}
		for i := range m.texts {
			t := &m.texts[i]
			if !yield(Text{Choice: t.choice, Reasoning: t.kind == laneReasoning || t.kind == laneSummary, Bytes: t.text}) {
				return
			}
		}
	}
}
