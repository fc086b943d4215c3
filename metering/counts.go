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

// QuantityCount is what was used of one unit, in the form in which every API gives it.
type QuantityCount struct {
	Unit     string `json:"unit" enum:"image,image_256x256,image_512x512,image_1024x1024,image_1024x1536,image_1536x1024,image_1024x1792,image_1792x1024,audio_millisecond,character,search" doc:"What is billed beside tokens; image is an image of any other size."`
	Quantity int64  `json:"quantity"`
}

// QuantityCounts are quantities in the form in which every API gives them; those rows that have none are without.
type QuantityCounts struct {
	Quantities []QuantityCount `json:"quantities,omitempty" doc:"What was used beside tokens; absent if there is nothing."`
}

// CountQuantities returns quantities in the form of the APIs.
func CountQuantities(q store.Quantities) QuantityCounts {
	counts := make([]QuantityCount, len(q))
	for i, x := range q {
		counts[i] = QuantityCount{Unit: x.Unit.String(), Quantity: x.N}
	}
	return QuantityCounts{counts}
}

// CountTokens returns tokens in the form of the APIs.
func CountTokens(t store.Tokens) TokenCounts {
	return TokenCounts{
		InputTokens: t.Input, CachedInputTokens: t.CachedInput, OutputTokens: t.Output, ReasoningTokens: t.Reasoning,
		TotalTokens: t.Total(), EstimatedTokens: t.Estimated,
	}
}
