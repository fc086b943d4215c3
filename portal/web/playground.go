package web

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/gofiber/fiber/v2"

	"llmhub/portal/gateway"
)

const (
	// maxPlaygroundKey bounds a key in bytes.
	maxPlaygroundKey = 200
	// maxPlaygroundPrompt bounds a prompt in characters: as a form, in whatever script, it is not larger than maxFormBytes.
	maxPlaygroundPrompt = 7_000
	// playgroundTimeout bounds how long an answer may take.
	playgroundTimeout = 3 * time.Minute
)

// playgroundPage sends one prompt to a model with a key that is typed in. The key is nowhere kept: not here, not in the
// browser, and it is not part of the page that answers.
type playgroundPage struct {
	Key         field
	Models      []choice
	ModelFault  string
	Prompt      string
	PromptFault string
	MaxPrompt   int
	Problems    []link
	// Answer is what the model AnsweredBy has said, GatewayFault why there is none.
	Answer, AnsweredBy string
	GatewayFault       string
}

var playgroundTemplate = newPage[playgroundPage]("playground")

func (w *Web) playgroundRoutes() []route {
	return []route{
		{fiber.MethodGet, "/playground", customers, w.showPlayground},
		{fiber.MethodPost, "/playground", customers, w.askPlayground},
	}
}

func (w *Web) showPlayground(v *visit) error {
	return w.answerPlayground(v, fiber.StatusOK, w.newPlayground(v, v.query("model"), "", nil))
}

func (w *Web) newPlayground(v *visit, model, prompt string, faults map[string]string) playgroundPage {
	p := playgroundPage{
		Key: field{
			Name: "key", Label: v.t("playground.key"), Type: "password", Hint: v.t("playground.key.hint"), Required: true, Autocomplete: "off",
			MaxLength: maxPlaygroundKey, Error: faults["key"],
		},
		Prompt: prompt, MaxPrompt: maxPlaygroundPrompt, ModelFault: faults["model"], PromptFault: faults["prompt"],
	}
	for _, m := range w.Models() {
		if chats(m) {
			p.Models = append(p.Models, choice{m.Name, m.Name, m.Name == model})
		}
	}
	p.Problems = summary(faults, p.Key, field{Name: "model", Label: v.t("models.model"), Error: p.ModelFault}, field{Name: "prompt", Label: v.t("playground.prompt"), Error: p.PromptFault})
	return p
}

func (w *Web) answerPlayground(v *visit, status int, p playgroundPage) error {
	return playgroundTemplate.render(v, status, frame{Title: v.t("playground.title"), Current: "/playground", Narrow: true}, p)
}

// askPlayground answers browsers that do without JavaScript; others ask the gateway by themselves.
func (w *Web) askPlayground(v *visit) error {
	key, model, prompt := strings.TrimSpace(v.value("key")), v.value("model"), v.value("prompt")
	if faults := w.checkPlayground(v, key, model, prompt); len(faults) > 0 {
		return w.answerPlayground(v, fiber.StatusUnprocessableEntity, w.newPlayground(v, model, prompt, faults))
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(v.ctx), playgroundTimeout)
	defer cancel()
	answer, err := w.Chat(ctx, key, model, prompt)
	p := w.newPlayground(v, model, prompt, nil)
	if err == nil {
		p.Answer, p.AnsweredBy = answer, model
		return w.answerPlayground(v, fiber.StatusOK, p)
	}
	var said *ChatError
	if errors.As(err, &said) {
		p.GatewayFault = said.Message
		return w.answerPlayground(v, fiber.StatusUnprocessableEntity, p)
	}
	w.Logger.Warn("playground: no answer", slog.String("request_id", v.id), slog.Any("error", err))
	p.GatewayFault = v.t("playground.unreachable")
	return w.answerPlayground(v, fiber.StatusBadGateway, p)
}

// checkPlayground returns what is wrong with what was typed in, by field.
func (w *Web) checkPlayground(v *visit, key, model, prompt string) map[string]string {
	faults := map[string]string{}
	switch {
	case key == "":
		faults["key"] = v.t("playground.key.missing")
	case len(key) > maxPlaygroundKey:
		faults["key"] = v.t("playground.key.wrong")
	}
	if !slices.ContainsFunc(w.Models(), func(m gateway.Model) bool { return m.Name == model && chats(m) }) {
		faults["model"] = v.t("playground.model.missing")
	}
	switch {
	case strings.TrimSpace(prompt) == "":
		faults["prompt"] = v.t("playground.prompt.missing")
	case utf8.RuneCountInString(prompt) > maxPlaygroundPrompt:
		faults["prompt"] = v.t("playground.prompt.long", "Most", maxPlaygroundPrompt)
	}
	return faults
}
