// Package iamtest is a simulated OTC IAM: what llmhub asks of the identity service, answered in the shapes that OTC
// documents. It serves the demo and tests.
//
// It protects nothing: its users' passwords are in its source, and everything is in memory.
package iamtest

import (
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"
)

// Options say who there is and how the service behaves. The zero Options give the people of the demo.
type Options struct {
	// Domains are the tenants; nil means People().
	Domains []Domain
	// Now is the clock of tokens, passcodes and lock-outs; nil means time.Now.
	Now func() time.Time
	// TokenBytes is the length of tokens; zero means 4096, since OTC's have kilobytes.
	TokenBytes int
	// TokenLife is how long tokens hold; zero means 24 hours.
	TokenLife time.Duration
	// NoReceipts answers a missing passcode as OTC documents it, like a wrong password, and not with Keystone's receipt.
	NoReceipts bool
}

// Server is a running service. Its methods may be called concurrently.
type Server struct {
	// URL is the address, without /v3.
	URL *url.URL

	options Options
	http    *http.Server
	served  chan struct{}

	mu       sync.Mutex
	tokens   map[string]*token
	locks    map[string]*lock // by the user's ID
	revoked  []string
	requests int
	status   int
	delay    time.Duration
}

// Start starts a service on a free port of loopback.
func Start(o Options) (*Server, error) {
	if o.Domains == nil {
		o.Domains = People()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.TokenBytes == 0 {
		o.TokenBytes = 4096
	}
	if o.TokenLife == 0 {
		o.TokenLife = 24 * time.Hour
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &Server{
		URL: &url.URL{Scheme: "http", Host: l.Addr().String()}, options: o, served: make(chan struct{}),
		tokens: map[string]*token{}, locks: map[string]*lock{},
	}
	s.http = &http.Server{Handler: s.knobs(s.routes()), ReadHeaderTimeout: 10 * time.Second, MaxHeaderBytes: 1 << 20}
	go func() {
		defer close(s.served)
		_ = s.http.Serve(l)
	}()
	return s, nil
}

// Close ends the service; connections are refused from then on.
func (s *Server) Close() {
	_ = s.http.Close()
	<-s.served
}

// Fail makes the service answer everything with a status, until it is called with zero.
func (s *Server) Fail(status int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status = status
}

// Slow makes each answer wait, as long as its client does.
func (s *Server) Slow(delay time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.delay = delay
}

// Expire ends the time of all tokens, as if their life were over.
func (s *Server) Expire() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.tokens)
}

// Requests returns how many requests have come.
func (s *Server) Requests() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.requests
}

// LiveTokens returns how many tokens are valid.
func (s *Server) LiveTokens() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sweep()
	return len(s.tokens)
}

// Revoked returns the tokens that clients have ended, in order.
func (s *Server) Revoked() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.revoked...)
}

// knobs does what Fail and Slow say.
func (s *Server) knobs(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.requests++
		status, delay := s.status, s.delay
		s.mu.Unlock()
		if delay > 0 {
			wait := time.NewTimer(delay)
			defer wait.Stop()
			select {
			case <-wait.C:
			case <-r.Context().Done():
				return
			}
		}
		if status != 0 {
			refuse(w, status)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v3/auth/tokens", s.create)
	mux.HandleFunc("GET /v3/auth/tokens", s.validate) // and HEAD
	mux.HandleFunc("DELETE /v3/auth/tokens", s.revoke)
	mux.HandleFunc("GET /v3/auth/projects", s.listProjects)
	mux.HandleFunc("GET /v3/auth/domains", s.listDomains)
	mux.HandleFunc("GET /v3.0/OS-USER/users/{id}", s.showUser)
	return mux
}
