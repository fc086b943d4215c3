package anthropic

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"llmhub/proxy/openai"
)

// Bounds on counts in a request.
const (
	maxMessages = 100_000
	maxTools    = 1024
)

// defaultMaxTokens bounds answers where neither the request nor the options do: the API insists on a bound.
const defaultMaxTokens = 4096

// maxUserID is the length of the longest identity of an end user that the API takes.
const maxUserID = 256

// jsonHint asks for what response_format json_object does.
const jsonHint = "Answer with one JSON object and nothing else."

// Options say what a request does not.
type Options struct {
	// Model is the name of the model at the server.
	Model string
	// MaxTokens bounds answers to requests that give no bound; 0 means 4,096.
	MaxTokens int64
	// Adaptive says that the model takes an effort rather than a budget for its thinking.
	Adaptive bool
}

// chatRequest is what is read of a request for chat completions. All else is left out.
type chatRequest struct {
	Messages            []chatMessage   `json:"messages"`
	MaxTokens           int64           `json:"max_tokens"`
	MaxCompletionTokens int64           `json:"max_completion_tokens"`
	Stop                json.RawMessage `json:"stop"`
	Temperature         *float64        `json:"temperature"`
	TopP                *float64        `json:"top_p"`
	Tools               []chatTool      `json:"tools"`
	Functions           []chatFunction  `json:"functions"`
	ToolChoice          json.RawMessage `json:"tool_choice"`
	FunctionCall        json.RawMessage `json:"function_call"`
	ParallelToolCalls   *bool           `json:"parallel_tool_calls"`
	ResponseFormat      *responseFormat `json:"response_format"`
	ReasoningEffort     string          `json:"reasoning_effort"`
	User                string          `json:"user"`
	Stream              bool            `json:"stream"`
	N                   int64           `json:"n"`
	Logprobs            bool            `json:"logprobs"`
	TopLogprobs         int64           `json:"top_logprobs"`
	Modalities          []string        `json:"modalities"`
	Audio               json.RawMessage `json:"audio"`
}

type responseFormat struct {
	Type       string `json:"type"`
	JSONSchema struct {
		Schema json.RawMessage `json:"schema"`
	} `json:"json_schema"`
}

// request is one of the Messages API.
type request struct {
	Model         string        `json:"model"`
	MaxTokens     int64         `json:"max_tokens"`
	System        []block       `json:"system,omitempty"`
	Messages      []message     `json:"messages"`
	StopSequences []string      `json:"stop_sequences,omitempty"`
	Temperature   *float64      `json:"temperature,omitempty"`
	TopP          *float64      `json:"top_p,omitempty"`
	Tools         []tool        `json:"tools,omitempty"`
	ToolChoice    *toolChoice   `json:"tool_choice,omitempty"`
	Thinking      *thinking     `json:"thinking,omitempty"`
	OutputConfig  *outputConfig `json:"output_config,omitempty"`
	Metadata      *metadata     `json:"metadata,omitempty"`
	Stream        bool          `json:"stream,omitempty"`
}

type outputConfig struct {
	Effort string        `json:"effort,omitempty"`
	Format *outputFormat `json:"format,omitempty"`
}

type outputFormat struct {
	Type   string          `json:"type"`
	Schema json.RawMessage `json:"schema"`
}

type metadata struct {
	UserID string `json:"user_id"`
}

// Request puts the body of a request for chat completions into one of the Messages API. The error, if any, has status 400
// and says what cannot be translated.
func Request(body []byte, o Options) ([]byte, *openai.Error) {
	var in chatRequest
	if err := json.Unmarshal(body, &in); err != nil {
		return nil, decodeError(err, "")
	}
	if e := in.check(); e != nil {
		return nil, e
	}
	out := request{Model: o.Model, Stream: in.Stream, Temperature: in.Temperature, TopP: in.TopP}
	var e *openai.Error
	if out.System, out.Messages, e = translateMessages(in.Messages); e != nil {
		return nil, e
	}
	for _, step := range []func(*chatRequest) *openai.Error{out.stops, out.tools, out.format} {
		if e := step(&in); e != nil {
			return nil, e
		}
	}
	if e := out.think(&in, o); e != nil {
		return nil, e
	}
	if t := out.Temperature; t != nil {
		most := min(max(*t, 0), 1)
		out.Temperature = &most
	}
	if in.User != "" && len(in.User) <= maxUserID {
		out.Metadata = &metadata{in.User}
	}
	return encode(nil, out), nil
}

