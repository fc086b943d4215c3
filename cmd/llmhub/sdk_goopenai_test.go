package main

import (
	"context"
	"errors"
	"io"
	"net/http"
	"testing"

	goopenai "github.com/sashabaranov/go-openai"
)

func (h *hub) goopenaiClient(key string) *goopenai.Client {
	cfg := goopenai.DefaultConfig(key)
	cfg.BaseURL, cfg.HTTPClient = h.url+"/v2", h.client()
	return goopenai.NewClientWithConfig(cfg)
}

func chatRequest(a *account, model string) goopenai.ChatCompletionRequest {
	return goopenai.ChatCompletionRequest{Model: model, User: a.user, Messages: []goopenai.ChatCompletionMessage{
		{Role: goopenai.ChatMessageRoleUser, Content: "What is new?"},
	}}
}

// streamSum is what a stream added up to.
type streamSum struct {
	text   map[int]string  // by choice
	args   map[int]string  // by tool call
	finish map[int]string  // by choice
	usage  *goopenai.Usage // of the last chunk that had any
	names  map[int]string  // by tool call
	err    error           // other than io.EOF
	chunks int
}

func readStream(t *testing.T, client *goopenai.Client, r goopenai.ChatCompletionRequest) streamSum {
	t.Helper()
	s := streamSum{text: map[int]string{}, args: map[int]string{}, finish: map[int]string{}, names: map[int]string{}}
	stream, err := client.CreateChatCompletionStream(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	for {
		chunk, err := stream.Recv()
		if err == io.EOF {
			return s
		}
		if err != nil {
			s.err = err
			return s
		}
		s.add(chunk)
	}
}

func (s *streamSum) add(chunk goopenai.ChatCompletionStreamResponse) {
	s.chunks++
	if chunk.Usage != nil {
		s.usage = chunk.Usage
	}
	for _, choice := range chunk.Choices {
		s.text[choice.Index] += choice.Delta.Content
		s.finish[choice.Index] += string(choice.FinishReason)
		for _, call := range choice.Delta.ToolCalls {
			s.names[*call.Index] += call.Function.Name
			s.args[*call.Index] += call.Function.Arguments
		}
	}
}

func TestGoOpenAI(t *testing.T) {
	h := sdkHub(t)
	for _, c := range []struct {
		name string
		run  func(*testing.T, *account, *goopenai.Client)
	}{
		{"whole", func(t *testing.T, a *account, client *goopenai.Client) {
			got, err := client.CreateChatCompletion(t.Context(), chatRequest(a, modelWords))
			if err != nil || got.Choices[0].Message.Content != wordsText() || got.Usage.PromptTokens != 41 {
				t.Errorf("answer %+v, %v", got, err)
			}
		}},
		{"stream without usage", func(t *testing.T, a *account, client *goopenai.Client) {
			got := readStream(t, client, chatRequest(a, modelWords))
			if got.err != nil || got.text[0] != wordsText() || got.finish[0] != "stop" || got.usage != nil {
				t.Errorf("stream %+v", got)
			}
		}},
		{"stream with usage", func(t *testing.T, a *account, client *goopenai.Client) {
			r := chatRequest(a, modelWords)
			r.StreamOptions = &goopenai.StreamOptions{IncludeUsage: true}
			got := readStream(t, client, r)
			if got.err != nil || got.usage == nil || got.usage.TotalTokens != 64 || got.usage.CompletionTokensDetails.ReasoningTokens != 3 {
				t.Errorf("stream %+v", got)
			}
		}},
		{"tools streamed", func(t *testing.T, a *account, client *goopenai.Client) {
			r := chatRequest(a, modelTools)
			r.Tools = []goopenai.Tool{{Type: goopenai.ToolTypeFunction, Function: &goopenai.FunctionDefinition{Name: "weather"}}}
			got := readStream(t, client, r)
			if got.err != nil || got.names[1] != "clock" || got.args[0] != `{"city":"Bonn"}` || got.args[1] != `{"zone":"Europe/Berlin"}` {
				t.Errorf("stream %+v", got)
			}
		}},
		{"several choices", func(t *testing.T, a *account, client *goopenai.Client) {
			r := chatRequest(a, modelWords)
			r.N = 2
			got := readStream(t, client, r)
			if got.err != nil || len(got.text) != 2 || got.text[0] != wordsText() || got.text[1] != wordsText() {
				t.Errorf("stream %+v", got)
			}
		}},
		{"completion", func(t *testing.T, a *account, client *goopenai.Client) {
			got, err := client.CreateCompletion(t.Context(), goopenai.CompletionRequest{Model: modelWords, User: a.user, Prompt: "Once"})
			if err != nil || got.Usage.TotalTokens != 64 {
				t.Errorf("answer %+v, %v", got, err)
			}
		}},
		{"embeddings", func(t *testing.T, a *account, client *goopenai.Client) {
			got, err := client.CreateEmbeddings(t.Context(), goopenai.EmbeddingRequestStrings{Model: modelEmbed, User: a.user, Input: []string{"one", "two"}})
			if err != nil || len(got.Data) != 2 || got.Usage.PromptTokens != 13 {
				t.Errorf("answer %+v, %v", got, err)
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := h.account("go-openai " + c.name)
			c.run(t, a, h.goopenaiClient(a.text))
			a.wantExact(t, 1)
		})
	}
	t.Run("models and errors", func(t *testing.T) { goopenaiErrors(t, h) })
	t.Run("abort", func(t *testing.T) { goopenaiAbort(t, h) })
	h.shutDown(t)
}

func wantAPIError(t *testing.T, err error, status int, code string) {
	t.Helper()
	var e *goopenai.APIError
	if !errors.As(err, &e) {
		t.Fatalf("%v is no *APIError", err)
	}
	if e.HTTPStatusCode != status || e.Code != code || e.Message == "" {
		t.Errorf("error %d %v %q, want %d %q", e.HTTPStatusCode, e.Code, e.Message, status, code)
	}
}

func goopenaiErrors(t *testing.T, h *hub) {
	a := h.account("go-openai errors")
	client := h.goopenaiClient(a.text)
	list, err := client.ListModels(t.Context())
	if err != nil || len(list.Models) != 5 {
		t.Errorf("models %+v, %v", list, err)
	}
	if m, err := client.GetModel(t.Context(), modelWords); err != nil || m.ID != modelWords {
		t.Errorf("model %+v, %v", m, err)
	}
	_, err = h.goopenaiClient("nonsense").CreateChatCompletion(t.Context(), chatRequest(a, modelWords))
	wantAPIError(t, err, http.StatusUnauthorized, "invalid_api_key")
	_, err = client.CreateChatCompletionStream(t.Context(), chatRequest(a, "none"))
	wantAPIError(t, err, http.StatusNotFound, "model_not_found")
	a.wantNothing(t)
	_, err = client.CreateChatCompletion(t.Context(), chatRequest(a, modelBusy))
	wantAPIError(t, err, http.StatusTooManyRequests, "rate_limit_exceeded")
	a.settled(t, 0)
}

func goopenaiAbort(t *testing.T, h *hub) {
	a := h.account("go-openai abort")
	ctx, abort := context.WithCancel(t.Context())
	defer abort()
	r := chatRequest(a, modelStall)
	r.Stream = true
	stream, err := h.goopenaiClient(a.text).CreateChatCompletionStream(ctx, r)
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	for deltas := 0; deltas < 5; {
		chunk, err := stream.Recv()
		if err != nil {
			t.Fatal(err)
		}
		if chunk.Choices[0].Delta.Content != "" {
			deltas++
		}
	}
	abort()
	if _, err := stream.Recv(); !errors.Is(err, context.Canceled) {
		t.Errorf("after the abort: %v", err)
	}
	wantPartial(t, a, 5)
	h.eventually("the provider still answers", func() bool { return h.provider.Active() == 0 })
}
