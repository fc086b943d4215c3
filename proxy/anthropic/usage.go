package anthropic

import (
	"encoding/json"
	"strconv"
)

// maxCount is the largest number of tokens that is believed.
const maxCount = 1e12

// count is a number of tokens. What is none counts as nothing said.
type count int64

// UnmarshalJSON never fails: an answer is not lost for a number in it.
func (c *count) UnmarshalJSON(b []byte) error {
	if n, err := strconv.ParseInt(string(b), 10, 64); err == nil && n >= 0 && n <= maxCount {
		*c = count(n)
	}
	return nil
}

var _ json.Unmarshaler = (*count)(nil)

// usage is what the model server reports: its input leaves out what it has read from its cache or written into it.
type usage struct {
	Input         count `json:"input_tokens"`
	CacheCreation count `json:"cache_creation_input_tokens"`
	CacheRead     count `json:"cache_read_input_tokens"`
	Output        count `json:"output_tokens"`
}

// add takes a later report. Numbers only grow, and some servers leave out, or give as 0, what they have said before.
func (u *usage) add(v usage) {
	u.Input, u.CacheCreation = max(u.Input, v.Input), max(u.CacheCreation, v.CacheCreation)
	u.CacheRead, u.Output = max(u.CacheRead, v.CacheRead), max(u.Output, v.Output)
}

func (u *usage) prompt() count { return u.Input + u.CacheCreation + u.CacheRead }

type chatUsage struct {
	Prompt     count         `json:"prompt_tokens"`
	Completion count         `json:"completion_tokens"`
	Total      count         `json:"total_tokens"`
	Details    promptDetails `json:"prompt_tokens_details"`
}

type promptDetails struct {
	Cached  count `json:"cached_tokens"`
	Created count `json:"cache_creation_tokens"`
}

func (u *usage) chat() *chatUsage {
	return &chatUsage{u.prompt(), u.Output, u.prompt() + u.Output, promptDetails{u.CacheRead, u.CacheCreation}}
}

// inputReport is the part of the usage that is known when an answer begins.
type inputReport struct {
	Choices []choice `json:"choices"`
	Usage   struct {
		Prompt  count         `json:"prompt_tokens"`
		Details promptDetails `json:"prompt_tokens_details"`
	} `json:"usage"`
}

func (u *usage) report() []byte {
	r := inputReport{Choices: []choice{}}
	r.Usage.Prompt, r.Usage.Details = u.prompt(), promptDetails{u.CacheRead, u.CacheCreation}
	return encode(nil, r)
}
