package locale

import (
	"go/ast"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// readMessages returns the forms of each message of a file; those without a plural have only other.
func readMessages(t *testing.T, name string) map[string]map[string]string {
	t.Helper()
	text, err := messages.ReadFile("messages/" + name)
	if err != nil {
		t.Fatal(err)
	}
	var raw map[string]any
	if err := yaml.Unmarshal(text, &raw); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	out := make(map[string]map[string]string, len(raw))
	for key, value := range raw {
		switch value := value.(type) {
		case string:
			out[key] = map[string]string{"other": value}
		case map[string]any:
			out[key] = map[string]string{}
			for form, text := range value {
				out[key][form], _ = text.(string)
			}
		default:
			t.Errorf("%s: %s is no text", name, key)
		}
	}
	return out
}

// messagesOf returns all messages of a language but the faults, which are texts themselves in English.
func messagesOf(t *testing.T, lang string) map[string]map[string]string {
	t.Helper()
	files, err := fs.Glob(messages, "messages/*."+lang+".yaml")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	all := map[string]map[string]string{}
	for _, f := range files {
		if strings.HasPrefix(path.Base(f), "faults.") {
			continue
		}
		for key, forms := range readMessages(t, path.Base(f)) {
			if all[key] != nil {
				t.Errorf("%s: %s is there twice", lang, key)
			}
			all[key] = forms
		}
	}
	return all
}

var placeholder = regexp.MustCompile(`\{\{\s*\.(\w+)\s*\}\}`)

func placeholders(text string) []string {
	names := map[string]bool{}
	for _, m := range placeholder.FindAllStringSubmatch(text, -1) {
		names[m[1]] = true
	}
	return slices.Sorted(maps.Keys(names))
}

// All languages say the same things, in the same forms, with the same values in them.
func TestLanguagesAgree(t *testing.T) {
	first := messagesOf(t, Languages[0])
	for _, lang := range Languages[1:] {
		other := messagesOf(t, lang)
		for key := range other {
			if first[key] == nil {
				t.Errorf("%s is in %s only", key, lang)
			}
		}
		for key, forms := range first {
			if other[key] == nil {
				t.Errorf("%s is missing in %s", key, lang)
				continue
			}
			for form, text := range forms {
				translated, ok := other[key][form]
				switch {
				case !ok || strings.TrimSpace(translated) == "" || strings.TrimSpace(text) == "":
					t.Errorf("%s has no form %s in %s", key, form, lang)
				case !slices.Equal(placeholders(text), placeholders(translated)):
					t.Errorf("%s takes %v, in %s %v", key, placeholders(text), lang, placeholders(translated))
				}
			}
		}
	}
}

// dynamic are the beginnings of keys that are put together when a page is made; what follows is a word of the domain.
var dynamic = []string{
	"audit.action.", "audit.actor.", "catalog.facet.", "catalog.sort.", "check.", "check.state.", "deploy.step.", "diff.", "done.", "integration.endpoint.", "integration.error.", "keys.period.", "keys.source.", "keys.source.text.", "keys.state.", "limits.rule.", "models.kind.", "models.unit.", "opsubs.state.",
	"product.cost.", "product.licence.", "product.section.", "product.type.", "rights.hint.", "profile.note.", "profile.state.", "right.", "subscription.state.", "subscription.tab.",
	"tenants.state.", "usage.unit.line.", "upstreams.breaker.", "upstreams.state.", "webhook.delivery.", "job.", "phase.", "reason.", "release.", "step.", "step.coming.", "workload.state.", "workloads.tab.",
}

// templateKey finds the messages that a template names.
var templateKey = regexp.MustCompile(`(?:\{\{-?|\(|\bif|\bwith)\s*t\s+"([^"]+)"`)

// Every message that is asked for is there, and every one that is there is asked for.
func TestMessagesAreUsed(t *testing.T) {
	known := messagesOf(t, Languages[0])
	asked, mentioned := keysInTemplates(t), map[string]bool{}
	for _, file := range parseFolder(t, "..") {
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.CallExpr:
				if key, ok := messageCall(n); ok {
					asked[key] = true
				}
			case *ast.BasicLit:
				if text, ok := constantText(n); ok {
					mentioned[text] = true
				}
			}
			return true
		})
	}
	if len(asked) < 50 {
		t.Fatalf("only %d messages are asked for", len(asked))
	}
	for key := range asked {
		if known[key] == nil {
			t.Errorf("there is no message %s", key)
		}
	}
	for key := range known {
		if !asked[key] && !mentioned[key] && !slices.ContainsFunc(dynamic, func(p string) bool { return strings.HasPrefix(key, p) }) {
			t.Errorf("nobody asks for message %s", key)
		}
	}
	for _, prefix := range dynamic {
		if !mentioned[prefix] {
			t.Errorf("no key is put together from %s", prefix)
		}
	}
}

// messageCall returns the constant key of a call of t or T.
func messageCall(call *ast.CallExpr) (string, bool) {
	f, ok := call.Fun.(*ast.SelectorExpr)
	if !ok || len(call.Args) == 0 || f.Sel.Name != "t" && f.Sel.Name != "T" {
		return "", false
	}
	return constantText(call.Args[0])
}

func keysInTemplates(t *testing.T) map[string]bool {
	t.Helper()
	keys := map[string]bool{}
	err := filepath.WalkDir("../web/templates", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		for _, m := range templateKey.FindAllStringSubmatch(string(text), -1) {
			keys[m[1]] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return keys
}
