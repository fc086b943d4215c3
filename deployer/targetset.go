package deployer

import (
	"context"
	"crypto/rand"
	"errors"
	"regexp"
	"slices"
	"strings"

	"llmhub/fault"
	"llmhub/identity"
)

// The names that Kubernetes and Helm take. Helm's rule is the stricter one of the two for releases.
var (
	namespaceForm = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`)
	releaseForm   = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,51}[a-z0-9])?$`)
)

const (
	// systemPrefix begins the namespaces that are Kubernetes' own.
	systemPrefix = "kube-"
	// maxReleaseBytes bounds the name of a release, releaseTail is how much of a generated one is random.
	maxReleaseBytes = 53
	releaseTail     = 5
)

// errReleaseTaken says that a release is there already.
var errReleaseTaken = fault.New(fault.Conflict, "release", "there is a release of this name in the namespace already")

// SetTarget sets where the product goes: the cluster is opened, and namespace and release are checked. What is wrong are
// faults whose Field is project, cluster, namespace, new_namespace or release. An empty Release gets a name.
func (s *Service) SetTarget(ctx context.Context, by identity.Actor, cred Credential, id string, t Target) (Draft, error) {
	r, err := s.ownDraft(ctx, by, id)
	if err != nil {
		return Draft{}, err
	}
	if err := fixed(r.Value); err != nil {
		return Draft{}, err
	}
	t = Target{
		ProjectID: t.ProjectID, ClusterID: t.ClusterID, Namespace: strings.TrimSpace(t.Namespace), NewNamespace: t.NewNamespace,
		Release: strings.TrimSpace(t.Release),
	}
	if t.Release == "" {
		t.Release = releaseName(r.Value.ProductID)
	}
	if err := s.locate(ctx, by, cred, &t); err != nil {
		return Draft{}, err
	}
	if err := s.checkPlace(ctx, by, cred, t); err != nil {
		return Draft{}, err
	}
	return s.changeDraft(ctx, by, id, func(d *Draft) error {
		d.Target = t
		return fixed(*d)
	})
}

// fixed returns a fault if the target of a draft cannot be changed.
func fixed(d Draft) error {
	if d.WorkloadID != "" {
		return fault.New(fault.State, "", "an upgrade stays where the workload is")
	}
	return nil
}

// locate finds project and cluster of a target and sets their names.
func (s *Service) locate(ctx context.Context, by identity.Actor, cred Credential, t *Target) error {
	if t.ProjectID == "" {
		return fault.New(fault.Invalid, "project", "must not be empty")
	}
	projects, err := s.Projects(ctx, by, cred)
	i := slices.IndexFunc(projects, func(p identity.Project) bool { return p.ID == t.ProjectID })
	switch {
	case i < 0 && err != nil:
		return err
	case i < 0:
		return fault.New(fault.Invalid, "project", "there is no such project that you can use")
	}
	t.ProjectName = projects[i].Name
	if t.ClusterID == "" {
		return fault.New(fault.Invalid, "cluster", "must not be empty")
	}
	clusters, err := s.Clusters(ctx, by, cred, t.ProjectID)
	if err != nil {
		return err
	}
	i = slices.IndexFunc(clusters, func(c ClusterInfo) bool { return c.ID == t.ClusterID })
	switch {
	case i < 0:
		return fault.New(fault.Invalid, "cluster", "there is no such cluster in the project")
	case !clusters[i].Available:
		return fault.New(fault.Invalid, "cluster", "the cluster is not available")
	}
	t.ClusterName = clusters[i].Name
	return nil
}

// checkPlace returns what is wrong with namespace and release, all at once.
func (s *Service) checkPlace(ctx context.Context, by identity.Actor, cred Credential, t Target) error {
	wrongName, wrongRelease := checkNamespaceName(t), checkReleaseName(t.Release)
	if wrongName != nil {
		return fault.Join(wrongName, wrongRelease)
	}
	a, cluster, err := s.openCluster(ctx, by.TenantID, cred, t)
	if err != nil {
		return err
	}
	var there []Namespace
	var listed, found, exists bool
	err = together(
		func() (err error) { there, listed, err = namespaces(ctx, cluster); return err },
		func() (err error) {
			if wrongRelease == nil {
				_, found, err = s.o.Releases.Get(ctx, a, t.Namespace, t.Release)
			}
			return err
		},
		func() error {
			other, err := s.placeTaken(ctx, by.TenantID, t)
			exists = other != ""
			return err
		},
	)
	if err != nil {
		return err
	}
	if wrongRelease == nil && (found || exists) {
		wrongRelease = errReleaseTaken
	}
	if !listed {
		return fault.Join(wrongRelease) // the review finds out whether it can be used
	}
	return fault.Join(checkNamespace(t, there), wrongRelease)
}

// checkNamespaceName returns what is wrong with the name of a namespace, whatever is in the cluster.
func checkNamespaceName(t Target) error {
	field := "namespace"
	if t.NewNamespace {
		field = "new_namespace"
	}
	switch {
	case t.Namespace == "":
		return fault.New(fault.Invalid, field, "must not be empty")
	case !namespaceForm.MatchString(t.Namespace):
		return fault.New(fault.Invalid, field, "must have 1 to 63 lower-case letters, digits and hyphens, with no hyphen at either end")
	case strings.HasPrefix(t.Namespace, systemPrefix):
		return fault.New(fault.Invalid, field, "namespaces that begin with kube- are Kubernetes' own")
	}
	return nil
}

// checkNamespace returns what is wrong with a namespace given those that are there.
func checkNamespace(t Target, there []Namespace) error {
	i := slices.IndexFunc(there, func(n Namespace) bool { return n.Name == t.Namespace })
	switch {
	case t.NewNamespace && i >= 0:
		return fault.New(fault.Conflict, "new_namespace", "there is a namespace of this name already; choose it to deploy into it")
	case !t.NewNamespace && i < 0:
		return fault.New(fault.Invalid, "namespace", "there is no such namespace in the cluster")
	case !t.NewNamespace && !there[i].Usable:
		return fault.New(fault.State, "namespace", "the namespace is being deleted")
	}
	return nil
}

func checkReleaseName(name string) error {
	if !releaseForm.MatchString(name) {
		return fault.New(fault.Invalid, "release", "must have 1 to 53 lower-case letters, digits and hyphens, with no hyphen at either end")
	}
	return nil
}

// releaseName returns a name for a release of a product, of which many could be in one namespace.
func releaseName(productID string) string {
	tail := "-" + strings.ToLower(rand.Text()[:releaseTail])
	head := productID[:min(len(productID), maxReleaseBytes-len(tail))]
	return strings.TrimRight(head, "-") + tail
}

// asReason returns an error as a *Reason, if it is one.
func asReason(err error) (*Reason, bool) {
	var why *Reason
	ok := errors.As(err, &why)
	return why, ok
}
