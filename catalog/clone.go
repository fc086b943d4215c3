package catalog

import (
	"maps"
	"slices"
)

// clone copies all that a caller could change in a product.
func (p Product) clone() Product {
	for _, t := range []*Text{&p.Summary, &p.Description, &p.PreDeployment, &p.Deployment, &p.PostDeployment, &p.LicenceFee, &p.LicenceInfo, &p.PriceInfo} {
		*t = maps.Clone(*t)
	}
	p.Categories = slices.Clone(p.Categories)
	p.UsedSoftware = slices.Clone(p.UsedSoftware)
	p.Documents = slices.Clone(p.Documents)
	for i := range p.Documents {
		p.Documents[i].Title = maps.Clone(p.Documents[i].Title)
		p.Documents[i].Content = maps.Clone(p.Documents[i].Content)
	}
	if p.LLM != nil {
		p.LLM = &LLM{Models: slices.Clone(p.LLM.Models), DocumentationURL: p.LLM.DocumentationURL}
	}
	if p.CCE != nil {
		p.CCE = p.CCE.clone()
	}
	return p
}

// clone leaves the files of the chart shared: only Files hands them out, as copies.
func (c CCE) clone() *CCE {
	c.Fields = slices.Clone(c.Fields)
	for i := range c.Fields {
		f := &c.Fields[i]
		f.Label, f.Hint, f.Tooltip = maps.Clone(f.Label), maps.Clone(f.Hint), maps.Clone(f.Tooltip)
		f.Values = slices.Clone(f.Values)
		for j := range f.Values {
			f.Values[j].Label = maps.Clone(f.Values[j].Label)
		}
		f.Validation = slices.Clone(f.Validation)
		for j := range f.Validation {
			f.Validation[j].Message = maps.Clone(f.Validation[j].Message)
		}
	}
	if c.BYOL != nil {
		b := *c.BYOL
		c.BYOL = &b
	}
	return &c
}

func cloneFiles(files []ChartFile) []ChartFile {
	files = slices.Clone(files)
	for i := range files {
		files[i].Data = slices.Clone(files[i].Data)
	}
	return files
}

func cloneCategories(list []Category) []Category {
	list = slices.Clone(list)
	for i := range list {
		list[i].Name, list[i].Description = maps.Clone(list[i].Name), maps.Clone(list[i].Description)
	}
	return list
}
