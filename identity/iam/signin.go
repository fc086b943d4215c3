package iam

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/tokens"

	"llmhub/identity"
	"llmhub/secret"
)

const (
	maxNameRunes     = 255
	maxPasswordBytes = 4096
	signInCall       = "sign in"
)

var passcodePattern = regexp.MustCompile(`^[0-9]{6,8}$`)

// SignIn asks for a token of the user's domain, and whether the user owns it. It returns ErrPasscodeNeeded only when c has no passcode.
//
// A user who has no role in the domain at all gets from Keystone the answer to a wrong password.
func (c *Client) SignIn(ctx context.Context, cred identity.Credentials) (identity.Account, error) {
	if !sendable(cred) {
		return identity.Account{}, fmt.Errorf("%w: not sent, since they cannot be those of a user", identity.ErrCredentials)
	}
	ctx, cancel := c.bound(ctx)
	defer cancel()
	g, err := c.grant(ctx, &tokens.AuthOptions{
		Username: cred.User, DomainName: cred.Domain, Password: cred.Password.Reveal(), Passcode: cred.Passcode.Reveal(),
		Scope: tokens.Scope{DomainName: cred.Domain},
	})
	if err != nil {
		if !cred.Passcode.IsSet() && wantsPasscode(err) {
			return identity.Account{}, identity.ErrPasscodeNeeded
		}
		return identity.Account{}, failed(ctx, signInCall, err)
	}
	account, err := g.account()
	if err != nil {
		return identity.Account{}, err
	}
	if account.Owner, err = c.owns(ctx, account); err != nil {
		// Nobody will use the token, nor know it.
		_ = c.Revoke(context.WithoutCancel(ctx), account.Token)
		return identity.Account{}, err
	}
	return account, nil
}

// sendable says whether a service could accept the credentials. Others are not worth an attempt, which counts.
func sendable(c identity.Credentials) bool {
	password := c.Password.Reveal()
	return isName(c.Domain) && isName(c.User) && password != "" && len(password) <= maxPasswordBytes && utf8.ValidString(password) &&
		(!c.Passcode.IsSet() || passcodePattern.MatchString(c.Passcode.Reveal()))
}

func isName(s string) bool {
	return s != "" && utf8.ValidString(s) && utf8.RuneCountInString(s) <= maxNameRunes && !strings.ContainsFunc(s, unicode.IsControl)
}

type named struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// granted is what is used of the answer to a request for a token.
type granted struct {
	token     secret.Text
	ExpiresAt time.Time `json:"expires_at"`
	User      struct {
		named
		Domain named `json:"domain"`
	} `json:"user"`
	Domain  named `json:"domain"`
	Project struct {
		named
		Domain named `json:"domain"`
	} `json:"project"`
	Roles []named `json:"roles"`
}

const errSenseless senseless = "the answer is not that of an identity service"

// grant asks for a token. The catalog, which is most of OTC's answer, is left out.
func (c *Client) grant(ctx context.Context, opts *tokens.AuthOptions) (granted, error) {
	scope, err := opts.ToTokenV3ScopeMap()
	if err != nil {
		return granted{}, err
	}
	request, err := opts.ToTokenV3CreateMap(scope)
	if err != nil {
		return granted{}, err
	}
	var r tokens.CreateResult
	s := c.session(secret.Text{})
	resp, err := s.Post(ctx, s.ServiceURL("auth", "tokens")+"?nocatalog=true", request, &r.Body, nil)
	_, r.Header, r.Err = gophercloud.ParseResponse(resp, err)
	var g granted
	if err := r.ExtractInto(&g); err != nil {
		return granted{}, err
	}
	g.token = secret.New(r.Header.Get("X-Subject-Token"))
	if !g.token.IsSet() || g.ExpiresAt.IsZero() {
		return granted{}, errSenseless
	}
	return g, nil
}

// account returns what the token of a sign-in says of its user, who must be one of the domain that the token is for.
func (g granted) account() (identity.Account, error) {
	if g.User.ID == "" || g.Domain.ID == "" || g.User.Domain.ID != g.Domain.ID {
		return identity.Account{}, fmt.Errorf("%w: %s: the token is not one of the user's domain", identity.ErrUnavailable, signInCall)
	}
	return g.owner(), nil
}

// owner returns whose token it is, as far as the token says.
func (g granted) owner() identity.Account {
	a := identity.Account{
		UserID: g.User.ID, UserName: g.User.Name, DomainID: g.User.Domain.ID, DomainName: g.User.Domain.Name,
		Token: g.token, ExpiresAt: g.ExpiresAt,
	}
	// OTC gives many roles the number "0": only names tell them apart.
	for _, r := range g.Roles {
		a.Roles = append(a.Roles, r.Name)
	}
	return a
}

// owns asks whether the user owns the domain. A service that does not know the question, as Keystone (404), or does not
// answer it to this user, makes nobody an owner.
func (c *Client) owns(ctx context.Context, a identity.Account) (bool, error) {
	var answer struct {
		User struct {
			Owner bool `json:"is_domain_owner"`
		} `json:"user"`
	}
	_, err := c.session(a.Token).Get(ctx, c.base+"v3.0/OS-USER/users/"+url.PathEscape(a.UserID), &answer, nil)
	var status gophercloud.ErrUnexpectedResponseCode
	if errors.As(err, &status) && (status.Actual == http.StatusNotFound || rejects(status.Actual)) {
		return false, nil
	}
	if err != nil {
		return false, failed(ctx, "ask for the owner of the domain", err)
	}
	return answer.User.Owner, nil
}
