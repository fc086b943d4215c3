package deployer

import (
	"cmp"
	"context"
	"slices"
	"sync"

	"llmhub/identity"
	"llmhub/secret"
)

// Projects returns the projects that can be chosen in order of names: the user's, then ConfiguredProject if there are
// configured clusters. Where the directory fails, the error comes with the latter.
func (s *Service) Projects(ctx context.Context, by identity.Actor, cred Credential) ([]identity.Project, error) {
	if err := mayPrepare(by); err != nil {
		return nil, err
	}
	own, err := s.configured(ctx, by.TenantID)
	if err != nil {
		return nil, err
	}
	projects, err := s.cloudProjects(ctx, by.TenantID, cred, len(own) == 0)
	if len(own) > 0 {
		projects = append(projects, identity.Project{ID: ConfiguredProject, Name: ConfiguredProject, Enabled: true})
	}
	return projects, err
}

// cloudProjects returns the user's projects that are enabled. Without a credential there are none, which is an error if one
// is needed.
func (s *Service) cloudProjects(ctx context.Context, tenantID string, cred Credential, needed bool) ([]identity.Project, error) {
	if !s.cloud() || !cred.Token.IsSet() && !needed {
		return nil, nil
	}
	if err := s.vouch(ctx, tenantID, cred); err != nil {
		return nil, err
	}
	projects, err := s.o.Directory.Projects(ctx, cred.Token)
	if err != nil {
		return nil, directoryReason(err)
	}
	projects = slices.DeleteFunc(projects, func(p identity.Project) bool { return !p.Enabled })
	slices.SortFunc(projects, func(a, b identity.Project) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID))
	})
	return projects, nil
}

// Clusters returns the clusters of a project, available ones first.
func (s *Service) Clusters(ctx context.Context, by identity.Actor, cred Credential, projectID string) ([]ClusterInfo, error) {
	if err := mayPrepare(by); err != nil {
		return nil, err
	}
	var clusters []ClusterInfo
	if projectID == ConfiguredProject {
		own, err := s.configured(ctx, by.TenantID)
		if err != nil {
			return nil, err
		}
		for _, c := range own {
			clusters = append(clusters, ClusterInfo{ID: c.Name, Name: c.Name, Available: true})
		}
	} else {
		project, token, err := s.project(ctx, by.TenantID, cred, projectID)
		if err != nil {
			return nil, err
		}
		if clusters, err = s.o.Source.Clusters(ctx, project, token); err != nil {
			return nil, s.ended(cred.Token, projectID, err)
		}
	}
	slices.SortStableFunc(clusters, func(a, b ClusterInfo) int {
		if a.Available != b.Available {
			if a.Available {
				return -1
			}
			return 1
		}
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID))
	})
	return clusters, nil
}

// ended forgets the token of a project if it is what an error of the cloud is about, so that the next call exchanges another.
func (s *Service) ended(from secret.Text, projectID string, err error) error {
	if why, ok := asReason(err); ok && why.Code == AccessEnded {
		s.tokens.drop(from, projectID)
	}
	return err
}

// Cluster returns what is read live of a cluster; no namespaces if the user may not list them.
func (s *Service) Cluster(ctx context.Context, by identity.Actor, cred Credential, projectID, clusterID string) (ClusterDetails, error) {
	if err := mayPrepare(by); err != nil {
		return ClusterDetails{}, err
	}
	_, cluster, err := s.openCluster(ctx, by.TenantID, cred, Target{ProjectID: projectID, ClusterID: clusterID})
	if err != nil {
		return ClusterDetails{}, err
	}
	var d ClusterDetails
	err = together(
		func() (err error) { d.Facts, err = cluster.Facts(ctx); return err },
		func() (err error) { d.Namespaces, _, err = namespaces(ctx, cluster); return err },
		func() (err error) { d.StorageClasses, err = cluster.StorageClasses(ctx); return err },
	)
	return d, err
}

// namespaces returns those of a cluster, and whether the user may list them: some may use their own namespace alone.
func namespaces(ctx context.Context, c Cluster) (all []Namespace, listed bool, err error) {
	all, err = c.Namespaces(ctx)
	if why, ok := asReason(err); ok && why.Code == AccessDenied {
		return nil, false, nil
	}
	return all, err == nil, err
}

// openCluster opens the cluster of a target for somebody with a credential.
func (s *Service) openCluster(ctx context.Context, tenantID string, cred Credential, t Target) (Access, Cluster, error) {
	a, err := s.access(ctx, tenantID, cred, t)
	if err != nil {
		return a, nil, err
	}
	c, err := s.o.Kubernetes.Open(a)
	return a, c, err
}

// together does all at once, and returns the first error in their order. A panic of one goes on in the caller, who alone can
// keep it from ending the process.
func together(all ...func() error) error {
	errs, panics := make([]error, len(all)), make([]any, len(all))
	var wait sync.WaitGroup
	for i, do := range all {
		wait.Go(func() {
			defer func() { panics[i] = recover() }()
			errs[i] = do()
		})
	}
	wait.Wait()
	for _, p := range panics {
		if p != nil {
			panic(p)
		}
	}
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
