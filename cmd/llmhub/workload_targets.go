package main

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"

	"github.com/spf13/cobra"
)

func newWorkloadTargets(api *apiFlags) *cobra.Command {
	var project, cluster string
	cmd := &cobra.Command{
		Use:   "targets [--project ID [--cluster ID]]",
		Short: "Find the project, cluster and namespace to deploy to",
		Long: `Find where to deploy: projects, or the clusters of a project, or the namespaces and storage classes of a
cluster. The project "configured" has the clusters that the operator has configured.`,
		Example: `  llmhub workload targets
  llmhub workload targets --project PROJECT
  llmhub workload targets --project PROJECT --cluster CLUSTER`,
		Args: cobra.NoArgs,
	}
	cmd.Flags().StringVar(&project, "project", "", "show the clusters of this project")
	cmd.Flags().StringVar(&cluster, "cluster", "", "show the namespaces and storage classes of this cluster")
	return api.clusterCommand(cmd, func(cmd *cobra.Command, _ []string, c *client) (json.RawMessage, error) {
		path := "/projects"
		switch {
		case cluster != "" && project == "":
			return nil, usagef("--cluster needs --project")
		case cluster != "":
			path += "/" + url.PathEscape(project) + "/clusters/" + url.PathEscape(cluster)
		case project != "":
			path += "/" + url.PathEscape(project) + "/clusters"
		}
		return c.get(cmd.Context(), path, nil)
	}, func(text json.RawMessage) error {
		switch {
		case cluster != "":
			return showCluster(api.env, text)
		case project != "":
			return showClusters(api.env, text)
		}
		return showProjects(api.env, text)
	})
}

func showProjects(env *environment, text json.RawMessage) error {
	var list struct {
		Data []struct {
			ID, Name string
			Enabled  bool
		}
	}
	if err := json.Unmarshal(text, &list); err != nil {
		return err
	}
	rows := make([][]string, len(list.Data))
	for i, p := range list.Data {
		rows[i] = []string{p.ID, p.Name, yes(p.Enabled)}
	}
	return printTable(env.stdout, left("PROJECT", "NAME", "ENABLED"), rows)
}

func showClusters(env *environment, text json.RawMessage) error {
	var list struct {
		Data []struct {
			ID, Name, Version, Phase, Message string
			Available                         bool
		}
	}
	if err := json.Unmarshal(text, &list); err != nil {
		return err
	}
	rows := make([][]string, len(list.Data))
	for i, c := range list.Data {
		rows[i] = []string{c.ID, c.Name, dash(c.Version), yes(c.Available), dash(strings.TrimPrefix(strings.TrimSuffix(c.Phase+": "+c.Message, ": "), ": "))}
	}
	return printTable(env.stdout, left("CLUSTER", "NAME", "VERSION", "AVAILABLE", "STATE"), rows)
}

func showCluster(env *environment, text json.RawMessage) error {
	var c struct {
		Version    string
		Namespaces []struct {
			Name   string
			Usable bool
		}
		Classes []struct {
			Name    string
			Default bool
		} `json:"storage_classes"`
	}
	if err := json.Unmarshal(text, &c); err != nil {
		return err
	}
	rows := [][]string{{"version", c.Version, ""}}
	for _, n := range c.Namespaces {
		note := ""
		if !n.Usable {
			note = "is being deleted"
		}
		rows = append(rows, []string{"namespace", n.Name, note})
	}
	for _, s := range c.Classes {
		note := ""
		if s.Default {
			note = "the default"
		}
		rows = append(rows, []string{"storage class", s.Name, note})
	}
	return printTable(env.stdout, left("WHAT", "NAME", "NOTE"), rows)
}

func yes(v bool) string {
	if v {
		return "yes"
	}
	return "no"
}

func newWorkloadForm(api *apiFlags) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "form PRODUCT",
		Short:   "List the values and secrets that a product can be deployed with",
		Example: "  llmhub workload form valkey",
		Args:    oneProduct,
	}
	return api.command(cmd, func(cmd *cobra.Command, args []string, c *client) (json.RawMessage, error) {
		return c.get(cmd.Context(), productPath(args[0])+"/form", nil)
	}, func(text json.RawMessage) error {
		var form struct{ Fields []fieldAnswer }
		if err := json.Unmarshal(text, &form); err != nil {
			return err
		}
		rows := make([][]string, len(form.Fields))
		for i, f := range form.Fields {
			rows[i] = []string{f.Path, f.Kind, yes(f.Required), f.standard(), f.Label["en"], f.limits()}
		}
		return printTable(api.env.stdout, left("PATH", "KIND", "REQUIRED", "DEFAULT", "LABEL", "ALLOWED"), rows)
	})
}

// fieldAnswer is a field of a product's form.
type fieldAnswer struct {
	Path, Kind   string
	Required     bool
	Label        map[string]string
	Default      []string
	ChartDefault string `json:"chart_default"`
	Options      []struct{ Value string }
	Minimum      *float64
	Maximum      *float64
}

// standard returns what holds if nothing is given.
func (f fieldAnswer) standard() string {
	if len(f.Default) > 0 {
		return strings.Join(f.Default, ",")
	}
	return dash(f.ChartDefault)
}

// limits says which values are allowed, as far as that goes in a line.
func (f fieldAnswer) limits() string {
	var parts []string
	for _, o := range f.Options {
		parts = append(parts, o.Value)
	}
	if f.Minimum != nil {
		parts = append(parts, fmt.Sprintf("from %g", *f.Minimum))
	}
	if f.Maximum != nil {
		parts = append(parts, fmt.Sprintf("up to %g", *f.Maximum))
	}
	return strings.Join(parts, " ")
}
