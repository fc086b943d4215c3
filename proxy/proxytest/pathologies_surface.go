package proxytest

import (
	"crypto/sha256"
	"encoding/hex"
)

// onlyResponses has what can go wrong with responses alone.
func onlyResponses() []Case {
	e := &responsesAPI
	failed := Script{FinishReason: "failed", PromptTokens: e.prompt}
	return []Case{
		{Name: "responses-failed-usage", About: "the response fails, and says what it used", Path: e.path, Script: failed, Body: e.streamed(),
			Want: e.exact(Identical, "partial", 8)},
		{Name: "responses-failed", About: "the response fails, and does not say what it used", Path: e.path, Body: e.streamed(),
			Script: with(failed, func(s *Script) { s.Usage = UsageNever }), Want: e.exact(Identical, "partial", 8)},
		{Name: "responses-filtered", About: "a filter ends the response: that is a good end", Path: e.path, Body: e.streamed(),
			Script: Script{FinishReason: "content_filter", PromptTokens: e.prompt}, Want: e.exact(Identical, "upstream", 8)},
		{Name: "responses-not-stored", About: "store is false", Path: e.path, Script: Script{PromptTokens: e.prompt},
			Body: e.body(`"store":false,`), Want: e.exact(Identical, "upstream", 8)},
	}
}

// onlyMessages has what can go wrong with messages alone.
func onlyMessages() []Case {
	e := &messagesAPI
	written := Script{PromptTokens: 20, CachedTokens: 6, CacheWriteTokens: 9}
	return []Case{
		{Name: "messages-usage-in-start", About: "usage in message_start only, which cannot know the output", Path: e.path,
			Script: Script{Usage: UsageInStart}, Body: e.streamed(), Want: e.exact(Identical, "estimated", 8)},
		{Name: "messages-usage-at-end", About: "zeros in message_start, all usage in message_delta", Path: e.path,
			Script: Script{Usage: UsageInFinish}, Body: e.streamed(), Want: e.exact(Identical, "upstream", 8)},
		{Name: "messages-cache-write", About: "tokens read from a cache and written to one are input", Path: e.path, Script: written,
			Body: e.streamed(), Want: exact(Identical, "upstream", Usage{Prompt: 20, Cached: 6, Output: 8})},
		{Name: "messages-refusal", About: "the model refuses: that is a good end", Path: e.path, Script: Script{Deltas: Refuse(" I", " will", " not")},
			Body: e.streamed(), Want: e.exact(Identical, "upstream", 3)},
		{Name: "count-tokens", About: "counting tokens uses none", Path: "/messages/count_tokens", Body: e.body(""), Want: Want{Bytes: Identical, Status: 200, Calls: 1}},
	}
}

// free wants an answer that is passed on and whose tokens are those given, wherever the gateway has them from.
func free(u Usage) Want {
	return Want{Bytes: Identical, Status: 200, Provenance: Any, Least: u, Most: u, Calls: 1}
}

// The file of the cases with forms, and its boundary.
const formBoundary = "proxytest-c0ffee"

// formFile is no text, and has what could be taken for a delimiter.
func formFile() string {
	return string(noise(70_000)) + "\r\n--" + formBoundary[:9] + "\r\n\r\n--\x00" + string(noise(300))
}

// formBody returns a form with a file behind the fields, given as name, value, name, value.
func formBody(fields ...string) string {
	const open = "--" + formBoundary + "\r\nContent-Disposition: form-data; name=\""
	body := ""
	for i := 0; i < len(fields); i += 2 {
		body += open + fields[i] + "\"\r\n\r\n" + fields[i+1] + "\r\n"
	}
	field := "file"
	if fields[0] == "prompt" {
		field = "image"
	}
	return body + open + field + "\"; filename=\"a.bin\"\r\nContent-Type: application/octet-stream\r\n\r\n" + formFile() +
		"\r\n--" + formBoundary + "--\r\n"
}

