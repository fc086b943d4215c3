package ccetest

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// caller is whom a token stands for.
type caller struct {
	name    string
	project string
	admin   bool
}

// caller asks the identity service about a token, nil if it does not hold. Without an answer of the identity service, because the
// request has been broken off meanwhile or because there is none, this has none either: that a token does not hold is something else.
func (s *Server) caller(r *http.Request, token string) *caller {
	s.mu.Lock()
	expired := s.expired[token]
	s.mu.Unlock()
	if token == "" || expired {
		return nil
	}
	req, err := http.NewRequestWithContext(r.Context(), http.MethodGet, s.identity+"/v3/auth/tokens?nocatalog=true", nil)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	req.Header.Set("X-Auth-Token", token)
	req.Header.Set("X-Subject-Token", token)
	resp, err := s.ask.Do(req)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusUnauthorized || resp.StatusCode == http.StatusNotFound {
		return nil
	}
	var about struct {
		Token struct {
			User    struct{ Name string }
			Project struct{ ID string }
			Roles   []struct{ Name string }
		}
	}
	if resp.StatusCode != http.StatusOK || json.NewDecoder(io.LimitReader(resp.Body, 1<<20)).Decode(&about) != nil {
		panic(http.ErrAbortHandler)
	}
	s.mu.Lock()
	s.used[token] = true
	s.mu.Unlock()
	c := &caller{name: about.Token.User.Name, project: about.Token.Project.ID}
	c.admin = slices.ContainsFunc(about.Token.Roles, func(r struct{ Name string }) bool { return r.Name == "te_admin" })
	return c
}

// pass passes a request on to the control plane.
func (s *Server) pass(w http.ResponseWriter, r *http.Request) {
	token, bearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !bearer {
		token = r.Header.Get("X-Auth-Token")
	}
	who := s.caller(r, token)
	c, ok := s.find("", r.PathValue("cluster"))
	switch {
	case who == nil:
		refuse(w, http.StatusUnauthorized, "APIG.0301", "Incorrect IAM authentication information.")
	case !ok:
		refuse(w, http.StatusNotFound, "APIG.0101", "The API does not exist.")
	case c.ProjectID != who.project:
		refuse(w, http.StatusForbidden, "APIG.0302", "The IAM user is not authorized to access the API.")
	case c.Phase != Available || s.plane == nil:
		refuse(w, http.StatusServiceUnavailable, "APIG.0201", "Backend unavailable.")
	default:
		s.proxy.ServeHTTP(w, who.request(r))
		// A control plane that is left ends its answer properly, which may be read yet; for the client it is broken off.
		if r.Context().Err() != nil {
			panic(http.ErrAbortHandler)
		}
	}
}

// request returns a request for the control plane: below the cluster's own path, and in the name of the caller.
func (c *caller) request(r *http.Request) *http.Request {
	out := r.Clone(r.Context())
	prefix := "/k8s/" + r.PathValue("cluster")
	out.URL = &url.URL{Path: strings.TrimPrefix(r.URL.Path, prefix), RawPath: strings.TrimPrefix(r.URL.RawPath, prefix), RawQuery: r.URL.RawQuery}
	for h := range out.Header {
		if strings.HasPrefix(h, "Impersonate-") {
			delete(out.Header, h)
		}
	}
	if !c.admin {
		out.Header.Set("Impersonate-User", c.name)
		out.Header.Set("Impersonate-Group", "system:authenticated")
	}
	return out
}
