package portal

import (
	"encoding/json"
	"net/http"
	"strings"

	"llmhub/portal/openapi"
)

// apiVersion is that of the API, not of the program.
const apiVersion = "1.0.0"

const documentText = `Everything the portal does, for programs. Customers see and change what belongs to their own tenant, as far as
their rights go; what belongs to another tenant does not exist for them. Lists are given in pages: next leads to the page behind.
Amounts are exact decimals. Times are in UTC; days and months are those of the billing time zone.`

// The ways to say who asks.
const (
	schemeAdmin    = "administratorToken"
	schemePersonal = "personalToken"
	schemeSession  = "session"
)

var schemes = map[string]openapi.SecurityScheme{
	schemeAdmin:    {Type: "http", Scheme: "bearer", Description: "The administrator's token, as the server is configured with it."},
	schemePersonal: {Type: "http", Scheme: "bearer", Description: "A personal token of a tenant's user, made in the portal: lhp_…"},
	schemeSession: {Type: "apiKey", In: "cookie", Name: "llmhub_session",
		Description: "The session of the portal, of a customer or an operator; under https the cookie is called __Host-llmhub_session. What changes something needs the header " + csrfHeader + ", too."},
}

// describe returns the document of the endpoints.
func describe(endpoints []endpoint) []byte {
	operations := make([]openapi.Operation, len(endpoints))
	for i, e := range endpoints {
		operations[i] = e.described()
	}
	return openapi.Document(openapi.Info{
		Title: "llmhub portal", Version: apiVersion, Description: strings.ReplaceAll(documentText, "\n", " "), Server: basePath,
		Error: errorBody{}, Schemes: schemes,
	}, operations)
}

// described adds what follows from for whom the endpoint is and what it takes.
func (e endpoint) described() openapi.Operation {
	o := e.Operation
	switch e.audience {
	case everyone, operators:
		o.Security = []string{schemeAdmin, schemePersonal, schemeSession}
		if e.audience == operators {
			o.Security = []string{schemeAdmin, schemeSession}
		}
	case administrators:
		o.Security = []string{schemeAdmin}
	case inSession:
		o.Security = []string{schemeSession}
	}
	o.Errors = []int{http.StatusBadRequest}
	if len(o.Security) > 0 {
		o.Errors = append(o.Errors, http.StatusUnauthorized, http.StatusForbidden, http.StatusTooManyRequests)
	}
	if strings.Contains(o.Path, "{") || len(o.Query) > 0 || o.Body != nil {
		o.Errors = append(o.Errors, http.StatusNotFound, http.StatusUnprocessableEntity)
	}
	if o.Method != http.MethodGet {
		o.Errors = append(o.Errors, http.StatusConflict, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType)
		if e.audience != administrators {
			o.Headers = []openapi.Parameter{{Name: csrfHeader, Description: "The csrf_token of GET /me; needed with a session."}}
		}
	}
	if e.deploys {
		o.Headers = append(o.Headers, openapi.Parameter{Name: tokenHeader, Description: "A token of the identity service (IAM), as its own APIs take it, of at most 32 KiB; " +
			"needed for clusters of the cloud. A session of the portal has one of its own. Without it only clusters that the operator has configured can be used."})
		o.Errors = append(o.Errors, http.StatusConflict, http.StatusUnprocessableEntity, http.StatusBadGateway)
	}
	return o
}

func (p *Portal) getDocument(*request) (json.RawMessage, error) { return p.document, nil }
