package main

import (
	"encoding/json"
	"io"
	"strings"
	"testing"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/packages/param"
	"github.com/openai/openai-go/v3/responses"
	"github.com/openai/openai-go/v3/shared"
	goopenai "github.com/sashabaranov/go-openai"

	"llmhub/proxy/proxytest"
)

const (
	modelJSON  = "structured"
	pixelImage = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)

// answerSchema is what structured answers of the tests must fit.
var answerSchema = json.RawMessage(`{"type":"object","properties":{"answer":{"type":"integer"}},"required":["answer"],"additionalProperties":false}`)

// inputHub is a hub whose model gives a structured answer, and a key of it.
func inputHub(t *testing.T) (h *hub, key string) {
	h = startHub(t, []string{modelJSON}, nil)
	h.provider.Script(modelJSON, proxytest.Script{Deltas: proxytest.Say(`{"answer"`, `:42}`)})
	key, _ = h.key("sdk")
	return h, key
}

// sentUpstream insists that the last request that the provider has got holds all of the texts.
func (h *hub) sentUpstream(texts ...string) {
	h.t.Helper()
	r := h.provider.LastRequest(modelJSON)
	for _, text := range texts {
		if !strings.Contains(string(r.Body), text) {
			h.t.Errorf("the provider got %s, without %s", r.Body, text)
		}
	}
}

func checkAnswer(t *testing.T, text string) {
	t.Helper()
	var v struct{ Answer int }
	if err := json.Unmarshal([]byte(text), &v); err != nil || v.Answer != 42 {
		t.Errorf("%q: %v", text, err)
	}
}

func TestOpenAIGoInput(t *testing.T) {
	h, key := inputHub(t)
	client := h.openaiClient(key)
	p := openai.ChatCompletionNewParams{
		Model: modelJSON,
		Messages: []openai.ChatCompletionMessageParamUnion{openai.UserMessage([]openai.ChatCompletionContentPartUnionParam{
			openai.TextContentPart("What is this?"), openai.ImageContentPart(openai.ChatCompletionContentPartImageImageURLParam{URL: pixelImage}),
		})},
		ResponseFormat: openai.ChatCompletionNewParamsResponseFormatUnion{OfJSONSchema: &shared.ResponseFormatJSONSchemaParam{
			JSONSchema: shared.ResponseFormatJSONSchemaJSONSchemaParam{Name: "answer", Strict: param.NewOpt(true), Schema: answerSchema},
		}},
	}
	answer, err := client.Chat.Completions.New(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	checkAnswer(t, answer.Choices[0].Message.Content)
	h.sentUpstream(pixelImage, `"json_schema"`, `"additionalProperties":false`)
}

func TestOpenAIGoResponses(t *testing.T) {
	h, key := inputHub(t)
	client := h.openaiClient(key)
	p := responses.ResponseNewParams{Model: modelJSON, Input: responses.ResponseNewParamsInputUnion{OfString: param.NewOpt("What is the answer?")}}
	first, err := client.Responses.New(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	checkAnswer(t, first.OutputText())
	p.PreviousResponseID = param.NewOpt(first.ID)
	stream := client.Responses.NewStreaming(t.Context(), p)
	defer stream.Close()
	var text strings.Builder
	last := ""
	for stream.Next() {
		event := stream.Current()
		last = event.Type
		if event.Type == "response.output_text.delta" {
			text.WriteString(event.Delta)
		}
	}
	if err := stream.Err(); err != nil || last != "response.completed" {
		t.Errorf("ends with %q, %v", last, err)
	}
	checkAnswer(t, text.String())
	if got, err := client.Responses.Get(t.Context(), first.ID, responses.ResponseGetParams{}); err != nil || got.ID != first.ID {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestGoOpenAIInput(t *testing.T) {
	h, key := inputHub(t)
	cfg := goopenai.DefaultConfig(key)
	cfg.BaseURL, cfg.HTTPClient = h.url+"/v1", h.client()
	client := goopenai.NewClientWithConfig(cfg)
	p := goopenai.ChatCompletionRequest{
		Model: modelJSON,
		Messages: []goopenai.ChatCompletionMessage{{Role: "user", MultiContent: []goopenai.ChatMessagePart{
			{Type: goopenai.ChatMessagePartTypeText, Text: "What is this?"},
			{Type: goopenai.ChatMessagePartTypeImageURL, ImageURL: &goopenai.ChatMessageImageURL{URL: pixelImage}},
		}}},
		ResponseFormat: &goopenai.ChatCompletionResponseFormat{Type: "json_schema", JSONSchema: &goopenai.ChatCompletionResponseFormatJSONSchema{
			Name: "answer", Strict: true, Schema: answerSchema,
		}},
	}
	answer, err := client.CreateChatCompletion(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	checkAnswer(t, answer.Choices[0].Message.Content)
	h.sentUpstream(pixelImage, `"json_schema"`)

	sound, err := client.CreateTranscription(t.Context(), goopenai.AudioRequest{Model: modelJSON, FilePath: "speech.wav", Reader: strings.NewReader("sound")})
	if err != nil || sound.Text == "" {
		t.Errorf("transcription: %+v, %v", sound, err)
	}
	speech, err := client.CreateSpeech(t.Context(), goopenai.CreateSpeechRequest{Model: modelJSON, Input: "Guten Tag", Voice: goopenai.VoiceAlloy})
	if err != nil {
		t.Fatal(err)
	}
	defer speech.Close()
	if b, err := io.ReadAll(speech); err != nil || len(b) == 0 {
		t.Errorf("speech: %d bytes, %v", len(b), err)
	}
	if image, err := client.CreateImage(t.Context(), goopenai.ImageRequest{Model: modelJSON, Prompt: "A cat", N: 2}); err != nil || len(image.Data) != 2 {
		t.Errorf("images: %+v, %v", image, err)
	}
}
