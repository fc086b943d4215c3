package openai

import (
	"strings"
	"testing"
)

func TestImages(t *testing.T) {
	usage := `"usage":{"input_tokens":50,"input_tokens_details":{"text_tokens":10,"image_tokens":40},"output_tokens":4160,"total_tokens":4210}`
	checkAnswers(t, DialectImages, []answerCase{
		{name: "whole", whole: true, events: []string{`{"created":1713833628,"background":"opaque","data":[{"b64_json":"iVBORw0KGgo="},{"b64_json":"iVBORw0KGgo="}],"output_format":"png","quality":"high","size":"1536x1024",` + usage + `}`},
			flags: "vuft", usage: Usage{Input: 50, Output: 4160}, reported: "io", units: Units{Images: 2, ImageSize: "1536x1024"}, finished: true},
		{name: "without usage and size", whole: true, events: []string{`{"created":1589478378,"data":[{"url":"https://example.com/a.png","revised_prompt":"a"}]}`},
			flags: "vft", units: Units{Images: 1}, finished: true},
		{name: "size left to the model", whole: true, events: []string{`{"data":[{}],"size":"auto"}`}, flags: "vft", units: Units{Images: 1}, finished: true},
		{name: "sizes of other makes", whole: true, events: []string{`{"data":[{}],"size":"2K"}`}, flags: "vft", units: Units{Images: 1, ImageSize: "2K"}, finished: true},
		{name: "no sizes", whole: true, events: []string{`{"data":[{}],"size":"` + strings.Repeat("9", maxSizeName+1) + `"}`, `{"data":[{}],"size":"<b>"}`, `{"data":[{}],"size":{"w":1}}`},
			flags: "vft vft vft", units: Units{Images: 1}, finished: true},
		{name: "none", whole: true, events: []string{`{"data":[]}`}, flags: "vf", finished: true},
		{name: "stream", events: []string{
			`{"type":"image_generation.partial_image","b64_json":"iVBO","created_at":1620000000,"size":"auto","quality":"high","partial_image_index":0}`,
			`{"type":"image_generation.completed","b64_json":"iVBO","created_at":1620000000,"size":"1024x1024","quality":"high",` + usage + `}`},
			flags: "vt vuftF", usage: Usage{Input: 50, Output: 4160}, reported: "io", units: Units{Images: 1, ImageSize: "1024x1024"}, deltas: 2, finished: true},
		{name: "stream of an edit", events: []string{`{"type":"image_edit.partial_image","b64_json":"A"}`, `{"type":"image_edit.completed","b64_json":"A","usage":null}`},
			flags: "vt vftF", units: Units{Images: 1}, deltas: 2, finished: true},
		{name: "errors", events: []string{`{"type":"error","error":{"code":"moderation_blocked","message":"x"}}`, `{"error":{"message":"x"}}`}, flags: "vx vx"},
		{name: "odd", events: []string{`{}`, `{"type":"image_generation.new"}`, `{"data":{"a":1}}`, `{"type":"image_generation.completed"`}, flags: "v v v "},
	})
}

// TestImagesAskedFor checks that a stream ends with the last of the images that were asked for.
func TestImagesAskedFor(t *testing.T) {
	m := Meter{Dialect: DialectImages, Images: 2}
	event := []byte(`{"type":"image_generation.completed","b64_json":"A","size":"1024x1024","usage":{"input_tokens":5,"output_tokens":9}}`)
	for range 2 {
		if c := m.Event(event); c.Final || !m.Finished() {
			t.Errorf("the first image is none, or ends the stream: %+v", c)
		}
		if c := m.Event(event); !c.Final || !m.Finished() || m.Units().Images != 2 {
			t.Errorf("the second image does not end the stream: %+v", c)
		}
		m.Reset()
	}
}

func TestSpeech(t *testing.T) {
	checkAnswers(t, DialectSpeech, []answerCase{
		{name: "stream", events: []string{`{"type":"speech.audio.delta","audio":"UklGRg=="}`, `{"type":"speech.audio.done","usage":{"input_tokens":14,"output_tokens":101,"total_tokens":115}}`},
			flags: "vt vufF", usage: Usage{Input: 14, Output: 101}, reported: "io", deltas: 1, finished: true},
		{name: "odd", events: []string{`{}`, `{"type":"speech.audio.new"}`, `{"type":"error"}`, `{"type":"speech.audio.done","usage":"x"}`}, flags: "v v vx vfF", finished: true},
	})
}

