package openai

import "iter"

const (
	// maxText bounds the text kept of one answer, in bytes.
	maxText = 4 << 20
	// maxLanes bounds the texts and the choices told apart.
	maxLanes = 256
	// keepText is the largest text buffer that a Reset keeps, in bytes.
	keepText = 16 << 10
)

// Meter watches one answer, streamed or whole, for what it has used. The zero value is ready. It is for one goroutine
// at a time and can be used again after Reset.
type Meter struct {
	usage   reported
	deltas  int64
	unkept  int64
	kept    int
	texts   []laneText
	choices []ending
	reader  chunkReader
}

// laneText is the text of one lane so far.
type laneText struct {
	lane
	text []byte
}

// Text is one text of an answer: a choice's content, its reasoning, or one of its tool calls.
type Text struct {
	Choice    int64
	Reasoning bool
	// Bytes is valid until the meter is used again.
	Bytes []byte
}

// Reset makes the meter ready for another answer.
func (m *Meter) Reset() {
	texts := m.texts[:cap(m.texts)]
	for i := range texts {
		if cap(texts[i].text) > keepText {
			texts[i].text = nil
		}
	}
	reader := chunkReader{pieces: m.reader.pieces[:0], endings: m.reader.endings[:0]}
	if cap(reader.pieces) > maxLanes {
		reader.pieces = nil
	}
	if cap(reader.endings) > maxLanes {
		reader.endings = nil
	}
	*m = Meter{texts: texts[:0], choices: m.choices[:0], reader: reader}
}

// Event takes the data of one event of a stream. What is not a sound JSON object is not counted.
func (m *Meter) Event(data []byte) Chunk {
	if !m.read(data) {
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
	if !m.read(body) {
		return Chunk{}, brokenAnswer()
	}
	if _, ok := m.Usage(); !ok {
		m.keepTexts()
	}
	return m.reader.chunk, nil
}

// read walks a chunk and, if all of it is sound, takes its usage and the ends of its choices.
func (m *Meter) read(data []byte) bool {
	r := &m.reader
	r.walker = walker{b: data}
	r.chunk, r.usage = Chunk{}, m.usage
	r.pieces, r.endings = r.pieces[:0], r.endings[:0]
	if !r.read() {
		r.b = nil
		return false
	}
	m.usage = r.usage
	for _, end := range r.endings {
		m.note(end)
	}
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
// counts; a field that a later report lacks keeps its value.
func (m *Meter) Usage() (Usage, bool) {
	usage, in, out := m.usage.normalise()
	return usage, in || out
}

// Reported says of which side the model server has reported: one may have to be estimated where the other need not.
func (m *Meter) Reported() (input, output bool) {
	_, input, output = m.usage.normalise()
	return input, output
}

// Deltas returns the number of events that carried text of the answer. Most servers send a token in each.
func (m *Meter) Deltas() int64 { return m.deltas }

// TextBytes returns how many bytes of text of the answer have come, kept or not: no fewer than its tokens.
func (m *Meter) TextBytes() int64 { return int64(m.kept) + m.unkept }

// Unkept returns how many bytes of text were not kept, because there was too much of it.
func (m *Meter) Unkept() int64 { return m.unkept }

// Finished says that a choice has been seen and that every choice seen has finished.
func (m *Meter) Finished() bool {
	for _, c := range m.choices {
		if !c.finished {
			return false
		}
	}
	return len(m.choices) > 0
}

// Texts gives the texts kept, each gathered over all events, in the order in which they began.
func (m *Meter) Texts() iter.Seq[Text] {
	return func(yield func(Text) bool) {
		for i := range m.texts {
			t := &m.texts[i]
			if !yield(Text{Choice: t.choice, Reasoning: t.kind == laneReasoning, Bytes: t.text}) {
				return
			}
		}
	}
}
