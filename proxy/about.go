package proxy

import (
	"cmp"
	"time"
)

// About describes a model to applications. Empty and zero mean unknown.
type About struct {
	DisplayName string
	Kind        Kind
	// ContextTokens bounds input and output together, MaxOutputTokens the output.
	ContextTokens, MaxOutputTokens int64
	Location, Country              string
	// Licence is a name or an address.
	Licence string
	// External says that the model does not run with the operator of the gateway.
	External bool
	// EndOfLife is when the model is withdrawn; zero when that has not been announced.
	EndOfLife time.Time
}

// Kind is what a model is for; one that is not among the constants is taken for Chat.
type Kind string

// The kinds of model.
const (
	Chat       Kind = "chat"
	Completion Kind = "completion"
	Embedding  Kind = "embedding"
	Image      Kind = "image"
	Audio      Kind = "audio"
	Rerank     Kind = "rerank"
)

// metaData is About in the form that users of LLM Hub know. Its source_type and hidden_size are always empty,
// unknown, since no setting says them; they are there for clients that expect the members.
type metaData struct {
	ModelType        string     `json:"model_type"`
	SourceType       string     `json:"source_type"`
	MaxSequence      int64      `json:"max_sequence_length"`
	HiddenSize       int64      `json:"hidden_size"`
	MaxOutput        int64      `json:"max_output_length"`
	DeploymentRegion string     `json:"deployment_region"`
	Location         string     `json:"location"`
	License          string     `json:"license"`
	DisplayName      string     `json:"display_name"`
	Country          string     `json:"deployment_country"`
	Input            []string   `json:"input_modalities"`
	Output           []string   `json:"output_modalities"`
	Stage            string     `json:"model_lifecycle_stage"`
	External         bool       `json:"is_externally_hosted"`
	EndOfLife        *time.Time `json:"end_of_life_date"`
}

// kindWords are what a kind is called in metaData, and what goes in and comes out.
var kindWords = map[Kind]struct{ name, input, output string }{
	Embedding: {"EMBEDDING", "text", "embeddings"},
	Image:     {"IMAGE", "text", "image"},
	Audio:     {"STT", "audio", "text"},
	Rerank:    {"RERANK", "text", "rerank"},
}

// metaData returns what is known of the model, nil if nothing is.
func (m *Model) metaData() *metaData {
	a := m.About
	if a == nil {
		return nil
	}
	words, ok := kindWords[a.Kind]
	if !ok {
		words.name, words.input, words.output = "LLM", "text", "text"
	}
	d := &metaData{
		ModelType: words.name, Input: []string{words.input}, Output: []string{words.output},
		MaxSequence: a.ContextTokens, MaxOutput: a.MaxOutputTokens,
		DeploymentRegion: a.Location, Location: a.Location, Country: a.Country,
		License: a.Licence, DisplayName: cmp.Or(a.DisplayName, m.Name), External: a.External, Stage: "Stable",
	}
	if !a.EndOfLife.IsZero() {
		d.EndOfLife, d.Stage = &a.EndOfLife, "Deprecated"
	}
	return d
}