// mediaAndRanking has images, audio, moderations and reranks.
func mediaAndRanking() []Case {
	units := Script{ByUnit: true}
	image, tokens := Usage{Prompt: casePrompt, Output: 16, Images: 2}, Usage{Prompt: casePrompt, Output: 8}
	verbose := tokens
	verbose.AudioMilliseconds = defaultAudioMilliseconds
	sound := Usage{Prompt: casePrompt, Output: 8, Characters: int64(len(promptText))}
	seconds := Usage{AudioMilliseconds: defaultAudioMilliseconds}
	speech := `{"model":"MODEL","input":"` + promptText + `","voice":"alloy"`
	prompt := `{"model":"MODEL","prompt":"` + promptText + `"`
	documents := `{"model":"MODEL","query":"` + promptText + `","documents":["one","two"]}`
	reranked := free(Usage{Prompt: casePrompt})
	reranked.Most.Searches = 1 // it is one, whether or not it is billed as such
	all := []Case{
		{Name: "images", About: "two images with tokens", Path: "/images/generations", Body: prompt + `,"n":2,"size":"1024x1024"}`, Want: free(image)},
		{Name: "images-units", About: "two images, and nothing said of them", Path: "/images/generations", Script: units,
			Body: prompt + `,"n":2,"size":"512x512"}`, Want: loose(Usage{Images: 2})},
		{Name: "images-stream", About: "partial images, then the image", Path: "/images/generations",
			Body: prompt + `,"stream":true,"partial_images":2}`, Want: free(Usage{Prompt: casePrompt, Output: 8, Images: 1})},
		{Name: "images-edit", About: "a file in a form", Path: "/images/edits", Body: formBody("prompt", promptText, "model", "MODEL"),
			Want: free(Usage{Prompt: casePrompt, Output: 8, Images: 1})},
		{Name: "speech", About: "audio as it is", Path: "/audio/speech", Script: Script{Size: 200_000}, Body: speech + `}`,
			Want: loose(Usage{Characters: int64(len(promptText))})},
		{Name: "speech-paced", About: "audio that comes slowly", Path: "/audio/speech", Script: Script{Size: 20_000, Pace: 5 * 1e6}, Body: speech + `}`,
			Want: loose(Usage{Characters: int64(len(promptText))})},
		{Name: "speech-events", About: "audio in events", Path: "/audio/speech", Body: speech + `,"stream_format":"sse"}`, Want: free(sound)},
		{Name: "transcription", About: "a transcription with tokens", Path: "/audio/transcriptions", Body: formBody("model", "MODEL"), Want: free(tokens)},
		{Name: "transcription-seconds", About: "a transcription that is billed by the second", Path: "/audio/transcriptions", Script: units,
			Body: formBody("model", "MODEL"), Want: loose(seconds)},
		{Name: "transcription-verbose", About: "one that tells the length", Path: "/audio/transcriptions",
			Body: formBody("model", "MODEL", "response_format", "verbose_json"), Want: free(verbose)},
		{Name: "transcription-text", About: "one that is plain text", Path: "/audio/transcriptions", Script: units,
			Body: formBody("model", "MODEL", "response_format", "text"), Want: loose(Usage{})},
		{Name: "transcription-srt", About: "one that is subtitles", Path: "/audio/transcriptions", Script: units,
			Body: formBody("model", "MODEL", "response_format", "srt"), Want: loose(Usage{})},
		{Name: "transcription-stream", About: "one in events", Path: "/audio/transcriptions", Body: formBody("model", "MODEL", "stream", "true"), Want: free(tokens)},
		{Name: "translation", About: "a translation", Path: "/audio/translations", Body: formBody("model", "MODEL"), Want: free(tokens)},
		{Name: "moderations", About: "a moderation uses nothing that is told", Path: "/moderations", Body: `{"model":"MODEL","input":"` + promptText + `"}`,
			Want: loose(Usage{})},
		{Name: "rerank", About: "a rerank with tokens", Path: "/rerank", Body: documents, Want: reranked},
		{Name: "rerank-searches", About: "a rerank with search units", Path: "/rerank", Script: units, Body: documents, Want: loose(Usage{Searches: 1})},
	}
	sum := sha256.Sum256([]byte(formFile()))
	for i := range all {
		if c := &all[i]; c.Body[0] == '-' {
			c.ContentType = "multipart/form-data; boundary=" + formBoundary
			c.File = hex.EncodeToString(sum[:])
		}
	}
	return all
}

// loose is free but for the tokens, which nobody tells: a gateway may estimate them.
func loose(u Usage) Want {
	w := free(u)
	w.Most.Prompt, w.Most.Output = 64, 64
	return w
}