func TestTranscriptions(t *testing.T) {
	seconds := func(ms int64) Units { return Units{AudioMilliseconds: ms} }
	checkAnswers(t, DialectTranscriptions, []answerCase{
		{name: "tokens", whole: true, events: []string{`{"text":"Hi.","usage":{"type":"tokens","input_tokens":14,"input_token_details":{"text_tokens":10,"audio_tokens":4},"output_tokens":101,"total_tokens":115}}`},
			flags: "vuft", usage: Usage{Input: 14, Output: 101}, reported: "io", finished: true},
		{name: "billed seconds", whole: true, events: []string{`{"task":"transcribe","language":"english","duration":8.470000267028809,"text":"Hi.","segments":[{"id":0,"text":"Hi."}],"usage":{"type":"duration","seconds":9}}`},
			flags: "vuft", texts: "0:Hi.", units: seconds(9000), finished: true},
		{name: "duration", whole: true, events: []string{`{"duration":8.470000267028809,"text":"Hi."}`}, flags: "vft", texts: "0:Hi.", units: seconds(8470), finished: true},
		{name: "duration in a string", whole: true, events: []string{`{"duration":"2.0995","text":"","usage":null}`}, flags: "vf", units: seconds(2100), finished: true},
		{name: "Mistral", whole: true, events: []string{`{"model":"voxtral-mini","text":"Hi.","segments":[],"usage":{"prompt_audio_seconds":203,"prompt_tokens":4,"total_tokens":3264,"completion_tokens":635}}`},
			flags: "vuft", usage: Usage{Input: 4, Output: 635}, reported: "io", units: seconds(203000), finished: true},
		{name: "stream", events: []string{
			`{"type":"transcript.text.delta","delta":"I see","logprobs":[]}`, `{"type":"transcript.text.delta","delta":" skies","segment_id":"s"}`,
			`{"type":"transcript.text.segment","id":"s","start":0,"end":1.2,"text":"I see skies","speaker":"A"}`,
			`{"type":"transcript.text.done","text":"I see skies","usage":{"type":"tokens","input_tokens":14,"output_tokens":5,"total_tokens":19}}`},
			flags: "vt vt vt vufF", texts: "0:I see skies", usage: Usage{Input: 14, Output: 5}, reported: "io", deltas: 3, finished: true},
		{name: "stream in the chunks of chat", events: []string{
			`{"object":"transcription.chunk","choices":[{"index":0,"delta":{"content":"Hi"}}]}`,
			`{"object":"transcription.chunk","choices":[{"index":0,"delta":{"content":"."},"finish_reason":"stop"}]}`,
			`{"object":"transcription.chunk","choices":[],"usage":{"prompt_tokens":20,"completion_tokens":2,"total_tokens":22}}`},
			flags: "vt vt vu", texts: "0:Hi.", usage: Usage{Input: 20, Output: 2}, reported: "io", deltas: 2, finished: true},
		{name: "no lengths", whole: true, events: []string{`{"duration":-1}`, `{"duration":"-0.1"}`, `{"duration":1e99}`, `{"duration":"1e9999"}`, `{"duration":"NaN"}`, `{"duration":"0x10"}`, `{"duration":" 1"}`,
			`{"duration":""}`, `{"duration":"\u0031"}`, `{"duration":null}`, `{"duration":[1]}`, `{"usage":{"seconds":1e13}}`, `{"usage":{"seconds":true}}`},
			flags: "v v v v v v v v v v v vu vu"},
		{name: "the last length counts", whole: true, events: []string{`{"duration":0.0004}`, `{"duration":1.5e1}`}, flags: "v v", units: seconds(15000)},
		{name: "error", events: []string{`{"type":"error","error":{"message":"x"}}`}, flags: "vx"},
	})
}

func TestModerations(t *testing.T) {
	checkAnswers(t, DialectModerations, []answerCase{
		{name: "without usage", whole: true, events: []string{`{"id":"modr-1","model":"omni-moderation-latest","results":[{"flagged":true,"categories":{"violence":true},"category_scores":{"violence":0.8}}]}`}, flags: "vft", finished: true},
		{name: "with usage", whole: true, events: []string{`{"results":[{"flagged":false}],"usage":{"prompt_tokens":7,"total_tokens":7}}`}, flags: "vuft", usage: Usage{Input: 7}, reported: "io", finished: true},
		{name: "error", whole: true, events: []string{`{"error":{"message":"x"}}`, `{}`, `x`}, flags: "vx v "},
	})
}

func TestRerank(t *testing.T) {
	results := `"results":[{"index":1,"relevance_score":0.9,"document":{"text":"a"}},{"index":0,"relevance_score":0.1}]`
	checkAnswers(t, DialectRerank, []answerCase{
		{name: "Cohere", whole: true, events: []string{`{"id":"x",` + results + `,"meta":{"api_version":{"version":"2"},"billed_units":{"search_units":1}}}`}, flags: "vft", units: Units{Searches: 1}, finished: true},
		{name: "tokens in meta", whole: true, events: []string{`{` + results + `,"meta":{"billed_units":{"search_units":2.0},"tokens":{"input_tokens":30,"output_tokens":0}}}`},
			flags: "vuft", usage: Usage{Input: 30}, reported: "io", units: Units{Searches: 2}, finished: true},
		{name: "vLLM and Jina", whole: true, events: []string{`{"id":"x","model":"m","usage":{"total_tokens":56},` + results + `}`}, flags: "vuft", usage: Usage{Input: 56}, reported: "i", finished: true},
		{name: "Voyage", whole: true, events: []string{`{"object":"list","data":[{"relevance_score":0.4,"index":0}],"model":"rerank-2","usage":{"total_tokens":26}}`}, flags: "vuft", usage: Usage{Input: 26}, reported: "i", finished: true},
		{name: "odd", whole: true, events: []string{`{"results":null}`, `{"results":[],"meta":{"billed_units":{"search_units":-1}}}`, `{"meta":{"billed_units":[],"tokens":7}}`, `{"meta":[]}`, `{"detail":"x"}`},
			flags: "vf vf v v v", finished: true},
	})
}
