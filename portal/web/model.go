package web

import (
	"slices"
	"time"

	"llmhub/metering"
	"llmhub/store"
)

// Model is a model that the gateway serves, with what customers want to know before they choose it. Unknown values are
// empty or zero.
type Model struct {
	Name, DisplayName, Kind     string
	ContextTokens               int64
	MaxOutputTokens             int64
	Location, Country, HostedBy string
	Licence, LicenceURL         string
	EndOfLife                   time.Time
}

// modelPrices returns the price table of the named models, or of all if none is named.
func (w *Web) modelPrices(v *visit, names []string) []modelPrice {
	today := store.DayOf(w.Now(), w.Location)
	prices := w.Prices()
	var rows []modelPrice
	for _, m := range w.Models() {
		if len(names) > 0 && !slices.Contains(names, m.Name) {
			continue
		}
		price, priced := prices.At(m.Name, today)
		rows = append(rows, v.modelPrice(m, price, priced))
	}
	return rows
}

func (v *visit) modelPrice(m Model, p metering.Price, priced bool) modelPrice {
	row := modelPrice{Name: m.Name, Display: m.DisplayName, Kind: v.modelKind(m), Location: orUnknown(m.Location), Priced: priced}
	if priced {
		money := func(a metering.Amount) string { return v.loc.Price(a.String(), v.web.Currency) }
		row.Input, row.Output = money(p.InputPerMillion), money(p.OutputPerMillion)
		row.Cached = money(p.CachedInput())
	}
	return row
}

func (v *visit) modelKind(m Model) string {
	if m.Kind == "" {
		return unknown
	}
	return v.t("models.kind." + m.Kind)
}

// unknown stands for what is not known: it is never shown as 0.
const unknown = "–"

func orUnknown(s string) string {
	if s == "" {
		return unknown
	}
	return s
}
