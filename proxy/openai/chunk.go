package openai

// Chunk is what one chunk of a streamed answer, or a whole answer, says.
type Chunk struct {
	// Valid says that it is a sound JSON object. All else is false where it is not.
	Valid bool
	// HasUsage says that what was used is in it: in chat, that its usage member is an object.
	HasUsage bool
	// UsageMember says that there is a usage member, be it null.
	UsageMember bool
	// HasChoices says that there is at least one choice. Only chat has choices; what is said of them, and UsageMember, is
	// false in other dialects.
	HasChoices bool
	// EmptyChoices says that there is none and that it is no error. With HasUsage it is the chunk that servers add for
	// stream_options.include_usage.
	EmptyChoices bool
	// Finished says that a choice has a finish reason; in other dialects, that the model server has finished the answer.
	Finished bool
	// HasContent says that some of the answer is in it: text, or a part of an image or of audio.
	HasContent bool
	// IsError says that it is an error rather than an answer, or that the answer ends in one. What it has used counts.
	IsError bool
	// Final says that it is the event that ends the stream. Only dialects without [DONE] have one.
	Final bool
	// HasIDs says that IDs of responses are in it, which the meter's AppendWithIDs and AppendEventWithIDs can replace.
	HasIDs bool

	// usage spans the last usage member, from its key to the end of its value.
	usage span
	// repeated says that there are several usage members.
	repeated bool
}

// lane tells texts apart that are to be counted one by one.
type lane struct {
	// choice is the choice, or the place in a response's output.
	choice int64
	kind   int64
	// part is the part of what has several, such as a message's content.
	part int64
}

// The kinds of lanes; tool calls count up from laneTool.
const (
	laneContent = iota
	laneReasoning
	laneSummary // of reasoning
	laneTool
)

// piece is a part of a lane's text within a chunk, escapes and all.
type piece struct {
	lane
	span
	escaped bool
}

// ending says of a choice in a chunk whether it has finished.
type ending struct {
	choice   int64
	finished bool
}

// chunkReader walks one chunk. Its findings count only if all of the chunk is sound.
type chunkReader struct {
	walker
	chunk   Chunk
	usage   reported
	units   Units
	pieces  []piece
	endings []ending
	ids     []piece
	// silent says that no text has come so far.
	silent bool
	// images is how many images end a stream of them.
	images int64
}

// read reads a chunk, or a whole answer, in the dialect of chat.
func (r *chunkReader) read() bool {
	if r.peek() != '{' {
		return false
	}
	r.chunk.EmptyChoices = true
	for key, ok := r.firstMember(); ok; key, ok = r.nextMember() {
		switch string(key) {
		case "choices":
			r.choices()
		case "usage":
			r.usageMember()
		case "error":
			r.errorMember()
		case "object":
			r.chunk.IsError = r.chunk.IsError || string(r.value()) == `"error"`
		default:
			r.skip()
		}
	}
	if !r.finish() {
		return false
	}
	c := &r.chunk
	c.Valid, c.HasContent = true, len(r.pieces) > 0
	c.EmptyChoices = !c.HasChoices && !c.IsError
	return true
}

// errorMember consumes an error member, which is null where all is well.
func (r *chunkReader) errorMember() {
	v := r.value()
	r.chunk.IsError = r.chunk.IsError || len(v) > 0 && string(v) != "null"
}

func (r *chunkReader) usageMember() {
	c := &r.chunk
	// Nothing but the colon and white space stands between the key and here.
	key := r.i
	for key--; r.b[key] != '"'; key-- {
	}
	for key--; key > 0 && r.b[key] != '"'; key-- {
	}
	c.repeated, c.UsageMember, c.HasUsage = c.UsageMember, true, r.peek() == '{'
	if c.HasUsage {
		r.readUsage(&r.usage)
	} else {
		r.skip()
	}
	c.usage = span{key, r.i}
}

