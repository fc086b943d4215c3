package anthropic

import (
	"encoding/json"
	"errors"
	"io"

	"llmhub/proxy/openai"
)

// Stream reads a stream of events of the Messages API and gives one of chat completions: whole events as they come, at the
// end a chunk with the usage, and [DONE] if the model server has ended its message. It is for one goroutine.
type Stream struct {
	from    io.Reader
	o       AnswerOptions
	scanner *openai.Scanner
	out     []byte
	given   int
	held    error // what came with the last data
	closed  bool  // the model server has closed the stream

	id     string
	usage  usage
	opened bool // the message has begun; the chunk that says so leaves with the next one, so that an early error comes first
	begun  bool // something has been given
	why    bool // why the answer ended has been given
	ended  bool // the message has ended, or an error has
	tools  int  // calls so far
	blocks map[int]*toolBlock
}

// toolBlock is a tool call that is under way.
type toolBlock struct {
	index int
	given bool // arguments have come
}

// maxBlocks bounds the tool calls that are under way at a time.
const maxBlocks = 1024

type delta struct {
	Role      string   `json:"role,omitempty"`
	Content   *string  `json:"content,omitempty"`
	Reasoning string   `json:"reasoning_content,omitempty"`
	ToolCalls []called `json:"tool_calls,omitempty"`
}

// streamEvent is any event of the Messages API.
type streamEvent struct {
	Type    string      `json:"type"`
	Index   int         `json:"index"`
	Message answer      `json:"message"`
	Block   answerBlock `json:"content_block"`
	Delta   struct {
		Type        string `json:"type"`
		Text        string `json:"text"`
		Thinking    string `json:"thinking"`
		PartialJSON string `json:"partial_json"`
		StopReason  string `json:"stop_reason"`
	} `json:"delta"`
	Usage usage           `json:"usage"`
	Error json.RawMessage `json:"error"`
}

// NewStream returns a reader of the stream that is read from r. Errors of r are passed on; behind one that wraps
// os.ErrDeadlineExceeded reading can go on. openai.ErrEventTooLarge is another one.
func NewStream(r io.Reader, o AnswerOptions) *Stream {
	return &Stream{from: r, o: o, scanner: openai.NewScanner(o.Limit), blocks: map[int]*toolBlock{}}
}

// Read gives what has been translated, and reads on where there is nothing.
func (s *Stream) Read(p []byte) (int, error) {
	for s.given == len(s.out) {
		s.out, s.given = s.out[:0], 0
		if ev, ok := s.scanner.Next(); ok {
			s.take(ev)
			continue
		}
		if s.closed {
			return 0, io.EOF
		}
		if err := s.fill(); err == io.EOF {
			s.tail()
		} else if err != nil {
			return 0, err
		}
	}
	n := copy(p, s.out[s.given:])
	s.given += n
	return n, nil
}

// fill reads on. An error that comes with data is told once the data has been dealt with.
func (s *Stream) fill() error {
	if err := s.held; err != nil {
		s.held = nil
		return err
	}
	n, err := s.scanner.Fill(s.from)
	if n > 0 {
		s.held, err = err, nil
	}
	return err
}

// tail takes what is left when the model server has closed the stream.
func (s *Stream) tail() {
	s.closed = true
	if ev, ok := s.scanner.Tail(); ok {
		s.take(ev)
	}
	s.scanner.Release()
}

func (s *Stream) take(ev openai.Event) {
	if ev.Kind != openai.Data && ev.Kind != openai.PlainJSON || s.ended {
		return
	}
	var e streamEvent
	if err := json.Unmarshal(ev.Data, &e); err != nil {
		s.fail(badEvent)
		return
	}
	if isSet(e.Error) {
		s.fail(e.Error)
		return
	}
	switch e.Type {
	case "message_start":
		s.start(&e)
	case "ping":
		s.put(&delta{}) // nothing new, but clients and proxies see that the model server is at work
	case "content_block_start":
		s.startBlock(&e)
	case "content_block_delta":
		s.delta(&e)
	case "content_block_stop":
		s.stopBlock(e.Index)
	case "message_delta":
		s.finish(&e)
	case "message_stop":
		s.end()
	}
}

func (s *Stream) start(e *streamEvent) {
	s.id, s.opened = chatID(e.Message.ID), true
	s.usage.add(e.Message.Usage)
	if s.o.Started != nil && s.usage.prompt() > 0 {
		s.o.Started(s.usage.report())
	}
}

