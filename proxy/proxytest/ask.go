package proxytest

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// ask is what the provider understands of a request's body.
type ask struct {
	Model               string `json:"model"`
	User                string `json:"user"`
	Stream              bool   `json:"stream"`
	N                   int    `json:"n"`
	MaxTokens           int    `json:"max_tokens"`
	MaxCompletionTokens int    `json:"max_completion_tokens"`
	MaxOutputTokens     int    `json:"max_output_tokens"`
	StreamOptions       *struct {
		IncludeUsage bool `json:"include_usage"`
	} `json:"stream_options"`
	Messages json.RawMessage `json:"messages"`
	Prompt   json.RawMessage `json:"prompt"`
	Input    json.RawMessage `json:"input"`
	System   json.RawMessage `json:"system"`
	Metadata json.RawMessage `json:"metadata"`
	XScript  *inline         `json:"x_script"`

	// Responses.
	Instructions string `json:"instructions"`
	Previous     string `json:"previous_response_id"`
	Store        *bool  `json:"store"`
	Background   bool   `json:"background"`

	// Images and audio. Files are those of a form.
	Size           string          `json:"size"`
	PartialImages  int             `json:"partial_images"`
	ResponseFormat json.RawMessage `json:"response_format"`
	StreamFormat   string          `json:"stream_format"`
	files          []File

	// Reranks.
	Query     string            `json:"query"`
	Documents []json.RawMessage `json:"documents"`
	TopN      int               `json:"top_n"`
}

// inline is the script that a request carries itself, in its member "x_script". What is absent is left as the model's
// script has it.
type inline struct {
	// Tokens is the number of generated words.
	Tokens *int `json:"tokens"`
	// PromptTokens, CachedTokens: as in Script. ReasoningTokens puts that many words of reasoning before the others.
	PromptTokens    *int64 `json:"prompt_tokens"`
	CachedTokens    *int64 `json:"cached_tokens"`
	ReasoningTokens *int   `json:"reasoning_tokens"`
	// PaceMS is the time between two events, DelayMS that before the headers, both in milliseconds.
	PaceMS  *float64 `json:"pace_ms"`
	DelayMS *float64 `json:"delay_ms"`
	// EventsPerWrite and BytesPerWrite: as in Split.
	EventsPerWrite *int `json:"events_per_write"`
	BytesPerWrite  *int `json:"bytes_per_write"`
	// Usage is one of as_asked, always, never, finish, null, cumulative.
	Usage string `json:"usage"`
	// Cut is one of close, reset, stall, orderly; CutAfter is the number of deltas before it. A whole answer is cut in the
	// middle.
	Cut      string `json:"cut"`
	CutAfter int    `json:"cut_after"`
	// Status answers an error at once.
	Status *int `json:"status"`
}

const maxInlineTokens = 1 << 20

var (
	usageNames = map[string]UsageMode{"as_asked": UsageAsAsked, "always": UsageAlways, "never": UsageNever,
		"finish": UsageInFinish, "null": UsageNullEach, "cumulative": UsageCumulative}
	cutNames = map[string]CutHow{"close": CutClose, "reset": CutReset, "stall": CutStall, "orderly": CutOrderly}
)

// apply puts the inline script over s.
func (x *inline) apply(s *Script, stream bool) error {
	if x == nil {
		return nil
	}
	if x.Tokens != nil || x.ReasoningTokens != nil {
		n, reasoning := deref(x.Tokens, 8), deref(x.ReasoningTokens, 0)
		if n < 0 || reasoning < 0 || n+reasoning > maxInlineTokens {
			return fmt.Errorf("x_script: tokens must be between 0 and %d", maxInlineTokens)
		}
		s.Deltas = Words(n)
		if reasoning > 0 {
			s.Deltas = append(Reason(reasoning), s.Deltas...)
		}
	}
	s.PromptTokens = deref(x.PromptTokens, s.PromptTokens)
	s.CachedTokens = deref(x.CachedTokens, s.CachedTokens)
	s.Pace = milliseconds(x.PaceMS, s.Pace)
	s.HeaderDelay = milliseconds(x.DelayMS, s.HeaderDelay)
	s.Split.Events = deref(x.EventsPerWrite, s.Split.Events)
	s.Split.Bytes = deref(x.BytesPerWrite, s.Split.Bytes)
	s.Status = deref(x.Status, s.Status)
	return x.applyNames(s, stream)
}

func (x *inline) applyNames(s *Script, stream bool) error {
	if x.Usage != "" {
		mode, ok := usageNames[x.Usage]
		if !ok {
			return fmt.Errorf("x_script: %.20q is not a usage mode", x.Usage)
		}
		s.Usage = mode
	}
	if x.Cut != "" {
		how, ok := cutNames[x.Cut]
		if !ok {
			return fmt.Errorf("x_script: %.20q is not a way to cut", x.Cut)
		}
		s.Cut = Cut{At: CutBetween, After: x.CutAfter, How: how}
		if !stream {
			s.Cut.At = CutMidBody
		}
	}
	return nil
}

func deref[T any](p *T, otherwise T) T {
	if p == nil {
		return otherwise
	}
	return *p
}

func milliseconds(p *float64, otherwise time.Duration) time.Duration {
	if p == nil {
		return otherwise
	}
	return time.Duration(*p * float64(time.Millisecond))
}

// promptTokens returns a plausible count of the prompt: a quarter of the bytes of its text, and four for each message.
func (a *ask) promptTokens() int64 {
	n := int64(3)
	var messages []struct {
		Content json.RawMessage `json:"content"`
	}
	if json.Unmarshal(a.Messages, &messages) == nil {
		for _, m := range messages {
			n += 4 + int64(textBytes(m.Content)+3)/4
		}
	}
	rest := textBytes(a.Prompt) + textBytes(a.Input) + textBytes(a.System) + len(a.Instructions) + len(a.Query)
	for _, d := range a.Documents {
		rest += textBytes(d)
	}
	return n + int64(rest+3)/4
}

// textBytes returns how many bytes the strings in a JSON value have: those that are text, or members named text or content.
func textBytes(raw json.RawMessage) int {
	var v any
	if len(raw) == 0 || json.Unmarshal(raw, &v) != nil {
		return 0
	}
	return textIn(v)
}

func textIn(v any) int {
	switch v := v.(type) {
	case string:
		return len(strings.TrimSpace(v))
	case []any:
		n := 0
		for _, e := range v {
			n += textIn(e)
		}
		return n
	case map[string]any:
		if text, ok := v["content"]; ok {
			return textIn(text)
		}
		return textIn(v["text"])
	}
	return 0
}

// format returns the response_format where that is a word.
func (a *ask) format() string {
	var word string
	if json.Unmarshal(a.ResponseFormat, &word) != nil {
		return ""
	}
	return word
}

// metadataUser returns the user that the metadata of messages names.
func (a *ask) metadataUser() string {
	var m struct {
		UserID string `json:"user_id"`
	}
	if json.Unmarshal(a.Metadata, &m) != nil {
		return ""
	}
	return m.UserID
}

// items returns how many inputs an embeddings request has.
func (a *ask) items() int {
	var list []json.RawMessage
	if json.Unmarshal(a.Input, &list) != nil || len(list) == 0 {
		return 1
	}
	if first := strings.TrimSpace(string(list[0])); first != "" && first[0] != '"' && first[0] != '[' {
		return 1 // one input, given as tokens
	}
	return len(list)
}
