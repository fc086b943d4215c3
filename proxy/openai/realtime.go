package openai

// RealtimeKind says what an event of a realtime session means for the gateway.
type RealtimeKind uint8

const (
	// RealtimeOther is every event that is passed on without a thought.
	RealtimeOther RealtimeKind = iota
	// RealtimeCreated is the beginning of a response, which the server may make on its own.
	RealtimeCreated
	// RealtimePart is an event within a response.
	RealtimePart
	// RealtimeDone is the end of a response, with its usage.
	RealtimeDone
	// RealtimeTranscribed is the end of a transcription of what the client said, which has a usage of its own.
	RealtimeTranscribed
)

// PeekRealtime returns what an event of the server means, and the ID of the response it belongs to, which is a view of data
// unless it is written with escapes. An event that is no sound JSON object is of kind RealtimeOther.
func PeekRealtime(data []byte) (RealtimeKind, []byte) {
	w := walker{b: data}
	if w.peek() != '{' {
		return RealtimeOther, nil
	}
	var kind RealtimeKind
	var id, inner []byte
	for key, ok := w.firstMember(); ok; key, ok = w.nextMember() {
		switch string(key) {
		case "type":
			kind = realtimeKind(w.word())
		case "response_id":
			id = w.word()
		case "response":
			inner = w.memberText("id")
		default:
			w.skip()
		}
	}
	if !w.finish() {
		return RealtimeOther, nil
	}
	if inner != nil {
		id = inner
	}
	if kind == RealtimeOther && id != nil {
		kind = RealtimePart
	}
	return kind, id
}

func realtimeKind(name []byte) RealtimeKind {
	switch string(name) {
	case "response.created":
		return RealtimeCreated
	case "response.done":
		return RealtimeDone
	case "conversation.item.input_audio_transcription.completed":
		return RealtimeTranscribed
	}
	return RealtimeOther
}

// memberText consumes any value and returns, if it is an object, the text of one of its members.
func (w *walker) memberText(name string) (text []byte) {
	if w.peek() != '{' {
		w.skip()
		return nil
	}
	for key, ok := w.firstMember(); ok; key, ok = w.nextMember() {
		if string(key) == name {
			text = w.word()
		} else {
			w.skip()
		}
	}
	return text
}
