package iamtest

import (
	"crypto/subtle"
	"encoding/json"
	"net/http"
	"slices"
	"time"
)

const (
	// failuresAllowed is how many wrong attempts in a row lock a user out, for lockTime.
	failuresAllowed = 5
	lockTime        = 15 * time.Minute
)

// lock counts the wrong attempts at a user.
type lock struct {
	failures int
	until    time.Time
}

// ref names a domain or a project.
type ref struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// is says whether the reference is to what has this ID and name.
func (r *ref) is(id, name string) bool {
	return r != nil && (r.ID == id || r.ID == "" && r.Name == name)
}

type userRef struct {
	ref
	Domain   *ref   `json:"domain"`
	Password string `json:"password"`
	Passcode string `json:"passcode"`
}

// request is what POST /v3/auth/tokens takes.
type request struct {
	Auth struct {
		Identity struct {
			Methods  []string `json:"methods"`
			Password struct {
				User userRef `json:"user"`
			} `json:"password"`
			TOTP struct {
				User userRef `json:"user"`
			} `json:"totp"`
			Token ref `json:"token"`
		} `json:"identity"`
		Scope struct {
			Domain  *ref `json:"domain"`
			Project *ref `json:"project"`
		} `json:"scope"`
	} `json:"auth"`
}

func (s *Server) create(w http.ResponseWriter, r *http.Request) {
	var req request
	err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20)).Decode(&req)
	methods := req.Auth.Identity.Methods
	if err != nil || len(methods) == 0 {
		refuse(w, http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	t := &token{methods: methods, issuedAt: s.options.Now()}
	t.expiresAt = t.issuedAt.Add(s.options.TokenLife)
	switch {
	case slices.Contains(methods, "token"):
		from := s.live(req.Auth.Identity.Token.ID)
		if from == nil {
			refuse(w, http.StatusNotFound)
			return
		}
		t.subject, t.expiresAt = from.subject, from.expiresAt
	case !s.authenticate(w, &req, t):
		return
	}
	if !t.scope(req.Auth.Scope.Domain, req.Auth.Scope.Project) {
		refuse(w, http.StatusUnauthorized)
		return
	}
	w.Header().Set("X-Subject-Token", s.issue(t))
	answer(w, http.StatusCreated, t.body(s.URL.String(), !r.URL.Query().Has("nocatalog")))
}

// authenticate checks password and passcode and sets the subject of t, or answers.
func (s *Server) authenticate(w http.ResponseWriter, req *request, t *token) bool {
	given := req.Auth.Identity
	who, known := s.find(given.Password.User)
	if !known || s.locked(who) {
		refuse(w, http.StatusUnauthorized)
		return false
	}
	right := slices.Contains(given.Methods, "password") &&
		subtle.ConstantTimeCompare([]byte(given.Password.User.Password), []byte(who.user.Password)) == 1
	withCode := slices.Contains(given.Methods, "totp")
	if withCode {
		device, found := s.find(given.TOTP.User)
		right = right && found && device == who && s.accepts(who, given.TOTP.User.Passcode)
	}
	if !right {
		s.count(who)
		refuse(w, http.StatusUnauthorized)
		return false
	}
	if who.user.Seed != "" && !withCode {
		if !s.options.NoReceipts {
			w.Header().Set("Openstack-Auth-Receipt", s.random(200))
		}
		refuse(w, http.StatusUnauthorized)
		return false
	}
	delete(s.locks, who.userID())
	t.subject = who
	return true
}

// accepts says whether a passcode is that of now or of the step before.
func (s *Server) accepts(who subject, passcode string) bool {
	now := s.options.Now()
	return who.user.Seed != "" && (passcode == Passcode(who.user.Seed, now) || passcode == Passcode(who.user.Seed, now.Add(-step)))
}

func (s *Server) locked(who subject) bool {
	l := s.locks[who.userID()]
	return l != nil && s.options.Now().Before(l.until)
}

// count counts a wrong attempt.
func (s *Server) count(who subject) {
	l := s.locks[who.userID()]
	if l == nil {
		l = &lock{}
		s.locks[who.userID()] = l
	}
	if l.failures++; l.failures == failuresAllowed {
		*l = lock{until: s.options.Now().Add(lockTime)}
	}
}
