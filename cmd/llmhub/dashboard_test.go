package main

import (
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

var (
	describedForm = regexp.MustCompile(`^Desc\{fqName: "([^"]+)".*variableLabels: \{(.*)\}\}$`)
	selectorForm  = regexp.MustCompile(`([a-zA-Z_][a-zA-Z0-9_]*)\{([^}]*)\}`)
	matcherForm   = regexp.MustCompile(`([a-zA-Z_][a-zA-Z0-9_]*)(=~|=|!=|!~)"`)
	groupForm     = regexp.MustCompile(`\bby \(([^)]*)\)`)
	legendForm    = regexp.MustCompile(`\{\{([a-z_]+)\}\}`)
	suffixForm    = regexp.MustCompile(`_(bucket|sum|count)$`)
)

// scraped are labels that Prometheus gives to what it reads from a pod.
var scraped = []string{"namespace", "pod", "job"}

type dashboard struct {
	Panels []struct {
		Type, Title string
		Targets     []struct{ Expr, LegendFormat string }
	}
	Templating struct {
		List []struct {
			Name, Type, Definition string
			Query                  any
		}
	}
}

// metricLabels returns the labels of every metric that a server has: of those with figures as they are exposed, of others as they are declared.
func (h *hub) metricLabels(t *testing.T) map[string][]string {
	t.Helper()
	found := map[string][]string{}
	declared := make(chan *prometheus.Desc)
	go func() {
		h.server.registry.Describe(declared)
		close(declared)
	}()
	for d := range declared {
		if m := describedForm.FindStringSubmatch(d.String()); m != nil {
			found[m[1]] = strings.FieldsFunc(m[2], func(r rune) bool { return r == ',' })
		}
	}
	for name, family := range exposition(t, h.url) {
		var labels []string
		for _, l := range family.Metric[0].Label {
			labels = append(labels, l.GetName())
		}
		if was, ok := found[name]; strings.HasPrefix(name, "llmhub_") && (!ok || len(was) != len(labels)) {
			t.Errorf("%s is declared with %q and exposed with %q", name, was, labels)
		}
		found[name] = labels
	}
	return found
}

// TestDashboard compares the Grafana dashboard of the chart with what a server exposes: it asks for nothing that is not there, and
// leaves out nothing of llmhub's own.
func TestDashboard(t *testing.T) {
	h := startHub(t, []string{"m"}, nil)
	a := h.account("dashboard")
	rest(a.ask(t, t.Context(), a.chat("m", true)).Body)
	rest(a.ask(t, t.Context(), a.chat("unknown", true)).Body)
	h.idle()
	labels := h.metricLabels(t)
	text, err := os.ReadFile("../../deploy/chart/dashboards/llmhub.json")
	if err != nil {
		t.Fatal(err)
	}
	var d dashboard
	if err := json.Unmarshal(text, &d); err != nil {
		t.Fatal(err)
	}
	shown := map[string]bool{}
	for _, p := range d.Panels {
		for _, target := range p.Targets {
			for _, fault := range faultsOf(target.Expr, target.LegendFormat, labels, shown) {
				t.Errorf("%s: %s", p.Title, fault)
			}
		}
		if p.Type != "row" && len(p.Targets) == 0 {
			t.Errorf("%s shows nothing", p.Title)
		}
	}
	variables := map[string]bool{"__rate_interval": true}
	for _, v := range d.Templating.List {
		variables[v.Name] = true
		m := regexp.MustCompile(`^label_values\(([a-z_]+)(\{[^}]*\})?, ([a-z_]+)\)$`).FindStringSubmatch(v.Definition)
		switch {
		case v.Type == "datasource":
		case m == nil || labels[m[1]] == nil && !slices.Contains(scraped, m[3]):
			t.Errorf("the variable %s is %q", v.Name, v.Definition)
		case !slices.Contains(append(scraped, labels[m[1]]...), m[3]):
			t.Errorf("%s has no label %s", m[1], m[3])
		}
	}
	for _, m := range regexp.MustCompile(`\$\{?([a-z_]+)`).FindAllStringSubmatch(string(text), -1) {
		if !variables[m[1]] && m[1] != "__all" {
			t.Errorf("there is no variable %s", m[1])
		}
	}
	for name := range labels {
		if strings.HasPrefix(name, "llmhub_") && !shown[name] {
			t.Errorf("%s is not shown", name)
		}
	}
	if len(shown) < 20 {
		t.Errorf("only %d metrics are shown", len(shown))
	}
	h.shutDown(t)
}

// faultsOf returns what is wrong with a query, and notes the metrics that it shows.
func faultsOf(expr, legend string, labels map[string][]string, shown map[string]bool) (faults []string) {
	selectors := selectorForm.FindAllStringSubmatch(expr, -1)
	if len(selectors) == 0 {
		return []string{"no metric in " + expr}
	}
	var grouped []string
	for _, m := range groupForm.FindAllStringSubmatch(expr, -1) {
		grouped = append(grouped, strings.Split(strings.ReplaceAll(m[1], " ", ""), ",")...)
	}
	for _, s := range selectors {
		name := s[1]
		used := slices.Clone(grouped)
		if suffixForm.MatchString(name) && labels[name] == nil {
			name = suffixForm.ReplaceAllString(name, "")
		}
		have, ok := labels[name]
		if !ok {
			faults = append(faults, "there is no "+s[1])
			continue
		}
		shown[name] = true
		for _, m := range matcherForm.FindAllStringSubmatch(s[2], -1) {
			used = append(used, m[1])
		}
		for _, label := range used {
			if !slices.Contains(scraped, label) && !slices.Contains(have, label) && !(label == "le" && strings.HasSuffix(s[1], "_bucket")) {
				faults = append(faults, s[1]+" has no label "+label)
			}
		}
	}
	for _, m := range legendForm.FindAllStringSubmatch(legend, -1) {
		if !slices.Contains(grouped, m[1]) {
			faults = append(faults, "the legend names "+m[1]+", which is summed up")
		}
	}
	return faults
}
