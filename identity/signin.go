package identity

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"time"

	"llmhub/fault"
	"llmhub/secret"
	"llmhub/store"
)

// ErrRoleMissing says that somebody has signed in at the directory, but has not the role that is needed here.
var ErrRoleMissing = errors.New("the user has not the role that is needed to sign in here")

// Limits of what is sent to a directory, in bytes.
const (
	maxNameBytes     = 1024
	maxPassword      = 4096
	maxPasscodeBytes = 16
)

// revokeTimeout bounds how long the end of a session waits for the directory.
const revokeTimeout = 5 * time.Second

// Origin is where somebody signs in from.
type Origin struct {
	// Address is that of the network, Agent what the browser calls itself.
	Address string `json:"address,omitempty"`
	Agent   string `json:"agent,omitempty"`
}

// SignInOptions is what signing in works with.
type SignInOptions struct {
	// Directory knows the customers; without one none can sign in.
	Directory Directory
	Tenants   *Tenants
	Users     *Users
	Sessions  *Sessions
	Operators *Operators
	Throttle  *Throttle
	Audit     *Audit
	// CustomerRole is the name of the role that customers need in their domain; empty if none.
	CustomerRole string
	Now          func() time.Time
	// Logger is told of tokens that could not be revoked; nil means that nobody is.
	Logger *slog.Logger
}

// SignIn begins and ends sessions. It may be used concurrently.
type SignIn struct {
	SignInOptions
}

// NewSignIn returns a SignIn.
func NewSignIn(o SignInOptions) *SignIn {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &SignIn{o}
}

// Customer begins a session for a user of a tenant, both made when they first come. The error wraps ErrCredentials,
// ErrPasscodeNeeded, ErrUnavailable or ErrRoleMissing, or is a fault of kind TooMany. Users of a suspended tenant can sign
// in; they read only.
func (s *SignIn) Customer(ctx context.Context, c Credentials, from Origin) (secret.Text, Session, error) {
	c.Domain, c.User = strings.TrimSpace(c.Domain), strings.TrimSpace(c.User)
	if s.Directory == nil {
		return secret.Text{}, Session{}, ErrUnavailable
	}
	if !sensible(c) {
		return secret.Text{}, Session{}, ErrCredentials
	}
	var account Account
	err := s.attempt("customer\x00"+strings.ToLower(c.Domain+"\x00"+c.User), from.Address, func() (failed bool, err error) {
		account, err = s.Directory.SignIn(ctx, c)
		// A passcode that was given and is asked for again has been guessed wrongly.
		return errors.Is(err, ErrCredentials) || errors.Is(err, ErrPasscodeNeeded) && c.Passcode.IsSet(), err
	})
	if err != nil {
		return secret.Text{}, Session{}, err
	}
	cookie, session, err := s.admit(ctx, account, from)
	if err != nil {
		s.revoke(ctx, account.Token)
	}
	return cookie, session, err
}

// sensible says whether credentials can be right at all, so that nothing endless is sent on.
func sensible(c Credentials) bool {
	return c.Domain != "" && c.User != "" && c.Password.IsSet() && len(c.Domain) <= maxNameBytes && len(c.User) <= maxNameBytes &&
		len(c.Password.Reveal()) <= maxPassword && len(c.Passcode.Reveal()) <= maxPasscodeBytes
}

// attempt lets verify judge what somebody gave, unless that was tried too often. verify says whether it was wrong; other
// errors do not count.
func (s *SignIn) attempt(account, address string, verify func() (failed bool, err error)) error {
	if err := s.Throttle.Check(account, address); err != nil {
		return err
	}
	failed, err := verify()
	switch {
	case err == nil:
		s.Throttle.Succeeded(account, address)
	case failed:
		s.Throttle.Failed(account, address)
	default:
		s.Throttle.Undo(account, address)
	}
	return err
}

// admit begins the session of somebody whom the directory has let in.
func (s *SignIn) admit(ctx context.Context, a Account, from Origin) (secret.Text, Session, error) {
	if s.CustomerRole != "" && !slices.Contains(a.Roles, s.CustomerRole) {
		return secret.Text{}, Session{}, ErrRoleMissing
	}
	user, tenant, err := s.Users.enroll(ctx, a)
	if err != nil {
		return secret.Text{}, Session{}, err
	}
	return s.begin(ctx, user.Actor(tenant), from, NewSession{Token: a.Token, TokenEnds: a.ExpiresAt})
}

