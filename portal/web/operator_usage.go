package web

import (
	"errors"
	"time"

	"github.com/gofiber/fiber/v2"

	"llmhub/fault"
	"llmhub/metering"
	"llmhub/store"
)

// tenantUsagePage is what all tenants have used in a month.
type tenantUsagePage struct {
	Month  monthPicker
	Export string
	AsOf   time.Time
	Total  usageFigures
	Units  []unitCard
	Rows   []tenantUsageRow
	Count  int
	Pager  pager
}

// usageFigures are sums as they are shown. Amount is an exact decimal.
type usageFigures struct {
	Requests, Input, Cached, Output, Reasoning, Total int64
	Amount                                            string
	// Incomplete says that the amount leaves out what has no price.
	Incomplete bool
	// Quantities are what was used beside tokens, Units the same in words.
	Quantities store.Quantities
	Units      []string
}

func (v *visit) figures(f metering.Figures) usageFigures {
	t := f.Tokens
	return usageFigures{f.Requests, t.Input, t.CachedInput, t.Output, t.Reasoning, t.Total(), f.Amount.String(), !f.Priced, f.Quantities, v.unitLines(f.Quantities)}
}

// Charge is the amount as pages show it: that of what has no price at all is not known.
func (f usageFigures) Charge() string {
	if f.Incomplete && f.Amount == "0.00" {
		return unknown
	}
	return f.Amount
}

type tenantUsageRow struct {
	Href, ID, Name, Domain string
	Figures                usageFigures
	Keys                   int
	Permille               int64
}

var tenantUsageTemplate = newPage[tenantUsagePage]("operator-usage")

const tenantUsagePath = "/operator/usage"

func (w *Web) showTenantUsage(v *visit) error {
	m := v.month()
	report, err := w.TenantUsage.Month(v.ctx, m, w.Prices())
	if err != nil {
		return err
	}
	query := v.allQuery()
	page, pages := v.pageNumber(), max(1, (len(report.Tenants)+operatorPerPage-1)/operatorPerPage)
	page = min(page, pages)
	p := tenantUsagePage{
		Month: v.pickMonth(tenantUsagePath, "#usage", m), AsOf: report.AsOf, Total: v.figures(report.Total), Units: v.unitCards(report.Total.Quantities), Count: len(report.Tenants),
		Export: withQuery("/operator/usage.csv", nil, "month", m.String()), Pager: newPager(tenantUsagePath, query, page, pages, len(report.Tenants)),
	}
	for _, share := range report.Tenants[(page-1)*operatorPerPage : min(page*operatorPerPage, len(report.Tenants))] {
		row, err := w.tenantUsageRow(v, share)
		if err != nil {
			return err
		}
		p.Rows = append(p.Rows, row)
	}
	return tenantUsageTemplate.render(v, fiber.StatusOK, frame{Title: v.t("opusage.title"), Current: tenantUsagePath}, p)
}

// tenantUsageRow gives a tenant's share its name. Usage outlives what it was for.
func (w *Web) tenantUsageRow(v *visit, s metering.TenantShare) (tenantUsageRow, error) {
	row := tenantUsageRow{ID: s.TenantID, Name: v.t("opusage.unknown"), Domain: unknown, Figures: v.figures(s.Figures), Keys: s.Keys, Permille: int64(s.Permille)}
	if s.TenantID == "" {
		return row, nil
	}
	t, err := w.Tenants.Get(v.ctx, s.TenantID)
	if errors.Is(err, &fault.Error{Kind: fault.NotFound}) {
		return row, nil
	}
	row.Name, row.Domain, row.Href = t.Name, orUnknown(t.Domain), "/operator/tenants/"+s.TenantID
	return row, err
}

// exportTenantUsage answers with the month as a file, for invoices: exact amounts, a row for each tenant, the total last.
func (w *Web) exportTenantUsage(v *visit) error {
	m := v.month()
	report, err := w.TenantUsage.Now(v.ctx, m, w.Prices())
	if err != nil {
		return err
	}
	table := v.newTable("usage-" + m.String() + ".csv")
	table.usageHeader([]string{"month", "tenant_id", "tenant", "domain", "keys"}, report.Total.Quantities)
	for _, s := range report.Tenants {
		row, err := w.tenantUsageRow(v, s)
		if err != nil {
			return err
		}
		table.usage(m.String(), []string{row.ID, row.Name, row.Domain, itoa(row.Keys)}, row.Figures)
	}
	table.usage(m.String(), []string{"", v.t("usage.total"), "", ""}, v.figures(report.Total))
	return table.send()
}
