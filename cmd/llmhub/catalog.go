package main

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"llmhub/catalog"
)

func newCatalogCommand(env *environment) *cobra.Command {
	return group(&cobra.Command{
		Use:   "catalog",
		Short: "Check a catalog of products",
	}, newCatalogCheck(env))
}

func newCatalogCheck(env *environment) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "check DIR",
		Short: "Report everything that is wrong with a catalog of products",
		Long: `Read a folder with a catalog of products, with all its documents, icons and charts, and report
all that is wrong, each with its file and line. Nothing is started, written or fetched: charts in
repositories and registries are not looked at. Without faults the products are listed, with the
digests of the documents that customers accept. Exit code 1 if there are faults.`,
		Example: `  llmhub catalog check /etc/llmhub/catalog
  llmhub catalog check ./catalog --json`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 || args[0] == "" {
				return usagef("%s needs one folder", cmd.CommandPath())
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error { return checkCatalog(env, args[0], asJSON) },
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// checkCatalog prints what the catalog holds, or its faults.
func checkCatalog(env *environment, dir string, asJSON bool) error {
	c, err := catalog.LoadDir(dir)
	var faults *catalog.Faults
	if err != nil && !errors.As(err, &faults) {
		return err
	}
	switch {
	case faults != nil:
		return reportFaults(env, dir, faults, asJSON)
	case asJSON:
		return printCatalogJSON(env, c)
	}
	return printCatalog(env, c)
}

func printCatalog(env *environment, c *catalog.Catalog) error {
	var rows [][]string
	for _, p := range c.All() {
		rows = append(rows, []string{p.ID, string(p.Type), dash(string(p.Licence)), p.Name, p.Version, p.Seller.Name, chartOf(p)})
	}
	if err := printTable(env.stdout, left("ID", "TYPE", "LICENCE", "NAME", "VERSION", "SELLER", "CHART"), rows); err != nil {
		return err
	}
	_, err := fmt.Fprintf(env.stdout, "ok: %s\n", plural(len(rows), "product"))
	return err
}

// chartOf names the chart of a product and where it comes from.
func chartOf(p catalog.Product) string {
	if p.CCE == nil {
		return "-"
	}
	return fmt.Sprintf("%s %s (%s)", p.CCE.Chart.Name, p.CCE.Chart.Version, p.CCE.Chart.Kind)
}

func dash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

type productAnswer struct {
	ID        string           `json:"id"`
	Type      string           `json:"type"`
	Licence   string           `json:"licence,omitempty"`
	Name      string           `json:"name"`
	Version   string           `json:"version"`
	Seller    string           `json:"seller"`
	Chart     *chartAnswer     `json:"chart,omitempty"`
	Documents []documentAnswer `json:"documents"`
}

type chartAnswer struct {
	Kind    string `json:"kind"`
	Name    string `json:"name"`
	Version string `json:"version"`
	Digest  string `json:"digest,omitempty"`
}

type documentAnswer struct {
	ID      string `json:"id"`
	Version string `json:"version"`
	Consent bool   `json:"consent"`
	Digest  string `json:"digest"`
}

func printCatalogJSON(env *environment, c *catalog.Catalog) error {
	products := []productAnswer{}
	for _, p := range c.All() {
		a := productAnswer{ID: p.ID, Type: string(p.Type), Licence: string(p.Licence), Name: p.Name, Version: p.Version, Seller: p.Seller.ID}
		if p.CCE != nil {
			chart := p.CCE.Chart
			a.Chart = &chartAnswer{string(chart.Kind), chart.Name, chart.Version, chart.Digest}
		}
		for _, d := range p.Documents {
			a.Documents = append(a.Documents, documentAnswer{d.ID, d.Version, d.Consent, d.Digest})
		}
		products = append(products, a)
	}
	text, err := json.Marshal(map[string]any{"ok": true, "faults": []faultAnswer{}, "products": products})
	if err != nil {
		return err
	}
	return printJSON(env.stdout, text)
}
