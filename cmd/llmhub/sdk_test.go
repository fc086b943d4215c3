package main

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"

	"llmhub/proxy/proxytest"
)

// Models of the tests with real clients, and how the provider answers for each.
const (
	modelWords = "words"
	modelTools = "tools"
	modelEmbed = "embed"
	modelBusy  = "busy"
	modelStall = "stall"
)

// sdkHub starts a hub for the tests with real clients.
func sdkHub(t *testing.T) *hub {
	t.Helper()
	h := startHub(t, []string{modelWords, modelTools, modelEmbed, modelBusy, modelStall}, nil)
	h.provider.Script(modelWords, proxytest.Script{
		Deltas: append(proxytest.Reason(3), proxytest.Words(20)...), PromptTokens: 41, CachedTokens: 16,
	})
	h.provider.Script(modelTools, proxytest.Script{Deltas: append(
		proxytest.Call(0, "call_a", "weather", 9, `{"ci`, `ty":`, `"Bonn"}`),
		proxytest.Call(1, "call_b", "clock", 7, `{"zone":"Eu`, `rope/Berlin"}`)...,
	)})
	h.provider.Script(modelEmbed, proxytest.Script{PromptTokens: 13})
	h.provider.Script(modelBusy, proxytest.Script{
		Status: http.StatusTooManyRequests, Header: []proxytest.Header{{Name: "Retry-After", Value: "7"}},
		ErrorBody: `{"error":{"message":"Slow down.","type":"requests","param":null,"code":"rate_limit_exceeded"}}`,
	})
	h.provider.Script(modelStall, proxytest.Script{Words: 9, Cut: proxytest.Cut{At: proxytest.CutBetween, After: 5, How: proxytest.CutStall}})
	return h
}

// wordsText is what modelWords says.
func wordsText() string {
	var b strings.Builder
	for _, d := range proxytest.Words(20) {
		b.WriteString(d.Text)
	}
	return b.String()
}

func (h *hub) openaiClient(key string) openai.Client {
	return openai.NewClient(option.WithBaseURL(h.url+"/v1/"), option.WithAPIKey(key), option.WithMaxRetries(0), option.WithHTTPClient(h.client()))
}

func chatParams(a *account, model string) openai.ChatCompletionNewParams {
	return openai.ChatCompletionNewParams{
		Model: model, User: openai.String(a.user),
		Messages: []openai.ChatCompletionMessageParamUnion{openai.SystemMessage("Be brief."), openai.UserMessage("What is new?")},
	}
}

// accumulate reads a stream to its end.
func accumulate(t *testing.T, client openai.Client, p openai.ChatCompletionNewParams) (openai.ChatCompletionAccumulator, int) {
	t.Helper()
	stream := client.Chat.Completions.NewStreaming(t.Context(), p)
	defer stream.Close()
	var acc openai.ChatCompletionAccumulator
	withoutChoices := 0
	for stream.Next() {
		if len(stream.Current().Choices) == 0 {
			withoutChoices++
		}
		if !acc.AddChunk(stream.Current()) {
			t.Fatal("the chunks do not belong together")
		}
	}
	if err := stream.Err(); err != nil {
		t.Fatal(err)
	}
	return acc, withoutChoices
}

