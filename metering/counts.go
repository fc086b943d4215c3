package metering

import "llmhub/store"

// TokenCounts are tokens in the form in which every API gives them.
type TokenCounts struct {
	InputTokens       int64 `json:"input_tokens"`
	CachedInputTokens int64 `json:"cached_input_tokens"`
	OutputTokens      int64 `json:"output_tokens"`
	ReasoningTokens   int64 `json:"reasoning_tokens"`
	TotalTokens       int64 `json:"total_tokens"`
	EstimatedTokens   int64 `json:"estimated_tokens"`
}

// CountTokens returns tokens in the form of the APIs.
func CountTokens(t store.Tokens) TokenCounts {
	return TokenCounts{
		InputTokens: t.Input, CachedInputTokens: t.CachedInput, OutputTokens: t.Output, ReasoningTokens: t.Reasoning,
		TotalTokens: t.Total(), EstimatedTokens: t.Estimated,
	}
}
