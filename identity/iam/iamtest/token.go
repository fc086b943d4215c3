package iamtest

import (
	"crypto/rand"
	"encoding/base64"
	"net/http"
	"slices"
	"time"
)

// token is what the service knows of a token.
type token struct {
	subject
	methods             []string
	project             string // empty in the scope of the domain
	issuedAt, expiresAt time.Time
}

// scope puts the token into the scope that was asked for, and says whether the user may.
func (t *token) scope(domain, project *ref) bool {
	if project == nil {
		// Without any scope IAM gives that of the domain.
		return domain == nil || domain.is(t.domainID(), t.domain.Name)
	}
	i := slices.IndexFunc(t.domain.Projects, func(name string) bool { return project.is(t.projectID(name), name) })
	if i < 0 {
		return false
	}
	t.project = t.domain.Projects[i]
	return true
}

// issue makes a token valid and returns it. Like live and sweep it is called with the lock held.
func (s *Server) issue(t *token) string {
	s.sweep()
	id := s.random(s.options.TokenBytes)
	s.tokens[id] = t
	return id
}

// random returns a text of n characters that nobody can guess, in the alphabet of tokens.
func (s *Server) random(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b)
	return base64.RawURLEncoding.EncodeToString(b)[:n]
}

// live returns what a token stands for, or nil.
func (s *Server) live(id string) *token {
	s.sweep()
	return s.tokens[id]
}

// sweep forgets tokens whose time is over.
func (s *Server) sweep() {
	for id, t := range s.tokens {
		if !s.options.Now().Before(t.expiresAt) {
			delete(s.tokens, id)
		}
	}
}

// caller returns whom the request's own token stands for, or answers 401.
func (s *Server) caller(w http.ResponseWriter, r *http.Request) *token {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.live(r.Header.Get("X-Auth-Token"))
	if t == nil {
		refuse(w, http.StatusUnauthorized)
	}
	return t
}

func (s *Server) validate(w http.ResponseWriter, r *http.Request) {
	if s.caller(w, r) == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	id := r.Header.Get("X-Subject-Token")
	t := s.live(id)
	if t == nil {
		refuse(w, http.StatusNotFound)
		return
	}
	w.Header().Set("X-Subject-Token", id)
	answer(w, http.StatusOK, t.body(s.URL.String(), !r.URL.Query().Has("nocatalog")))
}

func (s *Server) revoke(w http.ResponseWriter, r *http.Request) {
	if s.caller(w, r) == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	id := r.Header.Get("X-Subject-Token")
	if s.live(id) == nil {
		refuse(w, http.StatusNotFound)
		return
	}
	delete(s.tokens, id)
	s.revoked = append(s.revoked, id)
	w.WriteHeader(http.StatusNoContent)
}