// check refuses what the Messages API cannot do.
func (in *chatRequest) check() *openai.Error {
	switch {
	case len(in.Messages) > maxMessages:
		return refuse("messages", fmt.Sprintf("There are more than %d messages.", maxMessages))
	case len(in.Tools)+len(in.Functions) > maxTools:
		return refuse("tools", fmt.Sprintf("There are more than %d tools.", maxTools))
	case in.N > 1:
		return refuse("n", "This model gives one choice only: leave n out, or send several requests.")
	case in.Logprobs || in.TopLogprobs > 0:
		return refuse("logprobs", "This model does not give log probabilities: leave logprobs and top_logprobs out.")
	case slices.Contains(in.Modalities, "audio") || isSet(in.Audio):
		return refuse("modalities", "This model does not answer with audio: leave modalities and audio out.")
	}
	return nil
}

// stops reads a text or a list of them.
func (out *request) stops(in *chatRequest) *openai.Error {
	if !isSet(in.Stop) {
		return nil
	}
	var one string
	if json.Unmarshal(in.Stop, &one) == nil {
		out.StopSequences = []string{one}
		return nil
	}
	if err := json.Unmarshal(in.Stop, &out.StopSequences); err != nil {
		return refuse("stop", "Invalid type for 'stop': expected a string or a list of strings.")
	}
	return nil
}

// format asks for an answer in JSON.
func (out *request) format(in *chatRequest) *openai.Error {
	if in.ResponseFormat == nil {
		return nil
	}
	switch in.ResponseFormat.Type {
	case "", "text":
	case "json_object":
		out.System = append(out.System, block{Type: "text", Text: jsonHint})
	case "json_schema":
		schema := in.ResponseFormat.JSONSchema.Schema
		if !isObject(schema) {
			return refuse("response_format.json_schema.schema", "Invalid 'response_format.json_schema.schema': expected a JSON schema.")
		}
		out.OutputConfig = &outputConfig{Format: &outputFormat{"json_schema", schema}}
	default:
		return refuse("response_format.type", fmt.Sprintf("Unknown response_format type %q: text, json_object and json_schema are known.", short(in.ResponseFormat.Type)))
	}
	return nil
}

func refuse(param, message string) *openai.Error {
	return &openai.Error{Status: http.StatusBadRequest, Type: openai.TypeInvalidRequest, Param: param, Message: message}
}

// decodeError says which member has a value of the wrong type. within is where what was decoded stands.
func decodeError(err error, within string) *openai.Error {
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) {
		param := within
		if wrong.Field != "" {
			if param != "" {
				param += "."
			}
			param += wrong.Field
		}
		return refuse(param, fmt.Sprintf("Invalid type for '%s': a JSON %s is not expected there.", param, wrong.Value))
	}
	return refuse(within, "The request cannot be read: it is not valid JSON.")
}

// encode appends v as JSON, with texts as they are: what browsers make of them is no matter here.
func encode(dst []byte, v any) []byte {
	b := bytes.NewBuffer(dst)
	e := json.NewEncoder(b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic("anthropic: " + err.Error()) // none of the types here can fail
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// isSet says whether a member is there and not null.
func isSet(v json.RawMessage) bool { return len(v) > 0 && string(v) != "null" }

// isObject says whether a sound JSON value is an object.
func isObject(v json.RawMessage) bool { return len(v) > 0 && v[0] == '{' }

// short bounds what an error repeats of a request.
func short(s string) string { return s[:min(len(s), 64)] }
