package proxy

import (
	"net/url"
	"slices"

	"github.com/valyala/fasthttp"

	"llmhub/proxy/openai"
	"llmhub/proxy/upstream"
)

// azurePaths are the endpoints of Azure OpenAI: no moderations, no reranks, no messages.
var azurePaths = []string{
	"/chat/completions", "/completions", "/embeddings", "/responses", "/images/generations", "/images/edits",
	"/audio/speech", "/audio/transcriptions", "/audio/translations",
}

// azureKind speaks to the v1 API of Azure OpenAI, which is OpenAI's: the model is the name of a deployment there.
type azureKind struct{ openaiKind }

func (azureKind) serves(ep *endpoint) bool { return slices.Contains(azurePaths, ep.path) }

func (azureKind) prefix() string { return "/openai/v1" }

func (k azureKind) request(x *exchange, ctx *fasthttp.RequestCtx, d *Deployment, askUsage bool) (upstream.Request, *openai.Error) {
	out, refusal := k.openaiKind.request(x, ctx, d, askUsage)
	out.Path = k.prefix() + out.Path
	return out, refusal
}

// azureClassic speaks to the API of Azure OpenAI that has versions, and the deployment in its paths. It has no responses.
type azureClassic struct{ openaiKind }

func (azureClassic) serves(ep *endpoint) bool {
	return ep.path != "/responses" && azureKind{}.serves(ep)
}

func (k azureClassic) request(x *exchange, ctx *fasthttp.RequestCtx, d *Deployment, askUsage bool) (upstream.Request, *openai.Error) {
	out, refusal := k.openaiKind.request(x, ctx, d, askUsage)
	out.Path = "/openai/deployments/" + url.PathEscape(d.Model) + out.Path + "?api-version=" + url.QueryEscape(d.APIVersion)
	return out, refusal
}