func (r *chunkReader) choices() {
	if r.peek() != '[' {
		r.skip()
		return
	}
	at := int64(0)
	for ok := r.firstElement(); ok; ok = r.nextElement() {
		r.chunk.HasChoices = true
		r.choice(at)
		at++
	}
}

// choice reads a choice, which is the at-th where it has no index.
func (r *chunkReader) choice(at int64) {
	if r.peek() != '{' {
		r.skip()
		return
	}
	first := len(r.pieces)
	end := ending{choice: at}
	for key, ok := r.firstMember(); ok; key, ok = r.nextMember() {
		switch string(key) {
		case "index":
			if n, ok := r.count(); ok {
				end.choice = n
			}
		case "delta", "message":
			r.message()
		case "text":
			r.textOf(laneContent)
		case "finish_reason":
			v := r.value()
			end.finished = len(v) > 2 && v[0] == '"'
		default:
			r.skip()
		}
	}
	r.chunk.Finished = r.chunk.Finished || end.finished
	for i := first; i < len(r.pieces); i++ {
		r.pieces[i].choice = end.choice
	}
	r.endings = append(r.endings, end)
}

// message reads a delta or a whole message. Servers that send the reasoning under two names mean it once.
func (r *chunkReader) message() {
	if r.peek() != '{' {
		r.skip()
		return
	}
	reasoned := false
	for key, ok := r.firstMember(); ok; key, ok = r.nextMember() {
		switch string(key) {
		case "content":
			r.content(laneContent)
		case "refusal":
			r.textOf(laneContent)
		case "reasoning_content", "reasoning":
			if reasoned {
				r.skip()
			} else {
				before := len(r.pieces)
				r.content(laneReasoning)
				reasoned = len(r.pieces) > before
			}
		case "tool_calls":
			r.toolCalls()
		case "function_call":
			r.function(laneTool)
		default:
			r.skip()
		}
	}
}

// textOf keeps a value as text of that kind if it is a string that is not empty.
func (r *chunkReader) textOf(kind int64) { r.textIn(lane{kind: kind}) }

func (r *chunkReader) textIn(of lane) {
	if r.peek() != '"' {
		r.skip()
		return
	}
	s, escaped := r.text()
	if s.hi > s.lo {
		r.pieces = append(r.pieces, piece{of, s, escaped})
	}
}

// content reads a string or a list of parts.
func (r *chunkReader) content(kind int64) {
	if r.peek() != '[' {
		r.textOf(kind)
		return
	}
	for ok := r.firstElement(); ok; ok = r.nextElement() {
		if r.peek() != '{' {
			r.skip()
			continue
		}
		for key, ok := r.firstMember(); ok; key, ok = r.nextMember() {
			switch string(key) {
			case "text", "refusal":
				r.textOf(kind)
			case "thinking":
				r.content(laneReasoning)
			default:
				r.skip()
			}
		}
	}
}

func (r *chunkReader) toolCalls() {
	if r.peek() != '[' {
		r.skip()
		return
	}
	at := int64(0)
	for ok := r.firstElement(); ok; ok = r.nextElement() {
		r.toolCall(at)
		at++
	}
}

// toolCall reads a call, which is the at-th where it has no index.
func (r *chunkReader) toolCall(at int64) {
	if r.peek() != '{' {
		r.skip()
		return
	}
	first := len(r.pieces)
	for key, ok := r.firstMember(); ok; key, ok = r.nextMember() {
		switch string(key) {
		case "index":
			if n, ok := r.count(); ok {
				at = n
			}
		case "function", "custom":
			r.function(laneTool)
		default:
			r.skip()
		}
	}
	for i := first; i < len(r.pieces); i++ {
		r.pieces[i].kind = laneTool + at
	}
}

func (r *chunkReader) function(kind int64) {
	if r.peek() != '{' {
		r.skip()
		return
	}
	for key, ok := r.firstMember(); ok; key, ok = r.nextMember() {
		switch string(key) {
		case "name", "arguments", "input":
			r.textOf(kind)
		default:
			r.skip()
		}
	}
}
