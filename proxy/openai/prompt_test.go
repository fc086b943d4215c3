package openai

import (
	"strings"
	"testing"
)

func TestPrompt(t *testing.T) {
	for _, c := range []struct {
		name, body, texts string
		framing           int64
	}{
		{"chat", `{"model":"m","messages":[{"role":"system","content":"be \u00e9"},{"role":"user","name":"ann","content":"hi"}]}`, "system|be é|user|ann|hi", 3 + 3 + 1 + 3},
		{"parts", `{"messages":[{"role":"user","content":[{"type":"text","text":"see"},{"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA"}},{"type":"text","text":"this"}]}]}`, "user|see|this", 6},
		{"tool calls and results", `{"messages":[{"role":"assistant","content":null,"tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{\"a\":1}"}}]},{"role":"tool","tool_call_id":"c","content":"42"}]}`, `assistant|f|{"a":1}|tool|42`, 9},
		{"definitions", `{"messages":[],"tools":[{"type":"function","function":{"name":"f"}}],"response_format":{"type":"json_object"},"functions":[]}`, `[{"type":"function","function":{"name":"f"}}]|{"type":"json_object"}`, 0},
		{"prompt", `{"prompt":"once"}`, "once", 0},
		{"prompts and suffix", `{"prompt":["a","b"],"suffix":"c"}`, "a|b|c", 0},
		{"tokens", `{"input":[1,2,3]}`, "", 3},
		{"lists of tokens", `{"input":[[1,2],[3]]}`, "", 3},
		{"inputs", `{"input":["a","","b"]}`, "a|b", 0},
		{"input of messages", `{"instructions":"be","input":[{"role":"user","content":[{"type":"input_text","text":"hi"}]}]}`, "be|user|hi", 6},
		{"wrong types", `{"messages":[7,null,{"role":1,"content":{"a":"b"},"name":null,"tool_calls":"x"}],"prompt":{"text":"t"},"tools":3,"input":9}`, "t", 6},
		{"no object", `["a"]`, "", 0},
		{"broken", `{"prompt":"once"`, "", 0},
		{"deep", `{"prompt":` + strings.Repeat("[", 100) + `"x"` + strings.Repeat("]", 100) + `}`, "", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			var p Prompt
			for range 2 {
				p.Gather([]byte(c.body))
				var got []string
				for text := range p.Texts() {
					got = append(got, string(text))
				}
				if joined := strings.Join(got, "|"); joined != c.texts || p.Framing() != c.framing {
					t.Errorf("got %q and %d, want %q and %d", joined, p.Framing(), c.texts, c.framing)
				}
			}
		})
	}
}
