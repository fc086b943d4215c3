package catalog

import (
	"encoding/json"
	"fmt"
	"path"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"

	"llmhub/yamldoc"
)

// chart is what is known of a chart without Helm.
type chart struct {
	name    string
	version string
	values  map[string]any
}

// has says whether a dotted path leads to something in the values. What hangs in an empty or open mapping is taken to be there.
func (c *chart) has(key string) bool {
	at := c.values
	for _, part := range strings.Split(key, ".") {
		if len(at) == 0 {
			return true
		}
		v, ok := at[part]
		if !ok {
			return false
		}
		next, isMap := v.(map[string]any)
		if !isMap && v != nil {
			next = map[string]any{"": nil} // a plain value: nothing is below it
		}
		at = next
	}
	return true
}

// checkChart returns what a chart says of itself and what is wrong with it; the files of the faults are relative to the chart.
func checkChart(files []ChartFile) (*chart, []yamldoc.Fault) {
	c := &chart{}
	var faults []yamldoc.Fault
	note := func(file string, line int, format string, args ...any) {
		faults = append(faults, yamldoc.Fault{File: file, Line: line, Message: fmt.Sprintf(format, args...)})
	}
	byName := map[string][]byte{}
	templates := 0
	for _, f := range files {
		byName[f.Name] = f.Data
		if ext := path.Ext(f.Name); strings.HasPrefix(f.Name, "templates/") && (ext == ".yaml" || ext == ".yml") && len(strings.TrimSpace(string(f.Data))) > 0 {
			templates++
		}
	}
	c.metadata(byName, note)
	if text, ok := byName["values.yaml"]; !ok {
		note("values.yaml", 0, "is missing")
	} else if err := yaml.Unmarshal(text, &c.values); err != nil {
		line, reason := yamldoc.Syntax(err)
		note("values.yaml", line, "is not a YAML mapping: %s", reason)
	}
	if text, ok := byName["values.schema.json"]; ok {
		checkSchema(text, note)
	}
	if templates == 0 {
		note("templates", 0, "holds no template")
	}
	return c, faults
}

// metadata reads Chart.yaml. Keys that are not looked at are Helm's business.
func (c *chart) metadata(files map[string][]byte, note func(file string, line int, format string, args ...any)) {
	const file = "Chart.yaml"
	text, ok := files[file]
	if !ok {
		note(file, 0, "is missing")
		return
	}
	var meta struct {
		APIVersion   string `yaml:"apiVersion"`
		Name         string `yaml:"name"`
		Version      string `yaml:"version"`
		Type         string `yaml:"type"`
		Dependencies []struct {
			Name string `yaml:"name"`
		} `yaml:"dependencies"`
	}
	if err := yaml.Unmarshal(text, &meta); err != nil {
		line, reason := yamldoc.Syntax(err)
		note(file, line, "is not valid: %s", reason)
		return
	}
	if meta.APIVersion != "v2" {
		note(file, 0, "apiVersion must be v2, not %s", yamldoc.Quote(meta.APIVersion))
	}
	if !chartNameForm.MatchString(meta.Name) {
		note(file, 0, "name %s is not the name of a chart: lower-case letters, digits and hyphens", yamldoc.Quote(meta.Name))
	}
	if !versionForm.MatchString(meta.Version) {
		note(file, 0, "version %s is not %s", yamldoc.Quote(meta.Version), versionRule)
	}
	if meta.Type != "" && meta.Type != "application" {
		note(file, 0, "type must be application, not %s", yamldoc.Quote(meta.Type))
	}
	for _, dep := range meta.Dependencies {
		if !vendored(files, dep.Name) {
			note(file, 0, "the dependency %s is not in the folder charts", yamldoc.Quote(dep.Name))
		}
	}
	c.name, c.version = meta.Name, meta.Version
}

// vendored says whether a chart that this one depends on is part of it, as a folder or an archive.
func vendored(files map[string][]byte, name string) bool {
	archive := regexp.MustCompile(`^charts/` + regexp.QuoteMeta(name) + `-\d[^/]*\.tgz$`)
	for file := range files {
		if file == "charts/"+name+"/Chart.yaml" || archive.MatchString(file) {
			return true
		}
	}
	return false
}

// checkSchema refuses a schema that would have to be fetched from elsewhere.
func checkSchema(text []byte, note func(file string, line int, format string, args ...any)) {
	const file = "values.schema.json"
	var schema map[string]any
	if err := json.Unmarshal(text, &schema); err != nil {
		note(file, 0, "is not a JSON object: %s", err)
		return
	}
	if ref := ForeignRef(schema); ref != "" {
		note(file, 0, "%s leads out of the schema", ref)
	}
}

// ForeignRef returns a reference in a JSON schema that is not to the schema itself, such as $ref "https://example.com/s", empty if
// there is none: a validator would fetch it from wherever it leads to. A $schema is one too, unless it names one of the drafts that validators have.
func ForeignRef(v any) string {
	switch v := v.(type) {
	case map[string]any:
		for _, key := range []string{"$ref", "$dynamicRef", "$recursiveRef"} {
			if ref, ok := v[key].(string); ok && !strings.HasPrefix(ref, "#") {
				return key + " " + yamldoc.Quote(ref)
			}
		}
		if draft, ok := v["$schema"].(string); ok && !draftForm.MatchString(draft) {
			return "$schema " + yamldoc.Quote(draft)
		}
		for _, child := range v {
			if ref := ForeignRef(child); ref != "" {
				return ref
			}
		}
	case []any:
		for _, child := range v {
			if ref := ForeignRef(child); ref != "" {
				return ref
			}
		}
	}
	return ""
}

var draftForm = regexp.MustCompile(`^https?://json-schema\.org/(draft-0[467]|draft/20(19-09|20-12))/schema#?$`)
