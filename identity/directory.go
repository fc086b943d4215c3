package identity

import (
	"context"
	"errors"
	"time"

	"llmhub/secret"
)

// Why a directory does not sign somebody in, tested with errors.Is.
var (
	// ErrCredentials: domain, user, password or passcode are not right; which of them is not told.
	ErrCredentials = errors.New("domain name, user name or password are not right")
	// ErrPasscodeNeeded: the password is right as far as known, and a passcode is needed beside it.
	ErrPasscodeNeeded = errors.New("a passcode is needed")
	// ErrUnavailable: the directory cannot be reached or cannot answer.
	ErrUnavailable = errors.New("the identity service cannot be reached")
)

// Credentials are what a user of a tenant signs in with.
type Credentials struct {
	Domain   string
	User     string
	Password secret.Text
	// Passcode is the six digits of a second factor; empty without one.
	Passcode secret.Text
}

// Account is what a directory says of a user who has signed in.
type Account struct {
	UserID, UserName     string
	DomainID, DomainName string
	// Roles are the names of the roles that the user has in the domain.
	Roles []string
	// Owner says that the user is the one account that owns the domain.
	Owner bool
	// Token speaks for the user at the directory until ExpiresAt.
	Token     secret.Text
	ExpiresAt time.Time
}

// Project is a part of a tenant's domain that holds resources.
type Project struct {
	ID, Name string
	Enabled  bool
}

// Directory is where the users of tenants are known: OTC IAM. Methods may be called concurrently and are bounded in time
// by the implementation.
type Directory interface {
	// SignIn returns the account, or an error that wraps one of the three above.
	SignIn(ctx context.Context, c Credentials) (Account, error)
	// Projects returns the projects that the token's user can use.
	Projects(ctx context.Context, token secret.Text) ([]Project, error)
	// Rescope exchanges a token for one of a project, and says until when it holds.
	Rescope(ctx context.Context, token secret.Text, projectID string) (secret.Text, time.Time, error)
	// Account returns whose token it is: user and domain, and the roles that hold where the token does, which is a domain or a
	// project of it. Owner is not asked for. A token that is not valid gives ErrCredentials.
	Account(ctx context.Context, token secret.Text) (Account, error)
	// Revoke ends a token. A token that is not valid any more is no error.
	Revoke(ctx context.Context, token secret.Text) error
}
