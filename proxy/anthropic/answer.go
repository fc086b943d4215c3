package anthropic

import (
	"encoding/json"
	"errors"
	"io"
	"strings"
)

// ErrTooLarge says that an answer is larger than its bound.
var ErrTooLarge = errors.New("anthropic: answer too large")

// AnswerOptions say what an answer of chat completions needs that one of the Messages API does not have.
type AnswerOptions struct {
	// Model is the model's name for the caller.
	Model string
	// Created is the time of the answer, in Unix seconds.
	Created int64
	// Limit bounds a whole answer, or an event of a stream, in bytes.
	Limit int
	// Started, if not nil, is given a chunk of chat completions with the usage of the input as soon as a stream says it, which
	// is long before it ends. The chunk is not part of the stream.
	Started func(chunk []byte)
}

// answer is a whole answer of the Messages API.
type answer struct {
	Type       string          `json:"type"`
	ID         string          `json:"id"`
	Content    []answerBlock   `json:"content"`
	StopReason string          `json:"stop_reason"`
	Usage      usage           `json:"usage"`
	Error      json.RawMessage `json:"error"`
}

type answerBlock struct {
	Type     string          `json:"type"`
	Text     string          `json:"text"`
	Thinking string          `json:"thinking"`
	ID       string          `json:"id"`
	Name     string          `json:"name"`
	Input    json.RawMessage `json:"input"`
}

// completion is an answer of chat completions, or a chunk of one.
type completion struct {
	ID      string     `json:"id"`
	Object  string     `json:"object"`
	Created int64      `json:"created"`
	Model   string     `json:"model"`
	Choices []choice   `json:"choices"`
	Usage   *chatUsage `json:"usage,omitempty"`
}

type choice struct {
	Index        int       `json:"index"`
	Message      *chatText `json:"message,omitempty"`
	Delta        *delta    `json:"delta,omitempty"`
	FinishReason *string   `json:"finish_reason"`
	Logprobs     *struct{} `json:"logprobs"`
}

type chatText struct {
	Role      string   `json:"role"`
	Content   *string  `json:"content"`
	Reasoning string   `json:"reasoning_content,omitempty"`
	Refusal   *string  `json:"refusal"`
	ToolCalls []called `json:"tool_calls,omitempty"`
}

type called struct {
	Index    *int           `json:"index,omitempty"`
	ID       string         `json:"id,omitempty"`
	Type     string         `json:"type,omitempty"`
	Function calledFunction `json:"function"`
}

type calledFunction struct {
	Name      string `json:"name,omitempty"`
	Arguments string `json:"arguments"`
}

// Answer reads a whole answer and gives it as one of chat completions. What is no answer is given as nothing,
// an error in
// OpenAI's form. It is for one goroutine.
type Answer struct {
	from io.Reader
	o    AnswerOptions
	in   []byte
	out  []byte
	done bool
}

// NewAnswer returns a reader of the answer that is read from r. Errors of r are passed on; behind one that wraps
// os.ErrDeadlineExceeded reading can go on. ErrTooLarge is another one.
func NewAnswer(r io.Reader, o AnswerOptions) *Answer { return &Answer{from: r, o: o} }

// Read reads from the answer. While it is not there it returns 0 and no error each time that something has come.
func (a *Answer) Read(p []byte) (int, error) {
	if !a.done {
		return 0, a.fill(p)
	}
	if len(a.out) == 0 {
		return 0, io.EOF
	}
	n := copy(p, a.out)
	a.out = a.out[n:]
	return n, nil
}

func (a *Answer) fill(p []byte) error {
	n, err := a.from.Read(p)
	if len(a.in)+n > a.o.Limit {
		return ErrTooLarge
	}
	a.in = append(a.in, p[:n]...)
	if err == io.EOF {
		a.out, a.in, a.done = a.o.whole(a.in), nil, true
		return nil
	}
	return err
}

// whole translates a whole answer.
func (o *AnswerOptions) whole(body []byte) []byte {
	var a answer
	switch err := json.Unmarshal(body, &a); {
	case err != nil:
		return nil
	case isSet(a.Error):
		return errorOf(a.Error, true)
	case a.Type != "message":
		return nil
	}
	m := &chatText{Role: "assistant"}
	var text, reasoning strings.Builder
	texts := 0
	for _, b := range a.Content {
		switch b.Type {
		case "text":
			text.WriteString(b.Text)
			texts++
		case "thinking":
			reasoning.WriteString(b.Thinking)
		case "tool_use":
			m.ToolCalls = append(m.ToolCalls, called{ID: b.ID, Type: "function", Function: calledFunction{b.Name, arguments(b.Input)}})
		}
	}
	if content := text.String(); texts > 0 || len(m.ToolCalls) == 0 {
		m.Content = &content
	}
	m.Reasoning = reasoning.String()
	reason := finishReason(a.StopReason)
	return encode(nil, completion{
		ID: chatID(a.ID), Object: "chat.completion", Created: o.Created, Model: o.Model,
		Choices: []choice{{Message: m, FinishReason: &reason}}, Usage: a.Usage.chat(),
	})
}

// arguments are an input as a text.
func arguments(input json.RawMessage) string {
	if !isSet(input) {
		return "{}"
	}
	return string(encode(nil, input))
}

func chatID(id string) string { return "chatcmpl-" + strings.TrimPrefix(id, "msg_") }

// finishReason is the word of chat completions for why an answer ended.
func finishReason(reason string) string {
	switch reason {
	case "max_tokens", "model_context_window_exceeded":
		return "length"
	case "tool_use":
		return "tool_calls"
	case "refusal":
		return "content_filter"
	}
	return "stop" // end_turn, stop_sequence, pause_turn
}
