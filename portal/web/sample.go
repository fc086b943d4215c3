package web

import (
	"embed"
	"regexp"
	"slices"
	"strings"

	"llmhub/portal/gateway"
)

// sampleFiles are requests to copy. They take the key from the environment: what is copied from here can be kept anywhere.
//
//go:embed samples
var sampleFiles embed.FS

// sample is a text to copy.
type sample struct{ ID, Heading, Text string }

// plainModel is what the name of a model looks like that needs no quoting in any language.
var plainModel = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:/@-]*$`)

// sample returns the sample of a file for a model.
func (w *Web) sample(file, model string) string {
	text, err := sampleFiles.ReadFile("samples/" + file)
	if err != nil {
		panic("no sample " + file) // files are named by this package's source alone
	}
	if !plainModel.MatchString(model) {
		model = "MODEL"
	}
	return strings.NewReplacer("BASE_URL_HERE", w.baseURL(), "PUBLIC_URL_HERE", strings.TrimSuffix(w.PublicURL.String(), "/"), "MODEL_HERE", model).Replace(strings.TrimSpace(string(text)))
}

// chats says whether a model can be talked to; one whose kind is not known is taken for such.
func chats(m gateway.Model) bool { return m.Kind == "" || m.Kind == "chat" }

// firstModel returns the name of the first model of a kind, or empty if there is none.
func firstModel(models []gateway.Model, kind string) string {
	i := slices.IndexFunc(models, func(m gateway.Model) bool { return m.Kind == kind || kind == "chat" && chats(m) })
	if i < 0 {
		return ""
	}
	return models[i].Name
}
