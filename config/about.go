package config

import (
	"llmhub/store"
	"llmhub/yamldoc"
)

// About describes a model to those who choose one. What the file leaves out is empty or zero, which means unknown.
type About struct {
	DisplayName string
	Kind        Kind
	// ContextTokens bounds input and output together, MaxOutputTokens the output.
	ContextTokens, MaxOutputTokens int64
	// Location is the region the model runs in, Country the country with its legal area, such as "Germany, EU".
	Location, Country string
	HostedBy          HostedBy
	// Licence is the licence's name, LicenceURL its text.
	Licence, LicenceURL string
	// EndOfLife is the day from which the model is no longer offered; nil when none has been announced.
	EndOfLife *store.Day
	// Description is a sentence or two.
	Description Description
}

// Description is a short text in both languages, or empty in both.
type Description struct {
	EN, DE string
}

// Kind is what a model is for.
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

// HostedBy says who runs a model, and so whose terms prompts and answers are under.
type HostedBy string

// The choices of HostedBy.
const (
	// Own is the operator of this llmhub.
	Own HostedBy = "own"
	// ThirdParty is somebody else.
	ThirdParty HostedBy = "third-party"
)

const (
	maxTokens           = 1_000_000_000
	maxDescriptionBytes = 500
)

// DefaultAbout returns what holds of a model where the file says nothing.
func DefaultAbout() *About { return &About{Kind: Chat, HostedBy: Own} }

func (d *decoder) about(a *About, n node) {
	d.Mapping(n,
		optional("display_name", d.Text(&a.DisplayName, 128, nil, "")),
		optional("kind", yamldoc.Choice(d.Decoder, &a.Kind, Chat, Completion, Embedding, Image, Audio, Rerank)),
		optional("context_tokens", yamldoc.Count(d.Decoder, &a.ContextTokens, 1, maxTokens)),
		optional("max_output_tokens", yamldoc.Count(d.Decoder, &a.MaxOutputTokens, 1, maxTokens)),
		optional("location", d.Text(&a.Location, 64, nil, "")),
		optional("country", d.Text(&a.Country, 64, nil, "")),
		optional("hosted_by", yamldoc.Choice(d.Decoder, &a.HostedBy, Own, ThirdParty)),
		optional("licence", d.Text(&a.Licence, 128, nil, "")),
		optional("licence_url", d.link(&a.LicenceURL, "https")),
		optional("end_of_life", func(n node) {
			a.EndOfLife = new(store.Day)
			d.day(a.EndOfLife)(n)
		}),
		optional("description", d.description(&a.Description)),
	)
	if a.ContextTokens > 0 && a.MaxOutputTokens > a.ContextTokens {
		d.Fault(n, "max_output_tokens is %d, which must not be more than context_tokens, %d", a.MaxOutputTokens, a.ContextTokens)
	}
}

// description reads a text in English and in German; the English one stands in for a German one that is left out.
func (d *decoder) description(into *Description) reader {
	return func(n node) {
		d.Mapping(n,
			required("en", d.Text(&into.EN, maxDescriptionBytes, nil, "")),
			optional("de", d.Text(&into.DE, maxDescriptionBytes, nil, "")),
		)
		if into.DE == "" {
			into.DE = into.EN
		}
	}
}
