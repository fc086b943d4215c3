package web

import (
	"slices"

	"github.com/gofiber/fiber/v2"
)

// modelsPage is all models with their prices, and how to call each kind of them.
type modelsPage struct {
	Kinds  []tab
	Models priceTable
	// Chosen is how many models there are of the kind that is asked for.
	Chosen  int
	Samples []sample
	BaseURL string
}

var modelsTemplate = newPage[modelsPage]("models")

func (w *Web) modelsRoutes() []route {
	return []route{{fiber.MethodGet, "/models", anyone, w.showModels}}
}

// endpoints are the kinds of models that have an endpoint, with the name of its sample.
var endpoints = []struct{ kind, sample, path string }{
	{"chat", "chat.sh", "/chat/completions"}, {"completion", "completion.sh", "/completions"}, {"embedding", "embedding.sh", "/embeddings"},
}

func (w *Web) showModels(v *visit) error {
	models, kind := w.Models(), v.query("kind")
	counts, kinds := map[string]int64{}, []string{}
	for _, m := range models {
		if counts[m.Kind]++; counts[m.Kind] == 1 && m.Kind != "" {
			kinds = append(kinds, m.Kind)
		}
	}
	if counts[kind] == 0 {
		kind = ""
	}
	p := modelsPage{Kinds: []tab{{withQuery("/models", v.allQuery(), "kind", ""), v.t("models.all"), int64(len(models)), kind == ""}}, BaseURL: w.baseURL()}
	for _, k := range kinds {
		p.Kinds = append(p.Kinds, tab{withQuery("/models", v.allQuery(), "kind", k), v.modelKind(k), counts[k], k == kind})
	}
	for _, m := range models {
		if kind == "" || m.Kind == kind {
			p.Models = append(p.Models, w.modelPrice(v, m))
		}
	}
	p.Chosen = len(p.Models)
	for _, e := range endpoints {
		if slices.Contains(kinds, e.kind) && (kind == "" || kind == e.kind) {
			p.Samples = append(p.Samples, sample{"sample-" + e.kind, v.modelKind(e.kind) + ": POST /v1" + e.path, w.sample(e.sample, firstModel(models, e.kind))})
		}
	}
	return modelsTemplate.render(v, fiber.StatusOK, frame{Title: v.t("models.title"), Current: "/models"}, p)
}
