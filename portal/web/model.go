package web

import (
	"slices"

	"llmhub/metering"
	"llmhub/portal/gateway"
)

// modelPrice is a row of a price table.
type modelPrice struct {
	Name, Display, Kind, Context, MaxOutput, Location, Country, Host string
	Licence, LicenceURL                                              string
	// Cached is empty if input from the cache costs as much as other input.
	Input, Cached, Output string
	// Units are the prices of what is billed beside tokens, a line for each.
	Units  []string
	Priced bool
	// State says until when the model is offered, Class how that looks.
	State, Class string
	// ID is that of the element which holds the name.
	ID string
}

// priceTable is a table of models with their prices.
type priceTable []modelPrice

// Units says whether any model has a price beside those of tokens.
func (t priceTable) Units() bool {
	return slices.ContainsFunc(t, func(p modelPrice) bool { return p.Units != nil })
}

// modelPrices returns the price table of the named models, or of all if none is named.
func (w *Web) modelPrices(v *visit, names []string) priceTable {
	var rows priceTable
	for _, m := range w.grantedModels(names) {
		rows = append(rows, w.modelPrice(v, m))
	}
	return rows
}

func (w *Web) modelPrice(v *visit, m gateway.Model) modelPrice {
	row := modelPrice{
		Name: m.Name, Display: m.DisplayName, Kind: v.modelKind(m.Kind), Context: v.tokens(m.ContextTokens), MaxOutput: v.tokens(m.MaxOutputTokens),
		Location: orUnknown(m.Location), Country: m.Country, Licence: m.Licence, LicenceURL: m.LicenceURL,
		State: v.t("models.offered"), Class: "good", ID: "model-" + m.Name,
	}
	switch m.HostedBy {
	case "own":
		row.Host = v.t("models.own")
	case "third-party":
		row.Host = v.t("models.thirdparty")
	}
	if end := m.EndOfLife; !end.IsZero() {
		row.State, row.Class = v.t("models.until", "Date", v.loc.ShortDate(end)), "warn"
		if !w.Now().Before(end) {
			row.State, row.Class = v.t("models.ended", "Date", v.loc.ShortDate(end)), "off"
		}
	}
	if price, priced := w.Prices().At(m.Name, w.today()); priced {
		money := func(a metering.Amount) string {
			if !a.IsSet() {
				return unknown
			}
			return v.loc.Price(a.String(), w.Currency)
		}
		row.Input, row.Output, row.Priced = money(price.InputPerMillion), money(price.OutputPerMillion), true
		if cached := price.CachedInput(); cached != price.InputPerMillion {
			row.Cached = money(cached)
		}
		row.Units = v.unitPrices(price)
	}
	return row
}

// tokens returns a number of tokens; 0 stands for one that is not known.
func (v *visit) tokens(n int64) string {
	if n == 0 {
		return ""
	}
	return v.loc.Number(n)
}

// modelKind returns the word for a kind of model.
func (v *visit) modelKind(kind string) string {
	if kind == "" {
		return unknown
	}
	return v.t("models.kind." + kind)
}

// unknown stands for what is not known: it is never shown as 0.
const unknown = "–"

func orUnknown(s string) string {
	if s == "" {
		return unknown
	}
	return s
}
