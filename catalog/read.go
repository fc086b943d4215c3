package catalog

import (
	"path"
	"slices"

	"llmhub/fault"
	"llmhub/yamldoc"
)

const (
	maxProductCategories = 5
	maxSoftware          = 50
	maxModels            = 200
	maxWeight            = 10_000
)

func (d *decoder) product(p *Product, n node) {
	if !d.Mapping(n,
		required("type", yamldoc.Choice(d.Decoder, &p.Type, TypeCCE, TypeLLM)),
		optional("licence", yamldoc.Choice(d.Decoder, &p.Licence, OpenSource, Free, Trial, BYOL)),
		required("name", d.phrase(&p.Name, maxNameRunes)),
		required("version", d.version(&p.Version)),
		optional("revision", yamldoc.Count(d.Decoder, &p.Revision, 1, 1_000_000)),
		required("seller", d.seller(&p.Seller)),
		optional("icon", d.icon(p)),
		required("summary", d.text(&p.Summary, 200, false)),
		required("description", d.markdown(&p.Description)),
		optional("pre_deployment", d.markdown(&p.PreDeployment)),
		optional("deployment", d.markdown(&p.Deployment)),
		optional("post_deployment", d.markdown(&p.PostDeployment)),
		required("categories", d.productCategories(&p.Categories)),
		optional("licence_fee", d.line(&p.LicenceFee)),
		optional("licence_info", d.paragraph(&p.LicenceInfo)),
		required("price_info", d.paragraph(&p.PriceInfo)),
		optional("used_software", d.software(&p.UsedSoftware)),
		required("documents", func(n node) { d.documents(&p.Documents, n, d.loader.documents) }),
		optional("weight", yamldoc.Count(d.Decoder, &p.Weight, 0, maxWeight)),
		optional("recommended", d.Flag(&p.Recommended)),
		required("published", d.date(&p.Published)),
		optional("end_of_life", d.date(&p.EndOfLife)),
		optional("llm", d.llm(&p.LLM)),
		optional("cce", d.cce(&p.CCE)),
	) {
		return
	}
	d.agreement(p, n)
	p.Documents = append(p.Documents, d.loader.documents...)
}

// agreement checks what depends on several keys of a product.
func (d *decoder) agreement(p *Product, n node) {
	if p.EndOfLife != "" && p.Published != "" && p.EndOfLife <= p.Published {
		d.Fault(child(n, "end_of_life"), "must be later than the date of publication, %s", p.Published)
	}
	if len(p.Documents) > 0 && !slices.ContainsFunc(p.Documents, func(doc Document) bool { return doc.Consent }) {
		d.Fault(child(n, "documents"), "needs one with consent: true; what the seller's terms are must be accepted before buying")
	}
	switch p.Type {
	case TypeLLM:
		d.need(n, "llm", TypeLLM, p.LLM != nil)
		for _, key := range []string{"licence", "licence_fee", "licence_info", "pre_deployment", "cce"} {
			d.refuse(n, key, TypeLLM)
		}
	case TypeCCE:
		d.need(n, "cce", TypeCCE, p.CCE != nil)
		d.need(n, "licence", TypeCCE, p.Licence != "")
		d.need(n, "licence_fee", TypeCCE, p.LicenceFee != nil)
		d.need(n, "post_deployment", TypeCCE, p.PostDeployment != nil)
		d.refuse(n, "llm", TypeCCE)
		if at := child(n, "cce"); p.CCE != nil && p.Licence != "" {
			d.licence(p, at)
		}
	}
}

// licence checks that cce.byol stands where the licence asks for it, and only there.
func (d *decoder) licence(p *Product, at node) {
	switch {
	case p.Licence == BYOL && p.CCE.BYOL == nil:
		d.Fault(at.Named("byol"), "is required with the licence %s", BYOL)
	case p.Licence != BYOL && p.CCE.BYOL != nil:
		d.Fault(child(at, "byol"), "is only for the licence %s", BYOL)
	}
}

// need reports a missing key once; one that is there and wrong has its own fault.
func (d *decoder) need(n node, key string, of Type, given bool) {
	if at := child(n, key); !given && at.Node == n.Node {
		d.Fault(at, "is required with the type %s", of)
	}
}

func (d *decoder) refuse(n node, key string, of Type) {
	if at := child(n, key); at.Node != n.Node {
		d.Fault(at, "has no place in a product of the type %s", of)
	}
}

func (d *decoder) seller(into *Seller) reader {
	return func(n node) {
		var id string
		d.id(&id)(n)
		if id == "" {
			return
		}
		s, known := d.loader.sellers[id]
		if !known && d.loader.sellers != nil {
			d.Fault(n, "there is no seller %s in %s", yamldoc.Quote(id), catalogFile)
		}
		*into = s
	}
}

// productCategories keeps the order of the catalog's categories.
func (d *decoder) productCategories(into *[]string) reader {
	return func(list node) {
		seen := map[string]int{}
		d.Sequence(list, maxProductCategories, func(_ int, n node) {
			var id string
			d.id(&id)(n)
			known := slices.ContainsFunc(d.loader.categories, func(c Category) bool { return c.ID == id })
			if id != "" && !known && d.loader.categories != nil {
				d.Fault(n, "there is no category %s in %s", yamldoc.Quote(id), catalogFile)
			}
			d.once(seen, n, id, "category")
		})
		for _, c := range d.loader.categories {
			if _, ok := seen[c.ID]; ok {
				*into = append(*into, c.ID)
			}
		}
	}
}

func (d *decoder) software(into *[]Software) reader {
	return func(list node) {
		seen := map[string]int{}
		d.Sequence(list, maxSoftware, func(_ int, n node) {
			var s Software
			d.Mapping(n,
				required("name", d.phrase(&s.Name, maxLineRunes)),
				required("licence", d.phrase(&s.Licence, maxLineRunes)),
				required("url", d.link(&s.URL)),
			)
			d.once(seen, child(n, "name"), s.Name, "name of the software")
			*into = append(*into, s)
		})
	}
}

func (d *decoder) icon(p *Product) reader {
	return func(n node) {
		data, ok := d.content(n, &p.Icon, maxIconBytes)
		if !ok {
			return
		}
		if line, err := checkSVG(data); err != nil {
			l := d.loader
			l.faults = append(l.faults, yamldoc.Fault{File: l.shown(path.Join(d.dir, p.Icon)), Line: line, Message: err.Error()})
			return
		}
		p.icon = data
	}
}

func (d *decoder) llm(into **LLM) reader {
	return func(n node) {
		var m LLM
		d.Mapping(n,
			optional("models", d.models(&m.Models)),
			required("documentation_url", d.link(&m.DocumentationURL)),
		)
		*into = &m
	}
}

func (d *decoder) models(into *[]string) reader {
	return func(list node) {
		seen := map[string]int{}
		d.Sequence(list, maxModels, func(_ int, n node) {
			var name string
			d.phrase(&name, fault.MaxModelBytes)(n)
			d.once(seen, n, name, "model")
			*into = append(*into, name)
		})
	}
}
