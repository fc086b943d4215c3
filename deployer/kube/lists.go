package kube

import (
	"context"
	"errors"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"llmhub/deployer"
)

// maxNamespaces and maxClasses bound what is offered to choose from.
const (
	maxNamespaces = 5000
	maxClasses    = 1000
)

var errTooMany = errors.New("the list has more entries than are read")

// pages reads a list page by page; errTooMany says that it is longer than limit.
func pages(limit int, read func(o metav1.ListOptions) (next string, n int, err error)) error {
	o := metav1.ListOptions{Limit: pageSize}
	for total := 0; ; {
		next, n, err := read(o)
		if err != nil {
			return err
		}
		if next == "" {
			return nil
		}
		// An empty page counts too, so that a server that never ends its list is not read for ever.
		if total += max(n, 1); total >= limit {
			return errTooMany
		}
		o.Continue = next
	}
}

// Namespaces returns those that exist, in order of names.
func (c *cluster) Namespaces(ctx context.Context) ([]deployer.Namespace, error) {
	ctx, cancel := bound(ctx, methodTimeout)
	defer cancel()
	var all []deployer.Namespace
	err := pages(maxNamespaces, func(o metav1.ListOptions) (string, int, error) {
		list, err := c.client.CoreV1().Namespaces().List(ctx, o)
		if err != nil {
			return "", 0, err
		}
		for i := range list.Items {
			all = append(all, deployer.Namespace{Name: list.Items[i].Name, Usable: usable(&list.Items[i])})
		}
		return list.Continue, len(list.Items), nil
	})
	if err != nil && err != errTooMany {
		return nil, failed(ctx, err, "list namespaces")
	}
	slices.SortFunc(all, func(a, b deployer.Namespace) int { return strings.Compare(a.Name, b.Name) })
	return all, nil
}

func usable(n *corev1.Namespace) bool {
	return n.DeletionTimestamp == nil && n.Status.Phase != corev1.NamespaceTerminating
}

// defaultClass marks the storage class that claims get which name none.
const (
	defaultClass     = "storageclass.kubernetes.io/is-default-class"
	betaDefaultClass = "storageclass.beta.kubernetes.io/is-default-class"
)

// StorageClasses returns those that exist, in order of names; none if the user may not read them.
func (c *cluster) StorageClasses(ctx context.Context) ([]deployer.StorageClass, error) {
	ctx, cancel := bound(ctx, methodTimeout)
	defer cancel()
	all, err := c.classes(ctx)
	if apierrors.IsForbidden(err) {
		return nil, nil
	}
	return all, failed(ctx, err, "list storage classes")
}

func (c *cluster) classes(ctx context.Context) ([]deployer.StorageClass, error) {
	var all []deployer.StorageClass
	err := pages(maxClasses, func(o metav1.ListOptions) (string, int, error) {
		list, err := c.client.StorageV1().StorageClasses().List(ctx, o)
		if err != nil {
			return "", 0, err
		}
		for i := range list.Items {
			s := &list.Items[i]
			all = append(all, deployer.StorageClass{
				Name: s.Name, Provisioner: s.Provisioner,
				Default:    s.Annotations[defaultClass] == "true" || s.Annotations[betaDefaultClass] == "true",
				Expandable: s.AllowVolumeExpansion != nil && *s.AllowVolumeExpansion,
			})
		}
		return list.Continue, len(list.Items), nil
	})
	if err != nil && err != errTooMany {
		return nil, err
	}
	slices.SortFunc(all, func(a, b deployer.StorageClass) int { return strings.Compare(a.Name, b.Name) })
	return all, nil
}
