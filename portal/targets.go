package portal

import (
	"strings"

	"llmhub/catalog"
	"llmhub/deployer"
	"llmhub/deployer/form"
	"llmhub/identity"
)

// projectView is a part of the tenant's domain at the cloud.
type projectView struct {
	ID      string `json:"id" doc:"Of the cloud; \"configured\" stands for the clusters that the operator has configured."`
	Name    string `json:"name" example:"eu-de_example"`
	Enabled bool   `json:"enabled"`
}

func (p *Portal) listProjects(r *request) (page[projectView], error) {
	cred, err := p.credential(r)
	if err != nil {
		return page[projectView]{}, err
	}
	list, err := p.deploying.Projects(r.ctx, r.by, cred)
	return pageOf(list, "", func(v identity.Project) projectView { return projectView(v) }), err
}

// clusterView is a cluster as a list of them tells. What is not told is absent.
type clusterView struct {
	ID        string `json:"id"`
	Name      string `json:"name"`
	Version   string `json:"version,omitempty" example:"v1.29"`
	Type      string `json:"type,omitempty"`
	Available bool   `json:"available" doc:"Whether it can be chosen."`
	Phase     string `json:"phase,omitempty" doc:"The cloud's word for its state." example:"Available"`
	Message   string `json:"message,omitempty" doc:"The cloud's text on a state other than available."`
}

func (p *Portal) listClusters(r *request) (page[clusterView], error) {
	id, err := r.id()
	if err != nil {
		return page[clusterView]{}, err
	}
	cred, err := p.credential(r)
	if err != nil {
		return page[clusterView]{}, err
	}
	list, err := p.deploying.Clusters(r.ctx, r.by, cred, id)
	return pageOf(list, "", func(v deployer.ClusterInfo) clusterView { return clusterView(v) }), err
}

// clusterDetailsView is what is read live of a cluster.
type clusterDetailsView struct {
	Version        string             `json:"version" example:"v1.29.3"`
	Nodes          *int               `json:"nodes,omitempty" doc:"This and the next three are absent where the user may not read them."`
	ReadyNodes     *int               `json:"ready_nodes,omitempty"`
	FreeMilliCPU   *int64             `json:"free_milli_cpu,omitempty" doc:"What pods can still ask for on all nodes together, in thousandths of a CPU."`
	FreeMemoryMiB  *int64             `json:"free_memory_mib,omitempty"`
	Namespaces     []namespaceView    `json:"namespaces"`
	StorageClasses []storageClassView `json:"storage_classes" doc:"None if the user may not read them."`
}

type namespaceView struct {
	Name   string `json:"name" example:"default"`
	Usable bool   `json:"usable" doc:"False while it is being deleted."`
}

type storageClassView struct {
	Name        string `json:"name" example:"csi-disk"`
	Provisioner string `json:"provisioner"`
	Default     bool   `json:"default"`
	Expandable  bool   `json:"expandable"`
}

func (p *Portal) getCluster(r *request) (clusterDetailsView, error) {
	id, err := r.id()
	if err != nil {
		return clusterDetailsView{}, err
	}
	cluster := strings.Clone(r.c.Params("cluster"))
	if len(cluster) > maxIDBytes {
		return clusterDetailsView{}, notFound("there is no such ID")
	}
	cred, err := p.credential(r)
	if err != nil {
		return clusterDetailsView{}, err
	}
	d, err := p.deploying.Cluster(r.ctx, r.by, cred, id, cluster)
	return clusterDetailsView{
		Version: d.Facts.Version, Nodes: countOf(d.Facts.Nodes), ReadyNodes: countOf(d.Facts.ReadyNodes),
		FreeMilliCPU: countOf(d.Facts.FreeMilliCPU), FreeMemoryMiB: countOf(d.Facts.FreeMemoryMiB),
		Namespaces:     pageOf(d.Namespaces, "", func(v deployer.Namespace) namespaceView { return namespaceView(v) }).Data,
		StorageClasses: pageOf(d.StorageClasses, "", func(v deployer.StorageClass) storageClassView { return storageClassView(v) }).Data,
	}, err
}

// countOf returns a count, nil if it is negative and so not known.
func countOf[T int | int64](n T) *T {
	if n < 0 {
		return nil
	}
	return &n
}

// formView is the configuration form of a product.
type formView struct {
	Fields []fieldView `json:"fields" doc:"In the order in which they are shown."`
}

// fieldView is a field of a form. Texts are by language.
type fieldView struct {
	Path         string         `json:"path" doc:"Into the chart's values." example:"auth.username"`
	Label        catalog.Text   `json:"label"`
	Hint         catalog.Text   `json:"hint,omitempty"`
	Tooltip      catalog.Text   `json:"tooltip,omitempty"`
	Group        catalog.Text   `json:"group,omitempty" doc:"Heads fields that belong together."`
	Kind         string         `json:"kind" enum:"text,text-area,secret,select,multi,switch,number,size,storage-class,list" doc:"multi and list take lists; a secret goes into the secrets of the body, all others into its values."`
	Required     bool           `json:"required"`
	Default      []string       `json:"default" doc:"What holds if nothing is given; none leaves it to the chart."`
	ChartDefault string         `json:"chart_default,omitempty" doc:"What the chart takes by itself."`
	Options      []optionView   `json:"options,omitempty" doc:"For select and multi: all values there are."`
	Patterns     []patternView  `json:"patterns,omitempty" doc:"What each value must match."`
	ShowIf       *conditionView `json:"show_if,omitempty" doc:"When the field is of use; absent for always."`
	Minimum      *float64       `json:"minimum,omitempty"`
	Maximum      *float64       `json:"maximum,omitempty"`
	Integer      bool           `json:"integer,omitempty" doc:"For number: no fractions."`
	MaxLength    int            `json:"max_length,omitempty" doc:"In characters."`
}

type optionView struct {
	Value string       `json:"value"`
	Label catalog.Text `json:"label"`
}

type patternView struct {
	Pattern string       `json:"pattern"`
	Message catalog.Text `json:"message"`
}

type conditionView struct {
	Path  string `json:"path"`
	Value string `json:"value"`
}

func (p *Portal) getProductForm(r *request) (formView, error) {
	id, err := r.id()
	if err != nil {
		return formView{}, err
	}
	f, err := p.deploying.ProductForm(r.ctx, id)
	if err != nil {
		return formView{}, err
	}
	v := formView{Fields: []fieldView{}}
	for _, field := range f.Fields {
		if !field.Hidden {
			v.Fields = append(v.Fields, viewField(field))
		}
	}
	return v, nil
}

func viewField(f form.Field) fieldView {
	v := fieldView{
		Path: f.Path, Label: f.Label, Hint: f.Hint, Tooltip: f.Tooltip, Group: f.Group, Kind: string(f.Kind), Required: f.Required,
		Default: orEmpty(f.Default), ChartDefault: f.ChartDefault, Minimum: f.Minimum, Maximum: f.Maximum, Integer: f.Integer,
		MaxLength: f.MaxLength, ShowIf: (*conditionView)(f.ShowIf),
	}
	for _, o := range f.Options {
		v.Options = append(v.Options, optionView{o.Value, o.Label})
	}
	for _, m := range f.Patterns {
		v.Patterns = append(v.Patterns, patternView{m.Pattern, m.Message})
	}
	return v
}
