package portal

import (
	"time"

	"llmhub/catalog"
	"llmhub/metering"
	"llmhub/store"
)

// productView is a product as the catalog lists it. Texts are by language.
type productView struct {
	ID         string       `json:"id" example:"llm-hub"`
	Type       string       `json:"type" enum:"cce,llm" doc:"cce is deployed to a cluster of the customer's, llm is subscribed to."`
	Licence    string       `json:"licence,omitempty" enum:"open-source,free,trial,byol"`
	Name       string       `json:"name"`
	Version    string       `json:"version"`
	Summary    catalog.Text `json:"summary" doc:"By language."`
	Categories []string     `json:"categories"`
	Seller     sellerView   `json:"seller"`
	Price      string       `json:"price" enum:"none,trial,own-licence,usage" doc:"What the seller is paid."`
	Published  string       `json:"published" format:"date"`
	EndOfLife  string       `json:"end_of_life,omitempty" format:"date"`
}

type sellerView struct {
	ID           string `json:"id"`
	Name         string `json:"name"`
	SupportEmail string `json:"support_email"`
	SupportURL   string `json:"support_url,omitempty"`
	Website      string `json:"website,omitempty"`
	Verified     bool   `json:"verified"`
}

// productDetailsView is a product with all its texts.
type productDetailsView struct {
	productView
	Description    catalog.Text   `json:"description,omitempty"`
	PreDeployment  catalog.Text   `json:"pre_deployment,omitempty"`
	Deployment     catalog.Text   `json:"deployment,omitempty"`
	PostDeployment catalog.Text   `json:"post_deployment,omitempty"`
	LicenceFee     catalog.Text   `json:"licence_fee,omitempty"`
	LicenceInfo    catalog.Text   `json:"licence_info,omitempty"`
	PriceInfo      catalog.Text   `json:"price_info,omitempty"`
	UsedSoftware   []softwareView `json:"used_software"`
	Documents      []documentView `json:"documents"`
	Models         []string       `json:"models,omitempty" doc:"Those that a subscription grants; none means all."`
	Chart          string         `json:"chart,omitempty" doc:"Name and version of what is deployed." example:"nginx 1.2.3"`
	ShopURL        string         `json:"shop_url,omitempty" doc:"Where the licence is bought."`
}

type softwareView struct {
	Name    string `json:"name"`
	Licence string `json:"licence"`
	URL     string `json:"url,omitempty"`
}

type documentView struct {
	ID      string       `json:"id" example:"eula"`
	Title   catalog.Text `json:"title"`
	Version string       `json:"version"`
	Date    string       `json:"date" format:"date"`
	Digest  string       `json:"digest" doc:"Of the text in all languages; what is accepted is accepted by it." example:"sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"`
	Consent bool         `json:"consent" doc:"Must be accepted before the product is bought."`
}

// documentTextView is a document with its text, in Markdown.
type documentTextView struct {
	documentView
	Content catalog.Text `json:"content"`
}

func viewProduct(v catalog.Product) productView {
	return productView{
		ID: v.ID, Type: string(v.Type), Licence: string(v.Licence), Name: v.Name, Version: v.Version, Summary: v.Summary,
		Categories: orEmpty(v.Categories), Price: string(v.Price()), Published: v.Published, EndOfLife: v.EndOfLife,
		Seller: sellerView{v.Seller.ID, v.Seller.Name, v.Seller.SupportEmail, v.Seller.SupportURL, v.Seller.Website, v.Seller.Verified},
	}
}

func viewProductDetails(v catalog.Product) productDetailsView {
	d := productDetailsView{
		productView: viewProduct(v), Description: v.Description, PreDeployment: v.PreDeployment, Deployment: v.Deployment,
		PostDeployment: v.PostDeployment, LicenceFee: v.LicenceFee, LicenceInfo: v.LicenceInfo, PriceInfo: v.PriceInfo,
		UsedSoftware: []softwareView{}, Documents: []documentView{},
	}
	for _, s := range v.UsedSoftware {
		d.UsedSoftware = append(d.UsedSoftware, softwareView(s))
	}
	for _, doc := range v.Documents {
		d.Documents = append(d.Documents, viewDocument(doc))
	}
	if v.LLM != nil {
		d.Models = v.LLM.Models
	}
	if v.CCE != nil {
		d.Chart = v.CCE.Chart.Name + " " + v.CCE.Chart.Version
		if v.CCE.BYOL != nil {
			d.ShopURL = v.CCE.BYOL.ShopURL
		}
	}
	return d
}

func viewDocument(d catalog.Document) documentView {
	return documentView{ID: d.ID, Title: d.Title, Version: d.Version, Date: d.Date, Digest: d.Digest, Consent: d.Consent}
}

func (p *Portal) listProducts(r *request) (numberedPage[productView], error) {
	found := p.catalog().Search(catalog.Query{
		Text: r.query("search"), Types: one[catalog.Type](r.query("type")), Licences: one[catalog.Licence](r.query("licence")),
		Categories: one[string](r.query("category")), Sellers: one[string](r.query("seller")),
		Day: store.DayOf(p.now(), p.location).String(), Sort: catalog.Sort(r.query("sort")),
		Page: r.number("page", 1), PerPage: r.number("per_page", 0),
	})
	return numberedPage[productView]{
		Data: pageOf(found.Products, "", viewProduct).Data, Page: found.Page, Pages: found.Pages, Total: found.Total,
	}, nil
}

