package kube

import (
	"context"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"

	"llmhub/deployer"
)

const (
	// kindsAge is how long what discovery has told is taken for true.
	kindsAge = time.Minute
	// maxKinds bounds what is kept of it.
	maxKinds = 20000
)

// kinds are what a cluster knows.
type kinds struct {
	byKind map[schema.GroupVersionKind]kind
	// apiVersions are in the form of Helm's .Capabilities.APIVersions: v1, apps/v1, apps/v1/Deployment.
	apiVersions []string
	readAt      time.Time
}

// kind is a kind that a cluster knows.
type kind struct {
	resource   schema.GroupVersionResource
	namespaced bool
}

// kinds returns what the cluster knows; fresh asks it again even if that is known.
func (c *cluster) kinds(ctx context.Context, fresh bool) (*kinds, error) {
	c.mu.Lock()
	known := c.known
	c.mu.Unlock()
	if known != nil && !fresh && time.Since(known.readAt) < kindsAge {
		return known, nil
	}
	groups, lists, err := discovery.ToDiscoveryInterfaceWithContext(c.client.Discovery()).ServerGroupsAndResourcesWithContext(ctx)
	if err != nil && !discovery.IsGroupDiscoveryFailedError(err) {
		return nil, failed(ctx, err, "read the kinds that the cluster knows")
	}
	k := newKinds(groups, lists)
	c.mu.Lock()
	c.known = k
	c.mu.Unlock()
	return k, nil
}

func newKinds(groups []*metav1.APIGroup, lists []*metav1.APIResourceList) *kinds {
	k := &kinds{byKind: map[schema.GroupVersionKind]kind{}, readAt: time.Now()}
	versions := map[string]bool{}
	for _, g := range groups {
		for _, v := range g.Versions {
			versions[v.GroupVersion] = true
		}
	}
	for _, l := range lists {
		gv, err := schema.ParseGroupVersion(l.GroupVersion)
		if err != nil {
			continue
		}
		for _, r := range l.APIResources {
			if len(versions) >= maxKinds {
				break
			}
			versions[path.Join(l.GroupVersion, r.Kind)] = true
			if !strings.Contains(r.Name, "/") {
				k.byKind[gv.WithKind(r.Kind)] = kind{resource: gv.WithResource(r.Name), namespaced: r.Namespaced}
			}
		}
	}
	k.apiVersions = slices.Sorted(maps.Keys(versions))
	return k
}

// of returns the kind of an object.
func (k *kinds) of(o deployer.Object) (kind, bool) {
	found, ok := k.byKind[schema.FromAPIVersionAndKind(o.APIVersion, o.Kind)]
	return found, ok
}
