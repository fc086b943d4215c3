package portal

import (
	"reflect"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"llmhub/fault"
	"llmhub/identity"
	"llmhub/portal/openapi"
)

// audience says for whom an endpoint is. What each of them may do with it is up to the domain.
type audience int

const (
	// everyone with a token or a session.
	everyone audience = iota
	// anyone: it is not asked who.
	anyone
	operators
	// administrators come with the administrator's token.
	administrators
	// inSession: a tenant's user with a session of the portal; no token is enough.
	inSession
)

// endpoint is one method of one path. The Go types that it takes and answers with are those of its description, so that
// the two cannot differ.
type endpoint struct {
	openapi.Operation
	audience audience
	// deploys says that it is about deployments: it can take a token of the directory, and waits for clusters.
	deploys bool
	// bodyBytes bounds the body where it may be larger than others.
	bodyBytes int
	// serve returns the answer.
	serve func(r *request) (any, error)
}

// get is an endpoint that shows something.
func get[Out any](path, id, summary string, h func(*request) (Out, error)) endpoint {
	return act(fiber.MethodGet, path, id, summary, fiber.StatusOK, h)
}

// act is an endpoint that takes no body.
func act[Out any](method, path, id, summary string, status int, h func(*request) (Out, error)) endpoint {
	return endpoint{
		Operation: openapi.Operation{
			Method: method, Path: path, ID: id, Tag: strings.Split(path, "/")[1], Summary: summary,
			Answer: reflect.TypeFor[Out](), Status: status,
		},
		serve: func(r *request) (any, error) {
			if err := noBody(r.c); err != nil {
				return nil, err
			}
			return h(r)
		},
	}
}

// send is an endpoint that takes a body.
func send[In, Out any](method, path, id, summary string, status int, h func(*request, In) (Out, error)) endpoint {
	e := act[Out](method, path, id, summary, status, nil)
	e.Body = reflect.TypeFor[In]()
	e.serve = func(r *request) (any, error) {
		var in In
		if len(r.c.BodyRaw()) > 0 || !r.endpoint.BodyOptional {
			if err := decode(r.c, &in, max(maxBodyBytes, r.endpoint.bodyBytes)); err != nil {
				return nil, err
			}
		}
		return h(r, in)
	}
	return e
}

// takes adds parameters of the query; all others are refused.
func (e endpoint) takes(query ...openapi.Parameter) endpoint {
	e.Query = query
	return e
}

// forAudience restricts who may ask.
func (e endpoint) forAudience(a audience) endpoint {
	e.audience = a
	return e
}

// mayLackBody says that the body may be left out.
func (e endpoint) mayLackBody() endpoint {
	e.BodyOptional = true
	return e
}

// forDeployments says that the endpoint is about deployments.
func (e endpoint) forDeployments() endpoint {
	e.deploys = true
	return e
}

// withBodyUpTo says that the body may be larger than others.
func (e endpoint) withBodyUpTo(bytes int) endpoint {
	e.bodyBytes = bytes
	return e
}

// says adds a description.
func (e endpoint) says(text string) endpoint {
	e.Description = text
	return e
}

// timeout is what one request may take inside.
func (e *endpoint) timeout() time.Duration {
	if e.deploys {
		return clusterTimeout
	}
	return requestTimeout
}

// admit returns nil if the endpoint is for who asks.
func (e *endpoint) admit(r *request) error {
	switch e.audience {
	case operators:
		return r.by.RequireOperator()
	case administrators:
		if r.by.ID != identity.AdminToken {
			return fault.New(fault.Forbidden, "", "this needs the administrator's token")
		}
	case inSession:
		if !r.session || r.by.Kind != identity.Customer {
			return fault.New(fault.Forbidden, "", "this needs a session of a tenant's user; a token is not enough")
		}
	}
	return nil
}
