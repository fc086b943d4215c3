package identity

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"time"
	"unicode"

	"llmhub/fault"
	"llmhub/secret"
	"llmhub/store"
)

const (
	kindSession = "session"
	// cookieBytes is how much of a cookie is random.
	cookieBytes = 32
	// maxSessions bounds the sessions of one user; the oldest ends when there is one more.
	maxSessions = 20
	// maxAgentRunes bounds what is kept of a browser's name.
	maxAgentRunes = 200
)

// Session is a user or an operator who has signed in. What the browser holds is not among it: its hash is the ID.
type Session struct {
	ID   string    `json:"id"`
	Kind ActorKind `json:"kind"`
	// UserID is the ID of the user, or of the operator's account, who has no TenantID.
	UserID    string    `json:"user_id"`
	TenantID  string    `json:"tenant_id,omitempty"`
	CreatedAt time.Time `json:"created_at"`
	// SeenAt is when it was last used, to a minute or so; IdleAt is when it ends without being used again.
	SeenAt time.Time `json:"seen_at"`
	IdleAt time.Time `json:"idle_at"`
	// EndsAt is when it ends in any case.
	EndsAt time.Time `json:"ends_at"`
	// Agent is what the browser calls itself, shortened.
	Agent string `json:"agent,omitempty"`
	// Sealed is the directory's token; empty for operators.
	Sealed []byte `json:"sealed,omitempty"`
}

// over says whether the session has ended by itself.
func (s Session) over(now time.Time) bool { return !now.Before(s.IdleAt) }

// SessionOptions says how long sessions last.
type SessionOptions struct {
	// Idle is how long one lasts unused, Absolute how long in any case; 0 means an hour, and 12 hours.
	Idle, Absolute time.Duration
}

// Sessions keeps sessions. It may be used concurrently.
type Sessions struct {
	documents store.Documents
	sessions  store.Collection[Session]
	sealer    *secret.Sealer
	options   SessionOptions
	now       func() time.Time
	sweeper   sweeper
}

// NewSessions returns the sessions kept in d, with their tokens sealed.
func NewSessions(d store.Documents, sealer *secret.Sealer, o SessionOptions, now func() time.Time) *Sessions {
	if o.Idle <= 0 {
		o.Idle = time.Hour
	}
	if o.Absolute <= 0 {
		o.Absolute = 12 * time.Hour
	}
	return &Sessions{
		documents: d, sealer: sealer, options: o, now: now,
		sessions: store.NewCollection(d, kindSession, func(s Session) map[string]string { return map[string]string{"user": s.UserID} }),
	}
}

// NewSession says whose session to begin.
type NewSession struct {
	Kind             ActorKind
	UserID, TenantID string
	Agent            string
	// VerifiedAt is when it began to be found out who it is; zero means now. A password that is set after it is another one.
	VerifiedAt time.Time
	// Token is the directory's, if there is one; the session ends with it at the latest.
	Token     secret.Text
	TokenEnds time.Time
}

// Begin makes a session and returns what the browser is to send. The oldest sessions of the user beyond 20 end.
func (s *Sessions) Begin(ctx context.Context, n NewSession) (cookie secret.Text, _ Session, err error) {
	cookie, session, _, err := s.begin(ctx, n, nil)
	return cookie, session, err
}

// begin does what Begin does, together with the write that with returns, and returns the sessions that it has ended.
func (s *Sessions) begin(ctx context.Context, n NewSession, with func(Session) (store.Write, error)) (secret.Text, Session, []Session, error) {
	var random [cookieBytes]byte
	_, _ = rand.Read(random[:]) // never fails: it would end the process
	cookie := base64.RawURLEncoding.EncodeToString(random[:])
	session := s.fresh(sessionID(cookie), n)
	var ended []Session
	_, err := store.Change(ctx, s.documents, func() ([]store.Write, error) {
		var w writes
		w.add(s.sessions.Write(session.ID, 0, session))
		if with != nil {
			w.add(with(session))
		}
		surplus, err := s.surplus(ctx, n.UserID)
		if err != nil {
			return nil, err
		}
		ended = ended[:0]
		for _, r := range surplus {
			ended = append(ended, r.Value)
			w.add(store.Write{Kind: kindSession, ID: r.ID, Expect: r.Version, Delete: true}, nil)
		}
		return w.all()
	})
	if err != nil {
		return secret.Text{}, Session{}, nil, err
	}
	return secret.New(cookie), session, ended, nil
}

