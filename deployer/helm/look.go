package helm

import (
	"errors"
	"slices"

	"helm.sh/helm/v3/pkg/release"
	"helm.sh/helm/v3/pkg/storage"
	"helm.sh/helm/v3/pkg/storage/driver"

	"llmhub/deployer"
)

// revisions returns those of a release, newest first; none if there is no such release.
func revisions(s *storage.Storage, name string) ([]*release.Release, error) {
	all, err := s.History(name)
	if errors.Is(err, driver.ErrReleaseNotFound) {
		return nil, nil
	}
	slices.SortFunc(all, func(a, b *release.Release) int { return b.Version - a.Version })
	return all, err
}

// newest returns the newest revision, nil if there is none.
func newest(s *storage.Storage, name string) (*release.Release, error) {
	all, err := revisions(s, name)
	if err != nil || len(all) == 0 {
		return nil, err
	}
	return all[0], nil
}

func look(q lookRequest) message {
	c, err := open(q.Access, q.Namespace, "", func(deployer.Stage) {})
	if err != nil {
		return failure(err, nil)
	}
	all, err := revisions(c.Releases, q.Release)
	if err != nil {
		return message{Reason: reasonOf(err)}
	}
	var m message
	for _, r := range all {
		told := tellOf(r)
		if q.All {
			told.Manifests = nil
		}
		if m.Releases = append(m.Releases, told); !q.All {
			break
		}
	}
	return m
}

// tellOf returns what is told of a revision. Somebody else may have written it: nothing in it is taken to be there.
func tellOf(r *release.Release) deployer.Release {
	t := deployer.Release{Namespace: r.Namespace, Name: r.Name, Revision: r.Version, Operation: r.Labels[LabelOperation], Manifests: []byte(r.Manifest)}
	if r.Info != nil {
		t.Status, t.UpdatedAt = deployer.ReleaseStatus(r.Info.Status), r.Info.LastDeployed.Time
		if r.Info.Status == release.StatusUninstalling {
			t.UpdatedAt = r.Info.Deleted.Time
		}
		t.Description = bounded(newHider(r.Config, nil).hide(r.Info.Description))
	}
	if r.Chart != nil && r.Chart.Metadata != nil {
		t.ChartName, t.ChartVersion = r.Chart.Metadata.Name, r.Chart.Metadata.Version
	}
	return t
}
