package anthropic

import (
	"cmp"
	"fmt"

	"llmhub/proxy/openai"
)

// leastBudget is the smallest budget for thinking that the API takes.
const leastBudget = 1024

// efforts are the words of reasoning_effort: how many tokens to think with, and what adaptive models know them as.
var efforts = map[string]struct {
	budget int64
	word   string
}{
	"minimal": {leastBudget, "low"}, "low": {leastBudget, "low"}, "medium": {4096, "medium"}, "high": {16384, "high"}, "xhigh": {32768, "xhigh"},
}

type thinking struct {
	Type   string `json:"type"`
	Budget int64  `json:"budget_tokens,omitempty"`
}

// think bounds the answer and asks for thinking. A bound that the request gives holds for thinking and text together, as it
// does for models of OpenAI's: the budget is made smaller, and there is no thinking where not even the least one fits.
func (out *request) think(in *chatRequest, o Options) *openai.Error {
	given := cmp.Or(in.MaxCompletionTokens, in.MaxTokens)
	out.MaxTokens = cmp.Or(given, o.MaxTokens, defaultMaxTokens)
	switch in.ReasoningEffort {
	case "", "none":
		return nil
	}
	effort, ok := efforts[in.ReasoningEffort]
	switch {
	case !ok:
		return refuse("reasoning_effort", fmt.Sprintf("Unknown reasoning_effort %q: none, minimal, low, medium, high and xhigh are known.", short(in.ReasoningEffort)))
	case o.Adaptive:
		if out.OutputConfig == nil {
			out.OutputConfig = &outputConfig{}
		}
		out.OutputConfig.Effort = effort.word
		if out.ToolChoice.forces() {
			return nil
		}
		out.Thinking = &thinking{Type: "adaptive"}
	case out.ToolChoice.forces(), out.answersTool():
		return nil // the API refuses both together with a budget, and the former together with any thinking
	case given == 0:
		out.MaxTokens = max(out.MaxTokens, effort.budget+defaultMaxTokens)
		out.Thinking = &thinking{"enabled", effort.budget}
	case given > leastBudget:
		out.Thinking = &thinking{"enabled", min(effort.budget, max(leastBudget, given/2))}
	default:
		return nil
	}
	out.Temperature, out.TopP = nil, nil // fixed where a model thinks
	return nil
}

// answersTool says whether the last message has the results of tools. With a budget the API insists on the thinking that
// led to their calls, which chat completions have no place for.
func (out *request) answersTool() bool {
	for _, b := range out.Messages[len(out.Messages)-1].Content {
		if b.Type == "tool_result" {
			return true
		}
	}
	return false
}
