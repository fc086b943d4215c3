package iam

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/projects"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/tokens"
	"github.com/gophercloud/gophercloud/v2/pagination"

	"llmhub/identity"
	"llmhub/secret"
)

// maxPages bounds a list of projects whose pages do not come to an end.
const maxPages = 50

const errManyPages senseless = "the list of projects does not end"

// maxTokenBytes bounds a token that is asked about: longer ones fit into no header.
const maxTokenBytes = 128 << 10

var (
	errNoToken = fmt.Errorf("%w: no token or no project is given", identity.ErrCredentials)
	errToken   = fmt.Errorf("%w: not sent, since it cannot be a token", identity.ErrCredentials)
)

// Projects returns the projects that the token's user can use, in the order of the service. A token that is not valid any
// more, and a text that is none, give ErrCredentials.
func (c *Client) Projects(ctx context.Context, token secret.Text) ([]identity.Project, error) {
	if !isToken(token) {
		return nil, errToken
	}
	ctx, cancel := c.bound(ctx)
	defer cancel()
	var all []identity.Project
	pages := 0
	err := projects.ListAvailable(c.session(token)).EachPage(ctx, func(_ context.Context, page pagination.Page) (bool, error) {
		if pages++; pages > maxPages {
			return false, errManyPages
		}
		found, err := projects.ExtractProjects(page)
		for _, p := range found {
			all = append(all, identity.Project{ID: p.ID, Name: p.Name, Enabled: p.Enabled})
		}
		return true, err
	})
	if err != nil {
		return nil, failed(ctx, "list projects", err)
	}
	return all, nil
}

// Rescope returns a token of the project, and until when it holds. A token that is not valid any more and a project that is
// not the user's give ErrCredentials.
func (c *Client) Rescope(ctx context.Context, token secret.Text, projectID string) (secret.Text, time.Time, error) {
	if !token.IsSet() || projectID == "" {
		// Without a project the service would hand out a token of something else.
		return secret.Text{}, time.Time{}, errNoToken
	}
	ctx, cancel := c.bound(ctx)
	defer cancel()
	g, err := c.grant(ctx, &tokens.AuthOptions{TokenID: token.Reveal(), Scope: tokens.Scope{ProjectID: projectID}})
	if err == nil && g.Project.ID != projectID {
		err = errSenseless
	}
	if gophercloud.ResponseCodeIs(err, http.StatusNotFound) {
		// Keystone's answer to a token that it does not know.
		err = fmt.Errorf("%w: exchange a token: status %d", identity.ErrCredentials, http.StatusNotFound)
		return secret.Text{}, time.Time{}, err
	}
	if err != nil {
		return secret.Text{}, time.Time{}, failed(ctx, "exchange a token", err)
	}
	return g.token, g.ExpiresAt, nil
}

// isToken says whether a text can be sent as a token. Tokens come from callers of the API, too, who may give anything.
func isToken(token secret.Text) bool {
	text := token.Reveal()
	return text != "" && len(text) <= maxTokenBytes && !strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' })
}

// Account returns whose token it is. Of a token whose domain is another than its user's, such as that of an agency, nobody's
// rights can be told: it gives ErrCredentials.
func (c *Client) Account(ctx context.Context, token secret.Text) (identity.Account, error) {
	if !isToken(token) {
		return identity.Account{}, errToken
	}
	ctx, cancel := c.bound(ctx)
	defer cancel()
	var r tokens.GetResult
	s := c.session(token)
	resp, err := s.Get(ctx, s.ServiceURL("auth", "tokens")+"?nocatalog=true", &r.Body, &gophercloud.RequestOpts{
		MoreHeaders: map[string]string{"X-Subject-Token": token.Reveal()},
	})
	_, r.Header, r.Err = gophercloud.ParseResponse(resp, err)
	g := granted{token: token}
	err = r.ExtractInto(&g)
	if err == nil && (g.User.ID == "" || g.User.Domain.ID == "" || g.ExpiresAt.IsZero()) {
		err = errSenseless
	}
	switch {
	case gophercloud.ResponseCodeIs(err, http.StatusNotFound):
		return identity.Account{}, fmt.Errorf("%w: ask whose token it is: status %d", identity.ErrCredentials, http.StatusNotFound)
	case err != nil:
		return identity.Account{}, failed(ctx, "ask whose token it is", err)
	}
	for _, scope := range []string{g.Domain.ID, g.Project.Domain.ID} {
		if scope != "" && scope != g.User.Domain.ID {
			return identity.Account{}, fmt.Errorf("%w: the token is not one of the user's domain", identity.ErrCredentials)
		}
	}
	return g.owner(), nil
}

// Revoke ends a token.
func (c *Client) Revoke(ctx context.Context, token secret.Text) error {
	if !token.IsSet() {
		return nil
	}
	ctx, cancel := c.bound(ctx)
	defer cancel()
	err := tokens.Revoke(ctx, c.session(token), token.Reveal()).Err
	if err == nil || gophercloud.ResponseCodeIs(err, http.StatusUnauthorized) || gophercloud.ResponseCodeIs(err, http.StatusNotFound) {
		return nil
	}
	return failed(ctx, "revoke a token", err)
}
