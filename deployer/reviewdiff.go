package deployer

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// maxManifestBytes and maxManifestObjects bound the manifests that are compared.
const (
	maxManifestBytes   = 8 << 20
	maxManifestObjects = 2000
)

// What an upgrade does to an object.
const (
	changeAdded   = "added"
	changeRemoved = "removed"
	changeChanged = "changed"
)

// hookAnnotation marks the objects that Helm runs beside a release.
const hookAnnotation = "helm.sh/hook"

// differences returns what an upgrade from the manifests of a release to newly rendered ones changes, in order of kinds and
// names. Hooks are no part of a release. Where secrets are kept their values are not known here: of Secrets, only the names
// of the entries are compared, and annotations with checksums, by which charts restart pods, are not.
func differences(before, after []byte, namespace string, kept bool) ([]Difference, error) {
	old, err := manifestObjects(before, namespace, kept)
	if err != nil {
		return nil, fmt.Errorf("manifests of the release: %w", err)
	}
	rendered, err := manifestObjects(after, namespace, kept)
	if err != nil {
		return nil, fmt.Errorf("rendered manifests: %w", err)
	}
	var all []Difference
	for key, o := range rendered {
		was, there := old[key]
		switch {
		case !there:
			all = append(all, Difference{o.Object, changeAdded})
		case !reflect.DeepEqual(was.content, o.content):
			all = append(all, Difference{o.Object, changeChanged})
		}
	}
	for key, o := range old {
		if _, there := rendered[key]; !there {
			all = append(all, Difference{o.Object, changeRemoved})
		}
	}
	slices.SortFunc(all, func(a, b Difference) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name), cmp.Compare(a.APIVersion, b.APIVersion))
	})
	return all, nil
}

// manifestObject is an object of a manifest.
type manifestObject struct {
	Object
	content map[string]any
}

// manifestObjects returns the objects of manifests but hooks, by group, kind, namespace and name.
func manifestObjects(manifests []byte, namespace string, kept bool) (map[Object]manifestObject, error) {
	if len(manifests) > maxManifestBytes {
		return nil, fmt.Errorf("have more than %d MiB", maxManifestBytes>>20)
	}
	all := map[Object]manifestObject{}
	for d := yaml.NewDecoder(bytes.NewReader(manifests)); ; {
		var content map[string]any
		err := d.Decode(&content)
		switch {
		case errors.Is(err, io.EOF):
			return all, nil
		case err != nil:
			// The decoder's own text may quote a value.
			return nil, errors.New("are not YAML with one object to a document")
		case len(all) == maxManifestObjects:
			return nil, fmt.Errorf("have more than %d objects", maxManifestObjects)
		case len(content) == 0:
			continue
		}
		o := manifestObject{content: content}
		o.APIVersion, o.Kind = stringOf(content["apiVersion"]), stringOf(content["kind"])
		meta, _ := content["metadata"].(map[string]any)
		o.Name, o.Namespace = stringOf(meta["name"]), cmp.Or(stringOf(meta["namespace"]), namespace)
		annotations, _ := meta["annotations"].(map[string]any)
		if _, hook := annotations[hookAnnotation]; hook {
			continue
		}
		if kept {
			hideSecrets(o.Kind, content)
		}
		key := o.Object
		key.APIVersion, _, _ = strings.Cut(o.APIVersion, "/")
		all[key] = o
	}
}

func stringOf(v any) string { s, _ := v.(string); return s }

// hideSecrets takes out of an object what is made of secrets.
func hideSecrets(kind string, content map[string]any) {
	hideChecksums(content)
	if kind != "Secret" {
		return
	}
	for _, part := range []string{"data", "stringData"} {
		entries, _ := content[part].(map[string]any)
		for name := range entries {
			entries[name] = nil
		}
	}
}

// checksumPrefix begins the annotations that charts give pods by the content of other objects.
const checksumPrefix = "checksum/"

// hideChecksums takes such annotations out of an object and of the templates in it.
func hideChecksums(content map[string]any) {
	for key, v := range content {
		below, _ := v.(map[string]any)
		if key == "annotations" {
			maps.DeleteFunc(below, func(name string, _ any) bool { return strings.HasPrefix(name, checksumPrefix) })
		}
		hideChecksums(below)
	}
}
