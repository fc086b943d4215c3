package anthropic

import (
	"encoding/json"
	"fmt"
	"strings"

	"llmhub/proxy/openai"
)

type chatMessage struct {
	Role         string          `json:"role"`
	Content      json.RawMessage `json:"content"`
	Refusal      string          `json:"refusal"`
	ToolCalls    []chatToolCall  `json:"tool_calls"`
	FunctionCall *chatCall       `json:"function_call"`
	ToolCallID   string          `json:"tool_call_id"`
}

type chatToolCall struct {
	ID       string   `json:"id"`
	Type     string   `json:"type"`
	Function chatCall `json:"function"`
}

type chatCall struct {
	Name      string `json:"name"`
	Arguments string `json:"arguments"`
}

type message struct {
	Role    string  `json:"role"`
	Content []block `json:"content"`
}

// block is a block of content of any type.
type block struct {
	Type         string          `json:"type"`
	Text         string          `json:"text,omitempty"`
	Source       *source         `json:"source,omitempty"`
	Title        string          `json:"title,omitempty"`
	ID           string          `json:"id,omitempty"`
	Name         string          `json:"name,omitempty"`
	Input        json.RawMessage `json:"input,omitempty"`
	ToolUseID    string          `json:"tool_use_id,omitempty"`
	Content      []block         `json:"content,omitempty"`
	CacheControl json.RawMessage `json:"cache_control,omitempty"`
}

// conversation is what messages become. Those of one role in a row become one.
type conversation struct {
	system   []block
	messages []message
	function string // ID of the last call in the older form, which has none
}

func translateMessages(in []chatMessage) ([]block, []message, *openai.Error) {
	var c conversation
	for i := range in {
		if e := c.add(&in[i], fmt.Sprintf("messages[%d]", i)); e != nil {
			return nil, nil, e
		}
	}
	if len(c.messages) == 0 {
		return nil, nil, refuse("messages", "The request must have at least one message of the user, the assistant or a tool that is not empty.")
	}
	return c.system, c.messages, nil
}

func (c *conversation) add(m *chatMessage, at string) *openai.Error {
	content, e := blocks(m.Content, at+".content")
	if e != nil {
		return e
	}
	switch m.Role {
	case "system", "developer":
		for _, b := range content {
			if b.Type != "text" {
				return refuse(at+".content", "Messages of the system can hold text only.")
			}
		}
		c.system = append(c.system, content...)
	case "user":
		c.put("user", content)
	case "assistant":
		return c.assistant(m, content, at)
	case "tool":
		if m.ToolCallID == "" {
			return refuse(at+".tool_call_id", "A message of a tool must name the call that it answers, as tool_call_id.")
		}
		c.put("user", []block{{Type: "tool_result", ToolUseID: toolID(m.ToolCallID), Content: content}})
	case "function":
		if c.function == "" {
			return refuse(at, "A message of a function must follow a message of the assistant with its function_call.")
		}
		c.put("user", []block{{Type: "tool_result", ToolUseID: c.function, Content: content}})
	default:
		return refuse(at+".role", fmt.Sprintf("Unknown role %q: system, developer, user, assistant and tool are known.", short(m.Role)))
	}
	return nil
}

func (c *conversation) assistant(m *chatMessage, content []block, at string) *openai.Error {
	if m.Refusal != "" {
		content = append(content, block{Type: "text", Text: m.Refusal})
	}
	for i, call := range m.ToolCalls {
		where := fmt.Sprintf("%s.tool_calls[%d]", at, i)
		if call.Type != "" && call.Type != "function" || call.ID == "" {
			return refuse(where, "A tool call must be of type function and have an id.")
		}
		b, e := toolUse(toolID(call.ID), call.Function, where+".function")
		if e != nil {
			return e
		}
		content = append(content, b)
	}
	if m.FunctionCall != nil {
		c.function = fmt.Sprintf("function_%d", len(c.messages))
		b, e := toolUse(c.function, *m.FunctionCall, at+".function_call")
		if e != nil {
			return e
		}
		content = append(content, b)
	}
	c.put("assistant", content)
	return nil
}

// toolUse reads the arguments, which are JSON in a text.
func toolUse(id string, call chatCall, at string) (block, *openai.Error) {
	input := json.RawMessage(strings.TrimSpace(call.Arguments))
	if len(input) == 0 {
		input = json.RawMessage("{}")
	}
	if !isObject(input) || !json.Valid(input) {
		return block{}, refuse(at+".arguments", "Invalid '"+at+".arguments': expected a JSON object in a string.")
	}
	return block{Type: "tool_use", ID: id, Name: call.Name, Input: input}, nil
}

// put adds content in a role's name. A message with none is left out, as the API takes no empty ones.
func (c *conversation) put(role string, content []block) {
	if len(content) == 0 {
		return
	}
	if n := len(c.messages); n > 0 && c.messages[n-1].Role == role {
		c.messages[n-1].Content = append(c.messages[n-1].Content, content...)
		return
	}
	c.messages = append(c.messages, message{role, content})
}

// toolID replaces what the API does not take in the ID of a call; other servers make such.
func toolID(id string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' || r == '-' {
			return r
		}
		return '_'
	}, id)
}
