package catalog

import "slices"

// Type is what a product is delivered as.
type Type string

// The types.
const (
	// TypeCCE is deployed to a customer's own CCE (Kubernetes) cluster.
	TypeCCE Type = "cce"
	// TypeLLM is a subscription of models behind the gateway.
	TypeLLM Type = "llm"
)

// Licence is the kind of licence of a product of TypeCCE; empty for TypeLLM.
type Licence string

// The licences.
const (
	OpenSource Licence = "open-source"
	Free       Licence = "free"
	Trial      Licence = "trial"
	// BYOL is a licence that the customer buys from the seller and brings along.
	BYOL Licence = "byol"
)

// Product is a product offering. What a Catalog returns belongs to the caller.
type Product struct {
	// ID is the name of the product's folder.
	ID       string
	Type     Type
	Licence  Licence
	Name     string
	Version  string
	Revision int
	Seller   Seller
	// Icon is the name of an SVG file, empty if there is none; IconSVG returns its content.
	Icon string
	// Summary is a line or two of plain text; the next four are Markdown.
	Summary        Text
	Description    Text
	PreDeployment  Text
	Deployment     Text
	PostDeployment Text
	// Categories are IDs, in the order of the catalog's.
	Categories   []string
	LicenceFee   Text
	LicenceInfo  Text
	PriceInfo    Text
	UsedSoftware []Software
	// Documents are the product's own, then those of the marketplace.
	Documents []Document
	// Weight orders the catalog, higher first.
	Weight      int
	Recommended bool
	// Published and EndOfLife are dates such as 2026-01-31. EndOfLife is empty if there is none.
	Published string
	EndOfLife string
	// LLM is set for TypeLLM, CCE for TypeCCE.
	LLM *LLM
	CCE *CCE

	icon []byte
}

// Seller offers products.
type Seller struct {
	ID           string
	Name         string
	Email        string
	SupportEmail string
	SupportURL   string
	Website      string
	// Verified says that the operator of the marketplace has checked who this is.
	Verified bool
}

// Category groups products.
type Category struct {
	ID          string
	Name        Text
	Description Text
}

// Software is something a product is made of, with its licence.
type Software struct {
	Name    string
	Licence string
	// URL leads to the text of the licence.
	URL string
}

// Document is a contractual document.
type Document struct {
	// ID is such as eula, terms or service-description; unique within a product.
	ID      string
	Title   Text
	Version string
	// Date is such as 2026-01-31.
	Date    string
	Content Text
	// Consent says that the document must be accepted before the product is bought.
	Consent bool
	// Digest is "sha256:" and the hexadecimal digest of the content in all languages.
	Digest string
}

// LLM is what a product of TypeLLM has besides.
type LLM struct {
	// Models that a subscription grants; none means all models of the gateway.
	Models           []string
	DocumentationURL string
}

// Price is what the customer pays the seller for a product, in one word.
type Price string

// The prices. Infrastructure is another matter: disks and load balancers are billed to the tenant in every case.
const (
	PriceNone       Price = "none"
	PriceTrial      Price = "trial"
	PriceOwnLicence Price = "own-licence"
	PriceUsage      Price = "usage"
)

// Price returns the kind of price of the product.
func (p Product) Price() Price {
	switch {
	case p.Type == TypeLLM:
		return PriceUsage
	case p.Licence == Trial:
		return PriceTrial
	case p.Licence == BYOL:
		return PriceOwnLicence
	}
	return PriceNone
}

// IconSVG returns the icon, nil if there is none. It holds no script, no style and no reference to anything outside.
func (p Product) IconSVG() []byte { return slices.Clone(p.icon) }

// OnSale says whether the product can be bought on a day such as 2026-01-31: it is published, and its end of life has not come.
func (p Product) OnSale(day string) bool {
	return p.Published <= day && (p.EndOfLife == "" || day < p.EndOfLife)
}

// Consents returns the documents that must be accepted before the product is bought.
func (p Product) Consents() []Document {
	return slices.DeleteFunc(slices.Clone(p.Documents), func(d Document) bool { return !d.Consent })
}

// Document returns one of the product's documents.
func (p Product) Document(id string) (Document, bool) {
	for _, d := range p.Documents {
		if d.ID == id {
			return d, true
		}
	}
	return Document{}, false
}
