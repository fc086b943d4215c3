package iam_test

import (
	"net/url"
	"testing"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/credentials"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/domains"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/projects"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/roles"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/tokens"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/users"

	"llmhub/identity/iam/iamtest"
)

// settler makes domains, users, projects and roles at a Keystone, as its administrator.
type settler struct {
	*testing.T
	client *gophercloud.ServiceClient
	roles  map[string]string // IDs by name
}

// populate makes all that the domains hold.
func populate(t *testing.T, address *url.URL, all []iamtest.Domain) {
	t.Helper()
	s := settler{T: t, roles: map[string]string{}, client: &gophercloud.ServiceClient{
		ProviderClient: &gophercloud.ProviderClient{}, Endpoint: address.String() + "/v3/",
	}}
	s.client.HTTPClient.Timeout = patience
	token, err := tokens.Create(t.Context(), s.client, &tokens.AuthOptions{
		Username: "admin", Password: "adminpw", DomainID: "default", Scope: tokens.Scope{System: true},
	}).ExtractTokenID()
	s.must(err)
	s.client.SetToken(token)
	for _, d := range all {
		s.domain(d)
	}
}

func (s settler) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

func (s settler) domain(d iamtest.Domain) {
	made, err := domains.Create(s.Context(), s.client, domains.CreateOpts{Name: d.Name}).Extract()
	s.must(err)
	var inside []string
	for _, name := range d.Projects {
		p, err := projects.Create(s.Context(), s.client, projects.CreateOpts{Name: name, DomainID: made.ID}).Extract()
		s.must(err)
		inside = append(inside, p.ID)
	}
	for _, u := range d.Users {
		s.user(u, made.ID, inside)
	}
}

// user makes a user with the roles in the domain and in its projects, as OTC gives them for all resources.
func (s settler) user(u iamtest.User, domain string, inside []string) {
	opts := users.CreateOpts{Name: u.Name, Password: u.Password, DomainID: domain}
	if u.Seed != "" {
		opts.Options = map[users.Option]any{
			users.MultiFactorAuthEnabled: true,
			users.MultiFactorAuthRules:   [][]string{{"password", "totp"}},
		}
	}
	made, err := users.Create(s.Context(), s.client, opts).Extract()
	s.must(err)
	if u.Seed != "" {
		s.must(credentials.Create(s.Context(), s.client, credentials.CreateOpts{Type: "totp", UserID: made.ID, Blob: u.DeviceKey()}).Err)
	}
	for _, name := range u.Roles {
		role := s.role(name)
		s.must(roles.Assign(s.Context(), s.client, role, roles.AssignOpts{UserID: made.ID, DomainID: domain}).Err)
		for _, p := range inside {
			s.must(roles.Assign(s.Context(), s.client, role, roles.AssignOpts{UserID: made.ID, ProjectID: p}).Err)
		}
	}
}

// role returns the ID of a role, which it makes at the first time.
func (s settler) role(name string) string {
	if s.roles[name] == "" {
		made, err := roles.Create(s.Context(), s.client, roles.CreateOpts{Name: name}).Extract()
		s.must(err)
		s.roles[name] = made.ID
	}
	return s.roles[name]
}
