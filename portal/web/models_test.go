package web_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"llmhub/portal/gateway"
	"llmhub/portal/web"
)

func TestModels(t *testing.T) {
	now := time.Now()
	f := newFixture(t, func(o *web.Options) {
		o.PublicURL = &url.URL{Scheme: "http", Host: "hub.example"}
		o.Models = func() []gateway.Model {
			return []gateway.Model{
				{Name: "m1", DisplayName: "Model <b>One", Kind: "chat", ContextTokens: 128000, MaxOutputTokens: 8192, Location: "eu-de", Country: "Germany, EU", HostedBy: "own", Licence: "Apache-2.0", LicenceURL: "https://example.com/apache"},
				{Name: "e1", Kind: "embedding", HostedBy: "third-party", EndOfLife: now.AddDate(0, 1, 0)},
				{Name: "old", Kind: "embedding", EndOfLife: now.AddDate(0, -1, 0)},
				{Name: "quote'; rm -rf /", Kind: "completion"},
			}
		}
	})
	b := f.browser()
	b.get("/models").wants(t, http.StatusOK, "4 models", "Context 128,000", "Answer max. 8,192", "Germany, EU", "Run by the operator", "Run by a third party",
		`href="https://example.com/apache"`, "€0.40", "€1.60", "No price set", "Until ", "Ended ", "Model &lt;b&gt;One", `data-copy="#model-m1"`,
		"http://hub.example/v1/chat/completions", "http://hub.example/v1/embeddings", "-rm -rf /&#34;", "&#34;model&#34;: &#34;MODEL&#34;")
	b.get("/models?kind=embedding").wants(t, http.StatusOK, "2 models", "-128,000", "-/v1/chat/completions")
	b.get("/models?kind=nonsense").wants(t, http.StatusOK, "4 models")
	b.lang = "de"
	b.get("/models?kind=chat").wants(t, http.StatusOK, "1 Modell", "Kontext 128.000", "0,40 €")
}

func TestModelsWithoutAny(t *testing.T) {
	f := newFixture(t, func(o *web.Options) { o.Models = func() []gateway.Model { return nil } })
	f.browser().get("/models").wants(t, http.StatusOK, "No model is offered yet", "-<table")
	f.browser().get("/integration").wants(t, http.StatusOK, "&#34;MODEL&#34;")
	f.approve("D1", "owner.one")
	f.signIn("D1", "owner.one").get("/playground").wants(t, http.StatusOK, "There is no model to talk to", "-data-playground")
}

func TestIntegration(t *testing.T) {
	f := newFixture(t, func(o *web.Options) {
		o.PublicURL, o.Links.Documentation = &url.URL{Scheme: "https", Host: "hub.example"}, "https://docs.example/"
	})
	a := f.browser().get("/integration")
	a.wants(t, http.StatusOK, "https://hub.example/v1", "https://docs.example/", "openai-go", "langchain", "stream_options", "LLM_HUB_KEY", "/v1/usage?month=", "key_deactivated", "/audio/speech", "budget_exceeded", "-_HERE", "-⟦")
	for _, target := range []string{"start", "libraries", "endpoints", "streaming", "errors", "limits", "usage", "anthropic-heading", "python-heading", "go-heading"} {
		if !strings.Contains(a.text, `href="#`+target+`"`) || !strings.Contains(a.text, `id="`+target+`"`) {
			t.Errorf("no link to, or no part %s", target)
		}
	}
}

func TestPagesAboutThePortal(t *testing.T) {
	f := newFixture(t, func(o *web.Options) { o.Links.Imprint = "https://operator.example/imprint" })
	for path, texts := range map[string][2]string{
		"/accessibility": {"EN 301 549", "Bekannte Lücken"}, "/privacy": {"neither stored nor logged", "llmhub_session"}, "/terms": {"an estimate before the invoice", "Es gilt die Rechnung"},
	} {
		b := f.browser()
		b.get(path).wants(t, http.StatusOK, "<h2>", texts[0], "has not named a contact")
		b.lang = "de"
		b.get(path).wants(t, http.StatusOK, "<h2>", texts[1])
	}
	if a := f.browser().get("/imprint"); a.status != http.StatusSeeOther || a.location() != "https://operator.example/imprint" {
		t.Errorf("%d to %q", a.status, a.location())
	}
	built := newFixture(t, func(o *web.Options) { o.Links.Contact = "mailto:help@operator.example" })
	built.browser().get("/imprint").wants(t, http.StatusOK, "has not entered an imprint", "mailto:help@operator.example")
}
