package openai

// response is what a response says of itself.
type response struct {
	status []byte
	output span
}

// response consumes a response object; its IDs and usage are taken.
func (r *chunkReader) response() (x response) {
	for key, ok := r.firstMember(); ok; key, ok = r.nextMember() {
		switch string(key) {
		case "id", "previous_response_id":
			r.identify()
		case "status":
			x.status = r.word()
		case "usage":
			r.usageObject()
		case "output":
			x.output = r.place()
		default:
			r.common(key)
		}
	}
	return x
}

// wholeResponse reads a response that is not streamed. One that failed is an answer like others where it has used
// something, and an error where it has not.
func (r *chunkReader) wholeResponse() bool {
	x := r.response()
	if !r.finish() {
		return false
	}
	c := &r.chunk
	switch string(x.status) {
	case "":
		c.Finished = !c.IsError
	case "failed":
		c.IsError = !c.HasUsage
	case "completed", "incomplete":
		c.IsError, c.Finished = false, true
	default:
		c.IsError = false
	}
	r.output(x.output)
	return true
}

// responsesEvent reads an event of a streamed response, or one that a realtime session sends.
func (r *chunkReader) responsesEvent() bool {
	var kind []byte
	var delta, item, whole span
	var at lane
	for key, ok := r.firstMember(); ok; key, ok = r.nextMember() {
		switch string(key) {
		case "type":
			kind = r.word()
		case "delta":
			delta = r.place()
		case "output_index":
			r.index(&at.choice)
		case "content_index", "summary_index":
			r.index(&at.part)
		case "item":
			item = r.place()
		case "response":
			whole = r.place()
		case "response_id":
			r.identify()
		default:
			r.common(key)
		}
	}
	if !r.finish() {
		return false
	}
	before := r.usage
	var x response
	if r.backTo(whole, '{') {
		x = r.response()
	}
	if !r.responsesDelta(kind, delta, at) {
		r.responsesState(kind, item, at, x)
	}
	if !r.chunk.Final {
		// What is said of the output of a response that goes on is what has been made so far: no report of what it used.
		r.usage.output, r.usage.reasoning, r.usage.total = before.output, before.reasoning, before.total
	}
	return true
}

// responsesDelta takes the text of an event that brings some. It returns false for other events. Those that repeat what
// has come, whose names end in done, bring none.
func (r *chunkReader) responsesDelta(kind []byte, delta span, at lane) bool {
	switch string(kind) {
	case "response.output_text.delta", "response.refusal.delta", "response.text.delta",
		"response.audio.transcript.delta", "response.audio_transcript.delta", "response.output_audio_transcript.delta":
		at.kind = laneContent
	case "response.reasoning_text.delta", "response.reasoning.delta":
		at.kind = laneReasoning
	case "response.reasoning_summary_text.delta", "response.reasoning_summary.delta":
		at.kind = laneSummary
	case "response.function_call_arguments.delta", "response.mcp_call_arguments.delta", "response.mcp_call.arguments.delta",
		"response.custom_tool_call_input.delta", "response.code_interpreter_call_code.delta",
		"response.code_interpreter_call.code.delta", "response.apply_patch_call_operation_diff.delta",
		"response.shell_call_command.delta":
		at.kind, at.part = laneTool, 0
	case "response.audio.delta", "response.output_audio.delta", "response.image_generation_call.partial_image":
		r.chunk.HasContent = true
		return true
	default:
		return false
	}
	if r.backTo(delta, '"') {
		r.textIn(at)
	}
	return true
}

// responsesState takes an event that says how far the response has got.
func (r *chunkReader) responsesState(kind []byte, item span, at lane, x response) {
	c := &r.chunk
	switch string(kind) {
	case "response.output_item.added":
		r.toolName(item, at.choice)
		return
	case "error":
		c.IsError = true
		return
	case "response.completed", "response.incomplete":
		c.IsError, c.Finished = false, true
	case "response.failed":
		c.IsError = true
	case "response.cancelled":
	case "response.done": // which ends one of a realtime session, however it ended
		c.Finished = string(x.status) == "completed" || string(x.status) == "incomplete"
		c.IsError = c.IsError || string(x.status) == "failed"
	default:
		return
	}
	c.Final = true
	if r.silent && !c.HasUsage {
		r.output(x.output)
	}
}

// toolName takes the name of the tool that an item calls.
func (r *chunkReader) toolName(item span, choice int64) {
	if !r.backTo(item, '{') {
		return
	}
	for key, ok := r.firstMember(); ok; key, ok = r.nextMember() {
		if string(key) == "name" {
			r.textIn(lane{choice: choice, kind: laneTool})
		} else {
			r.skip()
		}
	}
}

// output takes the texts of a response's output.
func (r *chunkReader) output(list span) {
	if !r.backTo(list, '[') {
		return
	}
	at := int64(0)
	for ok := r.firstElement(); ok; ok = r.nextElement() {
		r.outputItem(at)
		at++
	}
}

// outputItem reads the at-th item of an output.
func (r *chunkReader) outputItem(at int64) {
	if r.peek() != '{' {
		r.skip()
		return
	}
	first, reasoning := len(r.pieces), false
	for key, ok := r.firstMember(); ok; key, ok = r.nextMember() {
		switch string(key) {
		case "type":
			reasoning = string(r.word()) == "reasoning"
		case "content":
			r.content(laneContent)
		case "summary":
			r.content(laneSummary)
		case "name", "arguments", "input", "code":
			r.textOf(laneTool)
		default:
			r.skip()
		}
	}
	for i := first; i < len(r.pieces); i++ {
		p := &r.pieces[i]
		p.choice = at
		if reasoning && p.kind == laneContent {
			p.kind = laneReasoning
		}
	}
}
