package helm

import (
	"encoding/json"
	"fmt"

	"helm.sh/helm/v3/pkg/action"
	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chart/loader"

	"llmhub/catalog"
	"llmhub/deployer"
)

// load returns the chart that files make.
func load(files []catalog.ChartFile) (*chart.Chart, error) {
	buffered := make([]*loader.BufferedFile, len(files))
	for i, f := range files {
		buffered[i] = &loader.BufferedFile{Name: f.Name, Data: f.Data}
	}
	c, err := loader.LoadFiles(buffered)
	if err == nil {
		err = check(c)
	}
	if err != nil {
		return nil, &deployer.Reason{Code: deployer.ChartInvalid, Detail: bounded(err.Error())}
	}
	return c, nil
}

// check refuses charts that Helm would not install, and schemas that lead out of themselves.
func check(c *chart.Chart) error {
	if err := c.Validate(); err != nil {
		return err
	}
	if t := c.Metadata.Type; t != "" && t != "application" {
		return fmt.Errorf("a chart of the type %.20q cannot be installed", t)
	}
	if err := action.CheckDependencies(c, c.Metadata.Dependencies); err != nil {
		return err
	}
	return checkSchemas(c)
}

func checkSchemas(c *chart.Chart) error {
	if len(c.Schema) > 0 {
		var schema any
		if err := json.Unmarshal(c.Schema, &schema); err != nil {
			return fmt.Errorf("%s: values.schema.json: %w", c.Name(), err)
		}
		if ref := catalog.ForeignRef(schema); ref != "" {
			return fmt.Errorf("%s: values.schema.json: %s leads out of the schema", c.Name(), ref)
		}
	}
	for _, sub := range c.Dependencies() {
		if err := checkSchemas(sub); err != nil {
			return err
		}
	}
	return nil
}