func TestOpenAIGo(t *testing.T) {
	h := sdkHub(t)
	for _, c := range []struct {
		name string
		run  func(*testing.T, *account, openai.Client)
	}{
		{"whole", func(t *testing.T, a *account, client openai.Client) {
			got, err := client.Chat.Completions.New(t.Context(), chatParams(a, modelWords))
			if err != nil {
				t.Fatal(err)
			}
			if got.Choices[0].Message.Content != wordsText() || got.Usage.CompletionTokens != 23 || got.Usage.PromptTokensDetails.CachedTokens != 16 {
				t.Errorf("answer %+v", got)
			}
		}},
		{"stream without usage", func(t *testing.T, a *account, client openai.Client) {
			acc, bare := accumulate(t, client, chatParams(a, modelWords))
			if acc.Choices[0].Message.Content != wordsText() || acc.Choices[0].FinishReason != "stop" {
				t.Errorf("answer %+v", acc.ChatCompletion)
			}
			if bare != 0 || acc.Usage.TotalTokens != 0 {
				t.Errorf("the client sees usage that it has not asked for: %+v", acc.Usage)
			}
		}},
		{"stream with usage", func(t *testing.T, a *account, client openai.Client) {
			p := chatParams(a, modelWords)
			p.StreamOptions.IncludeUsage = openai.Bool(true)
			acc, bare := accumulate(t, client, p)
			if bare != 1 || acc.Usage.PromptTokens != 41 || acc.Usage.CompletionTokens != 23 || acc.Usage.CompletionTokensDetails.ReasoningTokens != 3 {
				t.Errorf("usage %+v in %d chunks", acc.Usage, bare)
			}
		}},
		{"tools whole", func(t *testing.T, a *account, client openai.Client) {
			got, err := client.Chat.Completions.New(t.Context(), withTools(chatParams(a, modelTools)))
			if err != nil {
				t.Fatal(err)
			}
			wantCalls(t, got.Choices[0])
		}},
		{"tools streamed", func(t *testing.T, a *account, client openai.Client) {
			acc, _ := accumulate(t, client, withTools(chatParams(a, modelTools)))
			wantCalls(t, acc.Choices[0])
		}},
		{"several choices", func(t *testing.T, a *account, client openai.Client) {
			p := chatParams(a, modelWords)
			p.N = openai.Int(3)
			acc, _ := accumulate(t, client, p)
			if len(acc.Choices) != 3 {
				t.Fatalf("%d choices", len(acc.Choices))
			}
			for _, choice := range acc.Choices {
				if choice.Message.Content != wordsText() {
					t.Errorf("choice %+v", choice)
				}
			}
		}},
		{"completion", func(t *testing.T, a *account, client openai.Client) {
			got, err := client.Completions.New(t.Context(), openai.CompletionNewParams{
				Model: modelWords, User: openai.String(a.user), Prompt: openai.CompletionNewParamsPromptUnion{OfString: openai.String("Once")},
			})
			if err != nil || got.Usage.TotalTokens != 64 {
				t.Errorf("answer %+v, %v", got, err)
			}
		}},
		{"embeddings", func(t *testing.T, a *account, client openai.Client) {
			got, err := client.Embeddings.New(t.Context(), openai.EmbeddingNewParams{
				Model: modelEmbed, User: openai.String(a.user), Input: openai.EmbeddingNewParamsInputUnion{OfArrayOfStrings: []string{"one", "two"}},
			})
			if err != nil || len(got.Data) != 2 || got.Usage.PromptTokens != 13 {
				t.Errorf("answer %+v, %v", got, err)
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := h.account("openai-go " + c.name)
			c.run(t, a, h.openaiClient(a.text))
			a.wantExact(t, 1)
		})
	}
	t.Run("models", func(t *testing.T) { openaiModels(t, h) })
	t.Run("errors", func(t *testing.T) { openaiErrors(t, h) })
	t.Run("abort", func(t *testing.T) { openaiAbort(t, h) })
	h.shutDown(t)
}

func withTools(p openai.ChatCompletionNewParams) openai.ChatCompletionNewParams {
	for _, name := range []string{"weather", "clock"} {
		p.Tools = append(p.Tools, openai.ChatCompletionFunctionTool(openai.FunctionDefinitionParam{
			Name: name, Parameters: openai.FunctionParameters{"type": "object", "properties": map[string]any{}},
		}))
	}
	return p
}

func wantCalls(t *testing.T, choice openai.ChatCompletionChoice) {
	t.Helper()
	calls := choice.Message.ToolCalls
	if len(calls) != 2 || choice.FinishReason != "tool_calls" {
		t.Fatalf("choice %+v", choice)
	}
	if f := calls[0].Function; calls[0].ID != "call_a" || f.Name != "weather" || f.Arguments != `{"city":"Bonn"}` {
		t.Errorf("first call %+v", calls[0])
	}
	if f := calls[1].Function; calls[1].ID != "call_b" || f.Name != "clock" || f.Arguments != `{"zone":"Europe/Berlin"}` {
		t.Errorf("second call %+v", calls[1])
	}
}

func openaiModels(t *testing.T, h *hub) {
	a := h.account("openai-go models")
	client := h.openaiClient(a.text)
	page, err := client.Models.List(t.Context())
	if err != nil || len(page.Data) != 5 || page.Data[0].ID != modelWords || page.Data[0].Object != "model" {
		t.Errorf("models %+v, %v", page, err)
	}
	if m, err := client.Models.Get(t.Context(), modelTools); err != nil || m.ID != modelTools || m.OwnedBy != "llmhub" {
		t.Errorf("model %+v, %v", m, err)
	}
	_, err = client.Models.Get(t.Context(), "none")
	wantOpenAIError(t, err, http.StatusNotFound, "model_not_found")
	a.wantNothing(t)
}

func wantOpenAIError(t *testing.T, err error, status int, code string) *openai.Error {
	t.Helper()
	var e *openai.Error
	if !errors.As(err, &e) {
		t.Fatalf("%v is no *openai.Error", err)
	}
	if e.StatusCode != status || e.Code != code || e.Type == "" || e.Message == "" {
		t.Errorf("error %d %q %q %q, want %d %q", e.StatusCode, e.Code, e.Type, e.Message, status, code)
	}
	if id := e.Response.Header.Get("X-Request-Id"); id == "" || !strings.Contains(e.RawJSON(), id) {
		t.Errorf("request id %q is not in %s", id, e.RawJSON())
	}
	return e
}

func openaiErrors(t *testing.T, h *hub) {
	a := h.account("openai-go errors")
	client := h.openaiClient(a.text)
	stranger := h.openaiClient("sk-lh-wrong")
	_, err := stranger.Chat.Completions.New(t.Context(), chatParams(a, modelWords))
	wantOpenAIError(t, err, http.StatusUnauthorized, "invalid_api_key")
	_, err = client.Chat.Completions.New(t.Context(), chatParams(a, "none"))
	wantOpenAIError(t, err, http.StatusNotFound, "model_not_found")
	stream := client.Chat.Completions.NewStreaming(t.Context(), chatParams(a, "none"))
	if stream.Next() {
		t.Error("a stream of an unknown model has an event")
	}
	wantOpenAIError(t, stream.Err(), http.StatusNotFound, "model_not_found")
	a.wantNothing(t)

	_, err = client.Chat.Completions.New(t.Context(), chatParams(a, modelBusy))
	e := wantOpenAIError(t, err, http.StatusTooManyRequests, "rate_limit_exceeded")
	if got := e.Response.Header.Get("Retry-After"); got != "7" {
		t.Errorf("Retry-After %q, want 7", got)
	}
	a.settled(t, 0)
}

func openaiAbort(t *testing.T, h *hub) {
	a := h.account("openai-go abort")
	ctx, abort := context.WithCancel(t.Context())
	defer abort()
	client := h.openaiClient(a.text)
	stream := client.Chat.Completions.NewStreaming(ctx, chatParams(a, modelStall))
	for deltas := 0; deltas < 5 && stream.Next(); {
		if stream.Current().Choices[0].Delta.Content != "" {
			deltas++
		}
	}
	abort()
	if stream.Next() || !errors.Is(stream.Err(), context.Canceled) {
		t.Errorf("after the abort: %v", stream.Err())
	}
	wantPartial(t, a, 5)
	h.eventually("the provider still answers", func() bool { return h.provider.Active() == 0 })
}