func (s *Sessions) fresh(id string, n NewSession) Session {
	now := s.now().UTC().Truncate(time.Microsecond)
	v := Session{
		ID: id, Kind: n.Kind, UserID: n.UserID, TenantID: n.TenantID, Agent: shorten(n.Agent, maxAgentRunes),
		CreatedAt: now, EndsAt: now.Add(s.options.Absolute),
	}
	if !n.VerifiedAt.IsZero() {
		v.CreatedAt = n.VerifiedAt.UTC().Truncate(time.Microsecond)
	}
	if n.Token.IsSet() {
		v.Sealed = s.sealer.Seal(id, n.Token)
		if ends := n.TokenEnds.UTC(); ends.Before(v.EndsAt) {
			v.EndsAt = ends
		}
	}
	return s.seen(v, now)
}

// seen returns the session as it is when used now.
func (s *Sessions) seen(v Session, now time.Time) Session {
	v.SeenAt, v.IdleAt = now, now.Add(s.options.Idle)
	if v.EndsAt.Before(v.IdleAt) {
		v.IdleAt = v.EndsAt
	}
	return v
}

// surplus returns the sessions of a user that have ended, and the oldest that have no room beside one more.
func (s *Sessions) surplus(ctx context.Context, userID string) ([]store.Record[Session], error) {
	all, err := s.of(ctx, userID)
	if err != nil {
		return nil, err
	}
	now, live := s.now(), 1
	return slices.DeleteFunc(all, func(r store.Record[Session]) bool {
		if r.Value.over(now) {
			return false
		}
		live++
		return live <= maxSessions
	}), nil
}

// of returns all sessions of a user that are kept, the newest first.
func (s *Sessions) of(ctx context.Context, userID string) ([]store.Record[Session], error) {
	var all []store.Record[Session]
	for r, err := range s.sessions.All(ctx, "user", userID) {
		if err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	slices.SortFunc(all, func(a, b store.Record[Session]) int { return b.Value.CreatedAt.Compare(a.Value.CreatedAt) })
	return all, nil
}

func sessionID(cookie string) string {
	sum := sha256.Sum256([]byte(cookie))
	return "ses_" + hex.EncodeToString(sum[:])
}

// shorten returns a text from outside as it can be kept and shown.
func shorten(s string, maxRunes int) string {
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, ""))
	if runes := []rune(s); len(runes) > maxRunes {
		return string(runes[:maxRunes])
	}
	return s
}

func noSession() *fault.Error {
	return fault.New(fault.NotFound, "", "the session has ended; sign in again")
}

// Find returns the session of a browser, which is then used; a fault of kind NotFound if it has ended or never was. What
// it is seen at is written at most once a minute.
func (s *Sessions) Find(ctx context.Context, cookie string) (Session, error) {
	if base64.RawURLEncoding.DecodedLen(len(cookie)) != cookieBytes {
		return Session{}, noSession()
	}
	var session Session
	_, err := store.Change(ctx, s.documents, func() ([]store.Write, error) {
		r, err := s.live(ctx, sessionID(cookie))
		session = r.Value
		if err != nil {
			return nil, err
		}
		now := s.now().UTC().Truncate(time.Microsecond)
		if now.Sub(session.SeenAt) < min(time.Minute, s.options.Idle/4) {
			return nil, nil
		}
		session = s.seen(session, now)
		w, err := s.sessions.Write(session.ID, r.Version, session)
		return []store.Write{w}, err
	})
	// Enough others have written that it has just been used: that is no reason to refuse it.
	if err != nil && !errors.Is(err, store.ErrConflict) {
		return Session{}, err
	}
	return session, nil
}

// live returns a session that has not ended.
func (s *Sessions) live(ctx context.Context, id string) (store.Record[Session], error) {
	r, err := s.sessions.Get(ctx, id)
	if missing(err) || err == nil && r.Value.over(s.now()) {
		return store.Record[Session]{}, noSession()
	}
	return r, err
}

// Token returns the directory's token of a session, not set if it has none. The error wraps secret.ErrSealed.
func (s *Sessions) Token(v Session) (secret.Text, error) {
	if len(v.Sealed) == 0 {
		return secret.Text{}, nil
	}
	return s.sealer.Open(v.ID, v.Sealed)
}
