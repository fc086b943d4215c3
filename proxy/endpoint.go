package proxy

import (
	"bytes"
	"strings"

	"llmhub/proxy/openai"
	"llmhub/store"
)

// endpoint is one path that is forwarded: what is the same for all requests to it.
type endpoint struct {
	// path is relative to the version prefix, here and at the model server.
	path string
	// name is its label in metrics.
	name string
	// dialect is that of its requests and answers.
	dialect openai.Dialect
	// form is that of its errors.
	form openai.ErrorForm
	// multipart says that requests are forms with files, not JSON.
	multipart bool
	// streams says whether an answer can be streamed.
	streams bool
	// generates says whether answers have output tokens.
	generates bool
	// sound says that answers are audio, which is passed on as it comes.
	sound bool
	// free says that nothing is charged, and nothing recorded.
	free bool
	// units returns what is billed beside tokens, of what the request asks for and what the answer says it used; nil where
	// nothing is. tokens says that the answer has told tokens.
	units func(asked, used openai.Units, tokens bool) store.Quantities
}

var endpoints = []endpoint{
	{path: "/chat/completions", name: "chat_completions", streams: true, generates: true},
	{path: "/completions", name: "completions", streams: true, generates: true},
	{path: "/embeddings", name: "embeddings"},
	{path: responsesPath, name: "responses", dialect: openai.DialectResponses, form: openai.FormResponses, streams: true, generates: true},
	{path: "/images/generations", name: "images_generations", dialect: openai.DialectImages, streams: true, generates: true, units: imageUnits},
	{path: "/images/edits", name: "images_edits", dialect: openai.DialectImages, multipart: true, streams: true, generates: true, units: imageUnits},
	{path: "/images/variations", name: "images_variations", dialect: openai.DialectImages, multipart: true, generates: true, units: imageUnits},
	{path: "/audio/speech", name: "audio_speech", dialect: openai.DialectSpeech, streams: true, generates: true, sound: true, units: speechUnits},
	{path: "/audio/transcriptions", name: "audio_transcriptions", dialect: openai.DialectTranscriptions, multipart: true, streams: true, generates: true, units: audioUnits},
	{path: "/audio/translations", name: "audio_translations", dialect: openai.DialectTranscriptions, multipart: true, generates: true, units: audioUnits},
	{path: "/moderations", name: "moderations", dialect: openai.DialectModerations},
	{path: "/rerank", name: "rerank", dialect: openai.DialectRerank, units: searchUnits},
	{path: messagesPath, name: "messages", dialect: openai.DialectMessages, form: openai.FormMessages, streams: true, generates: true},
	{path: messagesPath + "/count_tokens", name: "messages_count_tokens", dialect: openai.DialectMessages, form: openai.FormMessages, free: true},
}

const (
	responsesPath = "/responses"
	messagesPath  = "/messages"
	modelsPath    = "/models"
	usagePath     = "/usage"
)

// Endpoints returns the paths that are forwarded, relative to the version prefix.
func Endpoints() []string {
	paths := make([]string, len(endpoints))
	for i := range endpoints {
		paths[i] = endpoints[i].path
	}
	return paths
}

// formOf returns the form of errors about a path, which need not exist.
func formOf(path []byte) openai.ErrorForm {
	if len(path) > 3 && path[0] == '/' && bytes.HasPrefix(path[3:], []byte(messagesPath)) {
		return openai.FormMessages
	}
	return openai.FormOpenAI
}

// imageUnits counts the images that came, by the size that the answer or else the request names.
func imageUnits(asked, used openai.Units, _ bool) store.Quantities {
	size := used.ImageSize
	if size == "" {
		size = asked.ImageSize
	}
	return store.Quantities(nil).Plus(store.ImageUnit(strings.ToLower(size)), used.Images)
}

// speechUnits counts the characters that were to be spoken: all of them once any of it has come.
func speechUnits(asked, _ openai.Units, _ bool) store.Quantities {
	return store.Quantities(nil).Plus(store.UnitCharacter, asked.Characters)
}

// audioUnits counts the length that the answer says, or that of the file where the answer tells neither length nor tokens.
func audioUnits(asked, used openai.Units, tokens bool) store.Quantities {
	n := used.AudioMilliseconds
	if n == 0 && !tokens {
		n = asked.AudioMilliseconds
	}
	return store.Quantities(nil).Plus(store.UnitAudioMillisecond, n)
}

// searchUnits counts what the answer says is billed, or one search where it tells neither searches nor tokens.
func searchUnits(_, used openai.Units, tokens bool) store.Quantities {
	n := used.Searches
	if n == 0 && !tokens {
		n = 1
	}
	return store.Quantities(nil).Plus(store.UnitSearch, n)
}
