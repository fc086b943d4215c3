package kube

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/json"

	"llmhub/deployer"
)

const (
	// maxManifestBytes bounds the manifests of a release, which Helm keeps in one Secret of 1 MiB, compressed.
	maxManifestBytes = 5 << 20
	// maxObjectBytes bounds one of them: the API server takes none above 3 MiB, and etcd none above 1.5 MiB.
	maxObjectBytes = 2 << 20
	maxObjects     = 1000
	// maxListDepth bounds lists of lists.
	maxListDepth = 3
)

// hookAnnotation marks objects that Helm makes at certain times; they are not part of what it waits for.
const hookAnnotation = "helm.sh/hook"

// manifest is an object of a release as its chart has rendered it.
type manifest struct {
	deployer.Object
	u *unstructured.Unstructured
	// hook are the times at which Helm makes it, such as "pre-install,post-upgrade"; empty for what is no hook.
	hook string
}

// text returns how a Reason names the object.
func (m *manifest) text() string { return m.Kind + "/" + m.Name }

func (m *manifest) gvk() schema.GroupVersionKind { return m.u.GroupVersionKind() }

// parse returns the objects of rendered manifests, lists taken apart. What is made only for tests of the chart is left out:
// deploying does not make it. Errors are a *deployer.Reason and quote no value.
func parse(manifests []byte) ([]manifest, error) {
	if len(manifests) > maxManifestBytes {
		return nil, limit("the manifests have more than %d MiB", maxManifestBytes>>20)
	}
	docs, err := documents(manifests, maxObjectBytes)
	if err != nil {
		return nil, unreadable(err)
	}
	var all []manifest
	total := 0
	for _, d := range docs {
		if total += len(d.json); total > maxManifestBytes {
			return nil, limit("the manifests have more than %d MiB with aliases written out", maxManifestBytes>>20)
		}
		var content map[string]any
		if json.Unmarshal(d.json, &content) != nil || content == nil {
			return nil, unreadable(fmt.Errorf("document at line %d: it is not an object", d.line))
		}
		if all, err = appendObject(all, content, 0); err != nil {
			return nil, unreadable(fmt.Errorf("document at line %d: %w", d.line, err))
		}
	}
	return all, nil
}

func limit(format string, args ...any) *deployer.Reason {
	return &deployer.Reason{Code: deployer.RenderLimit, Detail: fmt.Sprintf(format, args...)}
}

func unreadable(err error) *deployer.Reason {
	code := deployer.RenderFailed
	var l *limitError
	if errors.As(err, &l) {
		code = deployer.RenderLimit
	}
	return &deployer.Reason{Code: code, Detail: scrubber{}.clean(err.Error())}
}

// appendObject appends an object, or the objects of a list.
func appendObject(all []manifest, content map[string]any, depth int) ([]manifest, error) {
	u := &unstructured.Unstructured{Object: content}
	if items, ok := content["items"].([]any); ok && strings.HasSuffix(u.GetKind(), "List") {
		if depth >= maxListDepth {
			return nil, errLimit("lists are nested more than %d deep", maxListDepth)
		}
		for _, item := range items {
			one, ok := item.(map[string]any)
			if !ok {
				return nil, errors.New("a list holds what is not an object")
			}
			ofList(u, one)
			var err error
			if all, err = appendObject(all, one, depth+1); err != nil {
				return nil, err
			}
		}
		return all, nil
	}
	m, err := newManifest(u)
	switch {
	case err != nil:
		return nil, err
	case onlyTest(m.hook):
		return all, nil
	case len(all) >= maxObjects:
		return nil, errLimit("there are more than %d objects", maxObjects)
	}
	return append(all, m), nil
}

// ofList gives an object of a list of one kind, such as ConfigMapList, its kind.
func ofList(list *unstructured.Unstructured, item map[string]any) {
	if kind := strings.TrimSuffix(list.GetKind(), "List"); kind != "" && item["kind"] == nil && item["apiVersion"] == nil {
		item["kind"], item["apiVersion"] = kind, list.GetAPIVersion()
	}
}

func newManifest(u *unstructured.Unstructured) (manifest, error) {
	m := manifest{u: u, Object: deployer.Object{
		APIVersion: u.GetAPIVersion(), Kind: u.GetKind(), Namespace: u.GetNamespace(), Name: u.GetName(),
	}}
	if m.Name == "" {
		m.Name = u.GetGenerateName()
	}
	_, err := schema.ParseGroupVersion(m.APIVersion)
	switch {
	case m.APIVersion == "" || m.Kind == "" || err != nil:
		return manifest{}, errors.New("an object has no apiVersion or no kind")
	case m.Name == "":
		return manifest{}, fmt.Errorf("an object of kind %.60s has no name", m.Kind)
	case len(m.APIVersion)+len(m.Kind)+len(m.Name)+len(m.Namespace) > maxDetailRunes:
		return manifest{}, errors.New("the name of an object is too long")
	}
	m.hook = u.GetAnnotations()[hookAnnotation]
	return m, nil
}

// onlyTest says whether a hook is made by "helm test" only.
func onlyTest(hook string) bool {
	if hook == "" {
		return false
	}
	for _, h := range strings.Split(hook, ",") {
		if h = strings.TrimSpace(h); h != "test" && h != "test-success" && h != "test-failure" {
			return false
		}
	}
	return true
}

// secretsOf returns the values of all Secrets among the objects.
func secretsOf(all []manifest) []string {
	var values []string
	for i := range all {
		if all[i].Kind != "Secret" {
			continue
		}
		for _, field := range []string{"data", "stringData"} {
			entries, _, _ := unstructured.NestedMap(all[i].u.Object, field)
			for _, v := range entries {
				text, ok := v.(string)
				if !ok {
					text = fmt.Sprint(v)
				}
				values = append(values, text)
				if decoded, err := base64.StdEncoding.DecodeString(text); err == nil && field == "data" {
					values = append(values, string(decoded))
				}
			}
		}
	}
	return values
}
