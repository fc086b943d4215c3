package anthropic

import (
	"encoding/json"
	"fmt"

	"llmhub/proxy/openai"
)

type chatTool struct {
	Type     string       `json:"type"`
	Function chatFunction `json:"function"`
}

type chatFunction struct {
	Name        string          `json:"name"`
	Description string          `json:"description"`
	Parameters  json.RawMessage `json:"parameters"`
}

type tool struct {
	Name        string          `json:"name"`
	Description string          `json:"description,omitempty"`
	InputSchema json.RawMessage `json:"input_schema"`
}

type toolChoice struct {
	Type            string `json:"type"`
	Name            string `json:"name,omitempty"`
	DisableParallel bool   `json:"disable_parallel_tool_use,omitempty"`
}

// forces says whether a tool must be called.
func (c *toolChoice) forces() bool { return c != nil && (c.Type == "any" || c.Type == "tool") }

// tools puts the tools and the choice between them. Without tools there is no choice.
func (out *request) tools(in *chatRequest) *openai.Error {
	for i, t := range in.Tools {
		at := fmt.Sprintf("tools[%d]", i)
		if t.Type != "function" {
			return refuse(at+".type", "This model takes tools of type function only.")
		}
		if e := out.tool(t.Function, at+".function"); e != nil {
			return e
		}
	}
	for i, f := range in.Functions {
		if e := out.tool(f, fmt.Sprintf("functions[%d]", i)); e != nil {
			return e
		}
	}
	if len(out.Tools) == 0 {
		return nil
	}
	choice, param := in.ToolChoice, "tool_choice"
	if !isSet(choice) {
		choice, param = in.FunctionCall, "function_call"
	}
	if isSet(choice) {
		if e := out.choice(choice, param); e != nil {
			return e
		}
	}
	if in.ParallelToolCalls == nil || *in.ParallelToolCalls {
		return nil
	}
	if out.ToolChoice == nil {
		out.ToolChoice = &toolChoice{Type: "auto"}
	}
	out.ToolChoice.DisableParallel = out.ToolChoice.Type != "none"
	return nil
}

func (out *request) tool(f chatFunction, at string) *openai.Error {
	schema := f.Parameters
	switch {
	case !isSet(schema):
		schema = json.RawMessage(`{"type":"object","properties":{}}`)
	case !isObject(schema):
		return refuse(at+".parameters", "Invalid '"+at+".parameters': expected a JSON schema.")
	}
	out.Tools = append(out.Tools, tool{f.Name, f.Description, schema})
	return nil
}

// choice reads a word, or an object that names a function.
func (out *request) choice(v json.RawMessage, param string) *openai.Error {
	var word string
	if json.Unmarshal(v, &word) == nil {
		kind, ok := map[string]string{"auto": "auto", "none": "none", "required": "any"}[word]
		if !ok {
			return refuse(param, fmt.Sprintf("Unknown %s %q: none, auto and required are known.", param, short(word)))
		}
		out.ToolChoice = &toolChoice{Type: kind}
		return nil
	}
	var named struct {
		Name     string       `json:"name"`
		Function chatFunction `json:"function"`
	}
	if err := json.Unmarshal(v, &named); err != nil || named.Name == "" && named.Function.Name == "" {
		return refuse(param, "Invalid '"+param+"': expected none, auto, required or an object that names a function.")
	}
	name := named.Function.Name
	if name == "" {
		name = named.Name
	}
	out.ToolChoice = &toolChoice{Type: "tool", Name: name}
	return nil
}
