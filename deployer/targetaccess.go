package deployer

import (
	"context"
	"errors"
	"slices"

	"llmhub/fault"
	"llmhub/identity"
	"llmhub/secret"
)

// cloud says whether there is one: without it, only configured clusters can be used.
func (s *Service) cloud() bool { return s.o.Directory != nil && s.o.Source != nil }

// access returns what the cluster of a target is reached with, for somebody who acts for the tenant with a credential. The
// error is a *Reason, or a fault if the credential is another tenant's.
func (s *Service) access(ctx context.Context, tenantID string, cred Credential, t Target) (Access, error) {
	if t.ProjectID == ConfiguredProject {
		return s.configuredAccess(ctx, tenantID, t.ClusterID)
	}
	project, token, err := s.project(ctx, tenantID, cred, t.ProjectID)
	if err != nil {
		return Access{}, err
	}
	t.ProjectName = project.Name
	a, err := s.accessBy(ctx, tenantID, token, t)
	return a, s.ended(cred.Token, t.ProjectID, err)
}

// accessBy does what access does with a token of the project, as an operation has one.
func (s *Service) accessBy(ctx context.Context, tenantID string, token secret.Text, t Target) (Access, error) {
	switch {
	case t.ProjectID == ConfiguredProject:
		return s.configuredAccess(ctx, tenantID, t.ClusterID)
	case !s.cloud():
		return Access{}, &Reason{Code: ClusterGone, Detail: "no cloud is configured"}
	case !token.IsSet():
		return Access{}, &Reason{Code: AccessEnded}
	}
	return s.o.Source.Access(ctx, identity.Project{ID: t.ProjectID, Name: t.ProjectName, Enabled: true}, t.ClusterID, token)
}

// configured returns the clusters that the operator has configured for a tenant.
func (s *Service) configured(ctx context.Context, tenantID string) ([]ConfiguredCluster, error) {
	if len(s.o.Configured) == 0 {
		return nil, nil
	}
	tenant, err := s.o.Tenants.Get(ctx, tenantID)
	if err != nil {
		return nil, err
	}
	var own []ConfiguredCluster
	for _, c := range s.o.Configured {
		if c.TenantID != "" && c.TenantID == tenant.ID || c.Domain != "" && c.Domain == tenant.Domain {
			own = append(own, c)
		}
	}
	return own, nil
}

func (s *Service) configuredAccess(ctx context.Context, tenantID, clusterID string) (Access, error) {
	own, err := s.configured(ctx, tenantID)
	if err != nil {
		return Access{}, err
	}
	for _, c := range own {
		if c.Name == clusterID {
			return c.Access, nil
		}
	}
	return Access{}, &Reason{Code: ClusterGone, Detail: "the cluster is not configured for the tenant"}
}

// vouch insists that a credential is that of a user of the tenant's domain: who comes with an API token could bring anybody's.
// It is asked again at most every few minutes.
func (s *Service) vouch(ctx context.Context, tenantID string, cred Credential) error {
	switch {
	case !s.cloud():
		return &Reason{Code: ClusterGone, Detail: "no cloud is configured"}
	case !cred.Token.IsSet():
		return &Reason{Code: AccessEnded, Detail: "there is no token of the identity service"}
	case s.tokens.vouched(tenantID, cred.Token):
		return nil
	}
	account, err := s.o.Directory.Account(ctx, cred.Token)
	if err != nil {
		return directoryReason(err)
	}
	tenant, err := s.o.Tenants.Get(ctx, tenantID)
	if err != nil {
		return err
	}
	if account.DomainID == "" || account.DomainID != tenant.DomainID {
		return fault.New(fault.Forbidden, "", "the access token of the cloud belongs to another domain than the tenant's")
	}
	s.tokens.vouch(tenantID, cred.Token)
	return nil
}

// project returns one of the user's projects, whose name tells the cloud's region, with a token of it. Both may be what has been
// found out before.
func (s *Service) project(ctx context.Context, tenantID string, cred Credential, projectID string) (identity.Project, secret.Text, error) {
	if err := s.vouch(ctx, tenantID, cred); err != nil {
		return identity.Project{}, secret.Text{}, err
	}
	if known, ok := s.tokens.get(cred.Token, projectID); ok {
		return known.project, known.token, nil
	}
	projects, err := s.cloudProjects(ctx, tenantID, cred, true)
	if err != nil {
		return identity.Project{}, secret.Text{}, err
	}
	i := slices.IndexFunc(projects, func(p identity.Project) bool { return p.ID == projectID })
	if i < 0 {
		return identity.Project{}, secret.Text{}, &Reason{Code: AccessDenied, Detail: "the user has no such project"}
	}
	token, ends, err := s.o.Directory.Rescope(ctx, cred.Token, projectID)
	if err != nil {
		return identity.Project{}, secret.Text{}, directoryReason(err)
	}
	s.tokens.put(cred.Token, projectToken{projects[i], token, ends})
	return projects[i], token, nil
}

// ownToken sets the token of an operation: a fresh one, which lives on when the user signs out. A configured cluster needs none.
func (s *Service) ownToken(ctx context.Context, tenantID string, cred Credential, projectID string, into *sealed) error {
	if projectID == ConfiguredProject {
		return nil
	}
	if err := s.vouch(ctx, tenantID, cred); err != nil {
		return err
	}
	token, ends, err := s.o.Directory.Rescope(ctx, cred.Token, projectID)
	if err != nil {
		return directoryReason(err)
	}
	into.Token, into.TokenEnds = token, ends
	return nil
}

// errDirectory is the reason where the directory does not answer, which says nothing of the cluster.
var errDirectory = &Reason{Code: Unreachable, Detail: "the identity service does not answer"}

// directoryReason returns what an error of the directory means for a deployment.
func directoryReason(err error) error {
	switch {
	case errors.Is(err, identity.ErrCredentials):
		return &Reason{Code: AccessEnded}
	case errors.Is(err, identity.ErrUnavailable):
		return errDirectory
	}
	return err
}