func (s *Stream) startBlock(e *streamEvent) {
	switch e.Block.Type {
	case "text":
		s.text(e.Block.Text)
	case "thinking":
		s.reasoning(e.Block.Thinking)
	case "tool_use":
		if len(s.blocks) >= maxBlocks {
			s.fail(badEvent)
			return
		}
		b := &toolBlock{index: s.tools}
		s.blocks[e.Index] = b
		s.tools++
		s.put(&delta{ToolCalls: []called{{Index: &b.index, ID: e.Block.ID, Type: "function", Function: calledFunction{Name: e.Block.Name}}}})
		if text := arguments(e.Block.Input); text != "{}" { // all at once, as some servers give them
			s.arguments(b, text)
		}
	}
}

func (s *Stream) delta(e *streamEvent) {
	switch e.Delta.Type {
	case "text_delta":
		s.text(e.Delta.Text)
	case "thinking_delta":
		s.reasoning(e.Delta.Thinking)
	case "input_json_delta":
		if b := s.blocks[e.Index]; b != nil && e.Delta.PartialJSON != "" {
			s.arguments(b, e.Delta.PartialJSON)
		}
	}
}

// stopBlock gives the arguments of a call for which none have come: a tool without parameters.
func (s *Stream) stopBlock(index int) {
	b := s.blocks[index]
	if b == nil {
		return
	}
	delete(s.blocks, index)
	if !b.given {
		s.arguments(b, "{}")
	}
}

func (s *Stream) arguments(b *toolBlock, text string) {
	b.given = true
	s.put(&delta{ToolCalls: []called{{Index: &b.index, Function: calledFunction{Arguments: text}}}})
}

func (s *Stream) text(text string) {
	if text != "" {
		s.put(&delta{Content: &text})
	}
}

func (s *Stream) reasoning(text string) {
	if text != "" {
		s.put(&delta{Reasoning: text})
	}
}

// finish gives why the answer ended, once, and the usage behind it, of which the last counts.
func (s *Stream) finish(e *streamEvent) {
	s.usage.add(e.Usage)
	if e.Delta.StopReason == "" {
		return
	}
	s.open()
	if !s.why {
		s.why = true
		reason := finishReason(e.Delta.StopReason)
		s.event(&completion{Choices: []choice{{Delta: &delta{}, FinishReason: &reason}}})
	}
	s.event(&completion{Choices: []choice{}, Usage: s.usage.chat()})
}

func (s *Stream) end() {
	s.open()
	s.ended = true
	s.out = append(s.out, "data: [DONE]\n\n"...)
}

// put gives a chunk of the answer, behind the one that begins it.
func (s *Stream) put(d *delta) {
	s.open()
	s.event(&completion{Choices: []choice{{Delta: d}}})
}

func (s *Stream) open() {
	s.begun = true
	if !s.opened {
		return
	}
	s.opened = false
	empty := ""
	s.event(&completion{Choices: []choice{{Delta: &delta{Role: "assistant", Content: &empty}}}})
}

func (s *Stream) event(c *completion) {
	c.ID, c.Object, c.Created, c.Model = s.id, "chat.completion.chunk", s.o.Created, s.o.Model
	s.out = append(s.out, "data: "...)
	s.out = append(encode(s.out, c), "\n\n"...)
}

// fail gives an error of the model server, behind which nothing follows.
func (s *Stream) fail(e json.RawMessage) {
	s.ended = true
	s.out = append(s.out, "data: "...)
	s.out = append(append(s.out, errorOf(e, !s.begun)...), "\n\n"...)
}

var badEvent = json.RawMessage(`{"type":"api_error","message":"The model server sent an event that cannot be understood."}`)

// statuses are those of the API's errors.
var statuses = map[string]int{
	"invalid_request_error": 400, "authentication_error": 401, "billing_error": 402, "permission_error": 403, "not_found_error": 404,
	"request_too_large": 413, "rate_limit_error": 429, "api_error": 500, "timeout_error": 504, "overloaded_error": 529,
}

// errorOf puts an error in OpenAI's form. One that comes in place of an answer has its status as the code, by which the
// gateway judges it; one in an answer has its type.
func errorOf(v json.RawMessage, early bool) []byte {
	var e struct {
		Type    string `json:"type"`
		Message string `json:"message"`
	}
	if err := json.Unmarshal(v, &e); err != nil && !errors.As(err, new(*json.UnmarshalTypeError)) {
		e.Message = ""
	}
	if e.Type == "" {
		e.Type = "api_error"
	}
	var code any = e.Type
	if early {
		status, ok := statuses[e.Type]
		if !ok {
			status = 500
		}
		code = status
	}
	return encode(nil, map[string]any{"error": map[string]any{"message": e.Message, "type": e.Type, "param": nil, "code": code}})
}