// one returns a list of the one value that is given, or none.
func one[T ~string](value string) []T {
	if value == "" {
		return nil
	}
	return []T{T(value)}
}

// product returns the product in the path.
func (p *Portal) product(id string) (catalog.Product, error) {
	v, ok := p.catalog().Product(id)
	if !ok {
		return catalog.Product{}, notFound("there is no such product")
	}
	return v, nil
}

func (p *Portal) getProduct(r *request) (productDetailsView, error) {
	id, err := r.id()
	if err != nil {
		return productDetailsView{}, err
	}
	v, err := p.product(id)
	return viewProductDetails(v), err
}

func (p *Portal) getProductDocument(r *request) (documentTextView, error) {
	id, err := r.id()
	if err != nil {
		return documentTextView{}, err
	}
	v, err := p.product(id)
	if err != nil {
		return documentTextView{}, err
	}
	d, ok := v.Document(r.c.Params("document"))
	if !ok {
		return documentTextView{}, notFound("the product has no such document")
	}
	return documentTextView{viewDocument(d), d.Content}, nil
}

// modelView is a model with its price. What is not known is absent.
type modelView struct {
	Name            string     `json:"name" example:"gpt-4o-mini"`
	DisplayName     string     `json:"display_name,omitempty"`
	Kind            string     `json:"kind,omitempty" example:"chat"`
	ContextTokens   int64      `json:"context_tokens,omitempty"`
	MaxOutputTokens int64      `json:"max_output_tokens,omitempty"`
	Location        string     `json:"location,omitempty"`
	Country         string     `json:"country,omitempty"`
	HostedBy        string     `json:"hosted_by,omitempty"`
	Licence         string     `json:"licence,omitempty"`
	LicenceURL      string     `json:"licence_url,omitempty"`
	EndOfLife       *time.Time `json:"end_of_life,omitempty"`
	Price           *priceView `json:"price,omitempty" doc:"Absent if there is none."`
}

// priceView is in exact decimals. What has no price is absent.
type priceView struct {
	From                  string            `json:"from" format:"date" doc:"The first day it holds."`
	Currency              string            `json:"currency" example:"EUR"`
	InputPerMillion       string            `json:"input_per_million,omitempty" example:"0.40" doc:"For a million tokens, as those of the cached input and of the output."`
	CachedInputPerMillion string            `json:"cached_input_per_million,omitempty" example:"0.10"`
	OutputPerMillion      string            `json:"output_per_million,omitempty" example:"1.60"`
	Image                 string            `json:"image,omitempty" example:"0.04" doc:"For an image of a size that is not in images."`
	Images                map[string]string `json:"images,omitempty" doc:"For an image, by size such as 1024x1024."`
	AudioSecond           string            `json:"audio_second,omitempty" example:"0.0001" doc:"For a second of audio."`
	CharactersPerMillion  string            `json:"characters_per_million,omitempty" example:"15.00" doc:"For a million characters that are turned into speech."`
	SearchesPerThousand   string            `json:"searches_per_thousand,omitempty" example:"2.00" doc:"For a thousand searches of a rerank."`
}

func (p *Portal) listModels(*request) (page[modelView], error) {
	today, prices := store.DayOf(p.now(), p.location), p.prices()
	models := p.models()
	out := page[modelView]{Data: make([]modelView, len(models))}
	for i, m := range models {
		v := modelView{
			Name: m.Name, DisplayName: m.DisplayName, Kind: m.Kind, ContextTokens: m.ContextTokens, MaxOutputTokens: m.MaxOutputTokens,
			Location: m.Location, Country: m.Country, HostedBy: m.HostedBy, Licence: m.Licence, LicenceURL: m.LicenceURL,
			EndOfLife: known(m.EndOfLife),
		}
		if price, priced := prices.At(m.Name, today); priced {
			v.Price = p.viewPrice(price)
		}
		out.Data[i] = v
	}
	return out, nil
}

func (p *Portal) viewPrice(v metering.Price) *priceView {
	unit := func(u store.Unit) string { return viewAmount(v.Units[u]) }
	view := &priceView{
		From: v.From.String(), Currency: p.currency, InputPerMillion: viewAmount(v.InputPerMillion),
		CachedInputPerMillion: viewAmount(v.CachedInput()), OutputPerMillion: viewAmount(v.OutputPerMillion),
		Image: unit(store.UnitImage), AudioSecond: unit(store.UnitAudioMillisecond),
		CharactersPerMillion: unit(store.UnitCharacter), SearchesPerThousand: unit(store.UnitSearch),
	}
	for u, price := range v.Units {
		if size := u.ImageSize(); size != "" {
			if view.Images == nil {
				view.Images = map[string]string{}
			}
			view.Images[size] = price.String()
		}
	}
	return view
}

// viewAmount returns a price, empty if there is none.
func viewAmount(a metering.Amount) string {
	if !a.IsSet() {
		return ""
	}
	return a.String()
}
