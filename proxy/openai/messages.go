package openai

// messagesUsage consumes a value and takes it if it is a usage object.
func (r *chunkReader) messagesUsage() {
	if r.peek() != '{' {
		r.skip()
		return
	}
	r.chunk.HasUsage = true
	r.readMessagesUsage(&r.usage)
}

// stopReason consumes a value. A message that has a reason to stop has finished.
func (r *chunkReader) stopReason() {
	r.chunk.Finished = r.chunk.Finished || len(r.word()) > 0
}

// wholeMessage reads a message that is not streamed, or what count_tokens answers.
func (r *chunkReader) wholeMessage() bool {
	for key, ok := r.firstMember(); ok; key, ok = r.nextMember() {
		switch string(key) {
		case "type":
			r.chunk.IsError = r.chunk.IsError || string(r.word()) == "error"
		case "content":
			r.blocks()
		case "stop_reason":
			r.stopReason()
		case "usage":
			r.messagesUsage()
		case "input_tokens":
			if n, ok := r.count(); ok {
				r.chunk.HasUsage, r.usage.input = true, number{n, true}
			}
		default:
			r.common(key)
		}
	}
	return r.finish()
}

func (r *chunkReader) blocks() {
	if r.peek() != '[' {
		r.skip()
		return
	}
	at := int64(0)
	for ok := r.firstElement(); ok; ok = r.nextElement() {
		r.block(at)
		at++
	}
}

// block reads the at-th content block, or what an event adds to it.
func (r *chunkReader) block(at int64) {
	if r.peek() != '{' {
		r.skip()
		return
	}
	for key, ok := r.firstMember(); ok; key, ok = r.nextMember() {
		switch string(key) {
		case "text":
			r.textIn(lane{kind: laneContent, part: at})
		case "thinking":
			r.textIn(lane{kind: laneReasoning, part: at})
		case "name", "partial_json":
			r.textIn(lane{kind: laneTool, part: at})
		case "input":
			r.toolInput(lane{kind: laneTool, part: at})
		default:
			r.skip()
		}
	}
}

// toolInput keeps an object as text, as the model wrote it, unless it is empty, as it is where a stream begins.
func (r *chunkReader) toolInput(of lane) {
	object := r.peek() == '{'
	s := r.place()
	if object && r.fault == 0 && r.b[skipSpace(r.b, s.lo+1)] != '}' {
		r.pieces = append(r.pieces, piece{lane: of, span: s})
	}
}

// messagesEvent reads an event of a streamed message.
func (r *chunkReader) messagesEvent() bool {
	var kind []byte
	var message, block, delta span
	at := int64(0)
	for key, ok := r.firstMember(); ok; key, ok = r.nextMember() {
		switch string(key) {
		case "type":
			kind = r.word()
		case "index":
			r.index(&at)
		case "message":
			message = r.place()
		case "content_block":
			block = r.place()
		case "delta":
			delta = r.place()
		case "usage":
			r.messagesUsage()
		default:
			r.common(key)
		}
	}
	if !r.finish() {
		return false
	}
	c := &r.chunk
	switch string(kind) {
	case "message_start":
		// Its output is what has been made so far, a token or none: no report of what the answer used.
		output := r.usage.output
		r.messageHead(message)
		r.usage.output = output
	case "content_block_start":
		if r.backTo(block, '{') {
			r.block(at)
		}
	case "content_block_delta":
		if r.backTo(delta, '{') {
			r.block(at)
		}
	case "message_delta":
		r.messageHead(delta)
	case "message_stop":
		c.Finished, c.Final = true, true
	case "error":
		c.IsError = true
	}
	return true
}

// messageHead takes what a message, or what is added to it, says beside its content.
func (r *chunkReader) messageHead(s span) {
	if !r.backTo(s, '{') {
		return
	}
	for key, ok := r.firstMember(); ok; key, ok = r.nextMember() {
		switch string(key) {
		case "stop_reason":
			r.stopReason()
		case "usage":
			r.messagesUsage()
		default:
			r.skip()
		}
	}
}