// Operator begins a session for an operator. The error wraps ErrCredentials, or is a fault of kind TooMany.
func (s *SignIn) Operator(ctx context.Context, name string, password secret.Text, from Origin) (secret.Text, Session, error) {
	began := s.Now()
	account, err := s.verify(ctx, name, password, from)
	if err != nil {
		return secret.Text{}, Session{}, err
	}
	return s.begin(ctx, account.Actor(), from, NewSession{VerifiedAt: began})
}

// ChangePassword sets another password for an operator who knows the one in force, ends all sessions of the account and
// begins a new one. The error wraps ErrCredentials, or is a fault of kind TooMany, or about the new password.
func (s *SignIn) ChangePassword(ctx context.Context, a OperatorAccount, current, password secret.Text, from Origin) (secret.Text, Session, error) {
	if _, err := s.verify(ctx, a.Name, current, from); err != nil {
		return secret.Text{}, Session{}, err
	}
	a, err := s.Operators.SetPassword(ctx, a.Actor(), a.ID, password)
	if err != nil {
		return secret.Text{}, Session{}, err
	}
	cookie, session, err := s.begin(ctx, a.Actor(), from, NewSession{})
	if err != nil {
		return secret.Text{}, Session{}, err
	}
	_, err = s.OutAll(ctx, a.ID, session.ID)
	return cookie, session, err
}

// verify returns the account of a name and its password, unless that was tried too often.
func (s *SignIn) verify(ctx context.Context, name string, password secret.Text, from Origin) (account OperatorAccount, err error) {
	err = s.attempt("operator\x00"+foldOperatorName(name), from.Address, func() (failed bool, err error) {
		account, err = s.Operators.Verify(ctx, name, password)
		return errors.Is(err, ErrCredentials), err
	})
	return account, err
}

// begin begins and audits a session of the actor, and revokes the tokens of those that had to make room.
func (s *SignIn) begin(ctx context.Context, by Actor, from Origin, n NewSession) (secret.Text, Session, error) {
	from.Address, from.Agent = shorten(from.Address, maxAgentRunes), shorten(from.Agent, maxAgentRunes)
	n.Kind, n.UserID, n.TenantID, n.Agent = by.Kind, by.ID, by.TenantID, from.Agent
	cookie, session, ended, err := s.Sessions.begin(ctx, n, func(v Session) (store.Write, error) {
		return s.Audit.Write(by, Change{At: v.CreatedAt, TenantID: by.TenantID, Action: "session.begin", ObjectID: v.ID}, nil, from)
	})
	if err != nil {
		return secret.Text{}, Session{}, err
	}
	s.revokeAll(ctx, ended)
	return cookie, session, nil
}

// Who is somebody with a session. User and Tenant are those of a customer, Account that of an operator.
type Who struct {
	Actor   Actor
	User    User
	Tenant  Tenant
	Account OperatorAccount
}

// Who returns whose session it is, with the rights of now; a fault of kind NotFound if the session holds no more, since
// the operator's account was disabled or has another password.
func (s *SignIn) Who(ctx context.Context, v Session) (who Who, err error) {
	if v.Kind == Operator {
		if who.Account, err = s.Operators.Get(ctx, v.UserID); err != nil {
			return Who{}, err
		}
		if !who.Account.Holds(v) {
			return Who{}, noSession()
		}
		who.Actor = who.Account.Actor()
		return who, nil
	}
	if who.User, err = s.Users.Get(ctx, v.UserID); err != nil {
		return Who{}, err
	}
	if who.Tenant, err = s.Tenants.Get(ctx, who.User.TenantID); err != nil {
		return Who{}, err
	}
	who.Actor = who.User.Actor(who.Tenant)
	return who, nil
}

// Out ends a session and revokes its token, as far as the directory answers within five seconds. One that has ended
// already is no error.
func (s *SignIn) Out(ctx context.Context, v Session) error {
	ended, err := s.Sessions.End(ctx, v.ID)
	if errors.Is(err, &fault.Error{Kind: fault.NotFound}) {
		return nil
	}
	if err != nil {
		return err
	}
	s.revokeAll(ctx, []Session{ended})
	return nil
}

// OutAll ends all sessions of a user but the one with the ID except, as Out does, and returns how many.
func (s *SignIn) OutAll(ctx context.Context, userID, except string) (int, error) {
	ended, err := s.Sessions.EndAll(ctx, userID, except)
	s.revokeAll(ctx, ended)
	return len(ended), err
}

// Sweep removes a bounded number of sessions that have ended by themselves and revokes their tokens as Out does. It is to
// be called every few minutes.
func (s *SignIn) Sweep(ctx context.Context) error {
	ended, err := s.Sessions.Sweep(ctx)
	s.revokeAll(ctx, ended)
	return err
}
