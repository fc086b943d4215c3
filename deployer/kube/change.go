package kube

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"llmhub/deployer"
	"llmhub/secret"
)

// Labels of what llmhub makes itself.
const (
	managedBy     = "app.kubernetes.io/managed-by"
	managedByUs   = "llmhub"
	releaseLabel  = "llmhub/release"
	maxPutAttempt = 3
)

// CreateNamespace makes a namespace; that it is there already is no error, unless it is being deleted (NamespaceGone).
func (c *cluster) CreateNamespace(ctx context.Context, name string) error {
	ctx, cancel := bound(ctx, methodTimeout)
	defer cancel()
	n := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{managedBy: managedByUs}}}
	_, err := c.client.CoreV1().Namespaces().Create(ctx, n, metav1.CreateOptions{FieldManager: userAgent})
	if !apierrors.IsAlreadyExists(err) {
		return failed(ctx, err, "create namespace "+name)
	}
	there, err := c.client.CoreV1().Namespaces().Get(ctx, name, metav1.GetOptions{})
	switch {
	case apierrors.IsForbidden(err):
		// Whoever may not read it learns from what follows whether it can be used.
		return nil
	case err == nil && !usable(there):
		return &deployer.Reason{Code: deployer.NamespaceGone, Detail: "the namespace " + name + " is being deleted"}
	}
	return failed(ctx, err, "get namespace "+name)
}

// notOurs says why a Secret is left alone.
const notOurs = "a Secret of this name is there and was not made for this release"

// PutSecret makes or replaces a Secret, labelled as the release's. One that is there and has not that label is
// ReleaseExists.
func (c *cluster) PutSecret(ctx context.Context, namespace, name, release string, data map[string]secret.Text) error {
	ctx, cancel := bound(ctx, methodTimeout)
	defer cancel()
	secrets := c.client.CoreV1().Secrets(namespace)
	want := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Name: name, Namespace: namespace, Labels: map[string]string{managedBy: managedByUs, releaseLabel: release},
		},
		Type: corev1.SecretTypeOpaque,
		Data: map[string][]byte{},
	}
	var values []string
	for k, v := range data {
		want.Data[k] = []byte(v.Reveal())
		values = append(values, v.Reveal())
	}
	for range maxPutAttempt {
		_, err := secrets.Create(ctx, want, metav1.CreateOptions{FieldManager: userAgent})
		if !apierrors.IsAlreadyExists(err) {
			return scrubbed(failed(ctx, err, "create secret "+name), values)
		}
		there, err := secrets.Get(ctx, name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			continue
		}
		if err != nil {
			return failed(ctx, err, "get secret "+name)
		}
		if !ours(there, release) {
			return &deployer.Reason{Code: deployer.ReleaseExists, Object: "Secret/" + name,
				Detail: notOurs}
		}
		// The version makes sure that what is replaced is what has been looked at.
		replacement := want.DeepCopy()
		replacement.ResourceVersion = there.ResourceVersion
		_, err = secrets.Update(ctx, replacement, metav1.UpdateOptions{FieldManager: userAgent})
		if !apierrors.IsConflict(err) && !apierrors.IsNotFound(err) {
			return scrubbed(failed(ctx, err, "update secret "+name), values)
		}
	}
	return &deployer.Reason{Code: deployer.Rejected, Object: "Secret/" + name, Detail: "somebody else changes it again and again"}
}

// DeleteSecret removes a Secret that PutSecret has made; another or none is no error.
func (c *cluster) DeleteSecret(ctx context.Context, namespace, name, release string) error {
	ctx, cancel := bound(ctx, methodTimeout)
	defer cancel()
	secrets := c.client.CoreV1().Secrets(namespace)
	there, err := secrets.Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) || err == nil && !ours(there, release) {
		return nil
	}
	if err != nil {
		return failed(ctx, err, "get secret "+name)
	}
	err = secrets.Delete(ctx, name, metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &there.UID}})
	if apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
		return nil
	}
	return failed(ctx, err, "delete secret "+name)
}

func ours(s *corev1.Secret, release string) bool {
	return s.Labels[managedBy] == managedByUs && s.Labels[releaseLabel] == release
}

// scrubbed takes secrets out of a reason.
func scrubbed(err error, secrets []string) error {
	if r, ok := err.(*deployer.Reason); ok {
		r.Detail = newScrubber(secrets).clean(r.Detail)
	}
	return err
}
