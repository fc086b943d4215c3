// Package llmhub_test keeps the house in order: which package may import which.
package llmhub_test

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "llmhub"

// layers are the parts of the house from top to bottom. A part may import those below it, and none beside or above it.
var layers = [][]string{
	{"cmd", "bench"},
	{"proxy", "portal"},
	{"deployer", "subscription", "alert", "drain"},
	{"limit"},
	{"metering", "catalog", "identity"},
	{"store"},
	{"fault", "secret", "yamldoc"},
}

// except are arrows within a layer, or outside of the layers, that are allowed.
var except = map[string][]string{
	"config": {"metering", "store", "fault", "secret", "yamldoc"}, // prices are read from the configuration
	"cmd":    {"config"},
	"bench":  {"config"},
}

// engines are imported by cmd only, which introduces them.
var engines = []string{"store/local", "store/postgres"}

// outsiders are modules that domain packages know nothing of, with those that may import them.
var outsiders = map[string][]string{
	"github.com/gofiber/":                   {"cmd", "proxy", "portal"},
	"github.com/valyala/":                   {"cmd", "proxy", "portal", "bench"},
	"github.com/fasthttp/":                  {"proxy"},
	"github.com/dgraph-io/":                 {"store/local"},
	"github.com/jackc/":                     {"store/postgres"},
	"github.com/prometheus/":                {"cmd", "proxy"},
	"github.com/spf13/":                     {"cmd"},
	"github.com/tiktoken-go/":               {"proxy/estimate"},
	"helm.sh/":                              {"deployer/helm"},
	"oras.land/":                            {"deployer/helm"},
	"github.com/opencontainers/":            {"deployer/helm"},
	"github.com/Masterminds/":               {"deployer"},
	"k8s.io/":                               {"deployer/helm", "deployer/kube"},
	"sigs.k8s.io/":                          {"deployer/helm", "deployer/kube"},
	"github.com/santhosh-tekuri/jsonschema": {"deployer/form"},
	"go.yaml.in/yaml":                       {"yamldoc", "config", "catalog", "portal/locale", "deployer"},
	"net/http":                              {"cmd", "bench", "proxy", "portal", "deployer", "identity/iam", "alert"},
	"github.com/gophercloud/":               {"identity/iam"},
	"github.com/yuin/goldmark":              {"portal"},
	"github.com/nicksnyder/":                {"portal/locale"},
	"database/sql":                          {},
}

// pure are packages that know nothing of this module.
var pure = []string{"fault", "secret", "identity/iam/iamtest", "deployer/cce/ccetest", "yamldoc", "proxy/openai", "proxy/anthropic", "proxy/socket", "proxy/proxytest", "proxy/estimate", "proxy/choice", "proxy/audio"}

type goPackage struct {
	ImportPath string
	Imports    []string
}

// packages lists all packages of the module with what they import outside of their tests.
func packages(t *testing.T) []goPackage {
	t.Helper()
	out, err := exec.Command("go", "list", "-e", "-json=ImportPath,Imports", "./...").Output()
	if err != nil {
		t.Fatal(err)
	}
	var all []goPackage
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p goPackage
		err := d.Decode(&p)
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

// within says whether path is one of the parts, or below one.
func within(path string, parts []string) bool {
	return slices.ContainsFunc(parts, func(p string) bool { return path == p || strings.HasPrefix(path, p+"/") })
}

func part(path string) string { first, _, _ := strings.Cut(path, "/"); return first }

func layer(path string) int {
	return slices.IndexFunc(layers, func(l []string) bool { return slices.Contains(l, part(path)) })
}

// forbidden returns why a package may not import another one of this module, or an empty string.
func forbidden(from, to string) string {
	switch {
	case part(to) == "cmd" || part(to) == "bench":
		return "nobody imports a command"
	case from == "proxy/anthropic" && to == "proxy/openai":
		return "" // it translates into the shapes that this one knows
	case within(from, pure):
		return "it knows nothing of the rest"
	case within(to, engines) && part(from) != "cmd" && part(from) != "bench" && !within(from, engines):
		return "only cmd knows the engines"
	case to == "store/storetest":
		return "it is for tests"
	case part(from) == part(to), slices.Contains(except[part(from)], part(to)):
		return ""
	case layer(from) < 0 || layer(to) < 0:
		return "its place in the house is not declared in this test"
	case layer(from) == layer(to):
		return "they stand beside each other and do not know each other"
	case layer(from) > layer(to):
		return "imports go down only"
	}
	return ""
}

// foreign returns why a package may not import one of another module, or an empty string.
func foreign(from, to string) string {
	for prefix, allowed := range outsiders {
		if strings.HasPrefix(to, prefix) && !within(from, allowed) {
			return "only " + strings.Join(allowed, ", ") + " may know it"
		}
	}
	return ""
}

func TestImports(t *testing.T) {
	arrows := 0
	for _, p := range packages(t) {
		from := strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module), "/")
		if from == "" {
			continue // this test
		}
		for _, i := range p.Imports {
			to, own := strings.CutPrefix(i, module+"/")
			why := foreign(from, i)
			if own {
				arrows++
				why = forbidden(from, to)
			}
			if why != "" {
				t.Errorf("%s must not import %s: %s", from, i, why)
			}
		}
	}
	if arrows < 20 {
		t.Errorf("only %d imports within the module were found", arrows)
	}
}

// TestForbiddenArrows makes sure that the rules forbid what they are for.
func TestForbiddenArrows(t *testing.T) {
	for _, arrow := range [][2]string{
		{"proxy", "portal"}, {"portal", "proxy"}, {"portal", "proxy/openai"}, {"proxy/openai", "store"}, {"store", "metering"},
		{"metering", "subscription"}, {"identity", "metering"}, {"subscription", "store/local"}, {"proxy", "store/local"}, {"proxy", "cmd/llmhub"},
		{"fault", "store"}, {"subscription", "config"}, {"store/local", "metering"}, {"store", "store/local"}, {"unheard", "store"},
	} {
		if forbidden(arrow[0], arrow[1]) == "" {
			t.Errorf("%s may import %s", arrow[0], arrow[1])
		}
	}
	for from, to := range map[string]string{
		"subscription": "github.com/gofiber/fiber/v2", "metering": "github.com/valyala/fasthttp", "identity": "net/http",
		"store": "github.com/dgraph-io/badger/v4", "portal": "github.com/spf13/cobra",
	} {
		if foreign(from, to) == "" {
			t.Errorf("%s may import %s", from, to)
		}
	}
	for from, to := range map[string]string{"cmd/llmhub": "store/local", "proxy": "subscription", "metering": "store", "store/local": "store"} {
		if why := forbidden(from, to); why != "" {
			t.Errorf("%s may not import %s: %s", from, to, why)
		}
	}
}
