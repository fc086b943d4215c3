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
	Errors    []errorRow
	// MayHaveKeys says that the visitor is a customer, or may be one.
	MayHaveKeys bool
}

type errorRow struct{ Status, Codes, Meaning string }

var integrationTemplate = newPage[integrationPage]("integration")

func (w *Web) integrationRoutes() []route {
	return []route{{fiber.MethodGet, "/integration", anyone, w.showIntegration}}
}

// gatewayErrors are the statuses that the gateway answers with, and their codes.
var gatewayErrors = []struct{ status, codes string }{
	{"400", "invalid_request_error"}, {"401", "invalid_api_key, key_deactivated, key_expired"}, {"403", "subscription_cancelled, tenant_suspended"},
	{"404", "model_not_found, unknown_url"}, {"413", "request_too_large"}, {"429", "upstream_quota"},
	{"502", "upstream_unavailable, upstream_invalid, upstream_truncated, upstream_too_large"},
	{"503", "gateway_busy, upstream_busy, shutting_down, usage_not_recorded"}, {"504", "upstream_timeout"}, {"507", "insufficient_storage"},
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
		},
	}
	for _, e := range gatewayErrors {
		p.Errors = append(p.Errors, errorRow{e.status, e.codes, v.t("integration.error." + e.status)})
	}
	return integrationTemplate.render(v, fiber.StatusOK, frame{Title: v.t("integration.title"), Current: "/integration"}, p)
}
