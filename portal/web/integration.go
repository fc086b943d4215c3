package web

import "github.com/gofiber/fiber/v2"

// integrationPage tells how applications use the gateway.
type integrationPage struct {
	BaseURL string
	// Own is the operator's documentation; empty if there is none.
	Own                         string
	Environment, Models, Stream sample
	StreamPython, Usage, Error  sample
	// Libraries are the samples by language.
	Libraries []sample
	Endpoints []endpointRow
	Errors    []errorRow
	// MayHaveKeys says that the visitor is a customer, or may be one.
	MayHaveKeys bool
}

type endpointRow struct{ Paths, Meaning string }

type errorRow struct{ Status, Codes, Meaning string }

var integrationTemplate = newPage[integrationPage]("integration")

func (w *Web) integrationRoutes() []route {
	return []route{{fiber.MethodGet, "/integration", anyone, w.showIntegration}}
}

// gatewayEndpoints are the addresses that a model may have, behind the base URL, by the name of their text.
var gatewayEndpoints = []struct{ name, paths string }{
	{"chat", "POST /chat/completions, /completions"}, {"embeddings", "POST /embeddings"}, {"responses", "POST /responses"},
	{"stored", "GET, DELETE /responses/{id}"}, {"messages", "POST /messages, /messages/count_tokens"},
	{"images", "POST /images/generations, /images/edits, /images/variations"}, {"speech", "POST /audio/speech"},
	{"transcriptions", "POST /audio/transcriptions, /audio/translations"}, {"realtime", "GET /realtime?model=…"},
	{"moderations", "POST /moderations"}, {"rerank", "POST /rerank"}, {"models", "GET /models"},
}

// gatewayErrors are the statuses that the gateway answers with, and their codes, by the name of their text.
var gatewayErrors = []struct{ name, status, codes string }{
	{"400", "400", "invalid_request_error"}, {"401", "401", "invalid_api_key, key_deactivated, key_expired"},
	{"403", "403", "subscription_cancelled, tenant_suspended"}, {"price", "403", "price_unknown"},
	{"404", "404", "model_not_found, unknown_url"}, {"endpoint", "404", "endpoint_not_supported"}, {"405", "405", "method_not_allowed"},
	{"409", "409", "idempotency_answer_gone, idempotency_request_failed"}, {"413", "413", "request_too_large"},
	{"415", "415", "invalid_request_error"}, {"422", "422", "idempotency_key_reused"},
	{"rate", "429", "rate_limit_exceeded"}, {"budget", "429", "budget_exceeded"}, {"429", "429", "upstream_quota"},
	{"502", "502", "upstream_unavailable, upstream_invalid, upstream_truncated, upstream_too_large"},
	{"503", "503", "gateway_busy, upstream_busy, upstream_drained, shutting_down, usage_not_recorded, budget_unknown"},
	{"504", "504", "upstream_timeout"}, {"507", "507", "insufficient_storage"},
}

func (w *Web) showIntegration(v *visit) error {
	model := firstModel(w.Models(), "chat")
	of := func(id, heading, file string) sample { return sample{id, heading, w.sample(file, model)} }
	p := integrationPage{
		BaseURL: w.baseURL(), Own: w.Links.Documentation, MayHaveKeys: !v.IsOperator(),
		Environment:  of("environment-sample", v.t("integration.environment"), "environment.sh"),
		Models:       of("models-sample", v.t("integration.models"), "models.sh"),
		Stream:       of("stream-curl", v.t("integration.streaming")+": curl", "stream.sh"),
		StreamPython: of("stream-python", v.t("integration.streaming")+": Python", "stream.py"),
		Usage:        of("usage-sample", v.t("integration.usage")+": curl", "usage.sh"),
		Error:        of("error-sample", v.t("integration.errors")+": JSON", "error.json"),
		Libraries: []sample{
			of("curl", "curl", "chat.sh"), of("python", "Python (openai)", "openai.py"), of("javascript", "JavaScript (openai)", "openai.mjs"),
			of("go", "Go (openai-go)", "openai.go.txt"), of("langchain", "LangChain", "langchain.py"),
			of("anthropic", "Python (anthropic)", "anthropic.py"),
		},
	}
	for _, e := range gatewayEndpoints {
		p.Endpoints = append(p.Endpoints, endpointRow{e.paths, v.t("integration.endpoint." + e.name)})
	}
	for _, e := range gatewayErrors {
		p.Errors = append(p.Errors, errorRow{e.status, e.codes, v.t("integration.error." + e.name)})
	}
	return integrationTemplate.render(v, fiber.StatusOK, frame{Title: v.t("integration.title"), Current: "/integration"}, p)
}
