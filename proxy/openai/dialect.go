package openai

// Dialect is the API that an endpoint's requests and answers are in. The zero value is that of chat completions, whose
// answers legacy completions and embeddings share as far as the gateway is concerned.
type Dialect uint8

// The dialects.
const (
	DialectChat Dialect = iota
	// DialectResponses is that of OpenAI's responses.
	DialectResponses
	// DialectMessages is that of Anthropic's messages and count_tokens.
	DialectMessages
	// DialectImages is that of image generations and edits.
	DialectImages
	// DialectSpeech is that of text turned into speech: answers are audio, or events of it.
	DialectSpeech
	// DialectTranscriptions is that of transcriptions and translations of audio.
	DialectTranscriptions
	// DialectModerations is that of moderations.
	DialectModerations
	// DialectRerank is that of reranks, as Cohere, Jina and vLLM know them.
	DialectRerank
)

// Units are what an answer used, or a request asks for, beside tokens.
type Units struct {
	Images int64
	// ImageSize is such as "1024x1024"; empty where nobody has said.
	ImageSize         string
	AudioMilliseconds int64
	// Characters are code points of text to be spoken.
	Characters int64
	Searches   int64
}
