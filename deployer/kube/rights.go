package kube

import (
	"context"
	"maps"
	"slices"
	"strings"

	authorizationv1 "k8s.io/api/authorization/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"llmhub/deployer"
)

// applyVerbs are what Helm does to the objects of a release, secretVerbs to the Secrets that hold its revisions, watchVerbs to
// hooks that it waits for.
var (
	applyVerbs  = []string{"create", "get", "patch", "delete"}
	secretVerbs = []string{"create", "get", "list", "update", "delete"}
	watchVerbs  = []string{"list", "watch"}
)

var (
	secretsResource     = schema.GroupVersionResource{Version: "v1", Resource: "secrets"}
	replicaSetsResource = schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "replicasets"}
)

// right is something that has to be allowed.
type right struct {
	resource schema.GroupVersionResource
	verb     string
	allowed  bool
}

// rights finds out whether the user may do all that Helm is going to do.
func (i *inspection) rights(ctx context.Context) error {
	i.denied = map[schema.GroupVersionResource]bool{}
	everything, err := i.allowed(ctx, i.in.Namespace, "*", schema.GroupVersionResource{Group: "*", Resource: "*"})
	if apierrors.IsForbidden(err) {
		return nil // A cluster that does not say what is allowed says it when it is tried.
	}
	if err != nil {
		return err
	}
	if everything {
		return nil
	}
	wanted := i.wantedRights()
	errs := make([]error, len(wanted))
	each(len(wanted), func(n int) {
		wanted[n].allowed, errs[n] = i.allowed(ctx, i.in.Namespace, wanted[n].verb, wanted[n].resource)
	})
	missing := map[schema.GroupVersionResource][]string{}
	for n, w := range wanted {
		if errs[n] != nil {
			return errs[n]
		}
		if !w.allowed {
			missing[w.resource] = append(missing[w.resource], w.verb)
		}
	}
	for r, verbs := range missing {
		i.denied[r] = slices.Contains(verbs, "create") || slices.Contains(verbs, "patch")
		i.found(true, deployer.AccessDenied, "", strings.Join(verbs, ", ")+" "+r.GroupResource().String()+" in the namespace "+i.in.Namespace)
	}
	return nil
}

// wantedRights returns what Helm does, each once, in a fixed order.
func (i *inspection) wantedRights() []right {
	verbs := map[schema.GroupVersionResource]map[string]bool{}
	want := func(r schema.GroupVersionResource, all []string) {
		if verbs[r] == nil {
			verbs[r] = map[string]bool{}
		}
		for _, v := range all {
			verbs[r][v] = true
		}
	}
	want(secretsResource, secretVerbs)
	for n := range i.planned {
		p := &i.planned[n]
		if !p.dry {
			continue
		}
		want(p.kind.resource, applyVerbs)
		if p.Kind == "Deployment" {
			want(replicaSetsResource, []string{"list"})
		}
		if p.hook != "" && (p.Kind == "Job" || p.Kind == "Pod") {
			want(p.kind.resource, watchVerbs)
		}
	}
	var all []right
	for r, of := range verbs {
		for _, v := range slices.Sorted(maps.Keys(of)) {
			all = append(all, right{resource: r, verb: v})
		}
	}
	return all
}

func (i *inspection) allowed(ctx context.Context, namespace, verb string, r schema.GroupVersionResource) (bool, error) {
	review := &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{
		ResourceAttributes: &authorizationv1.ResourceAttributes{Namespace: namespace, Verb: verb, Group: r.Group, Resource: r.Resource},
	}}
	answer, err := i.c.client.AuthorizationV1().SelfSubjectAccessReviews().Create(ctx, review, metav1.CreateOptions{})
	if err != nil {
		return false, err
	}
	return answer.Status.Allowed, nil
}
