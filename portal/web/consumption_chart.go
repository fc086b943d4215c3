package web

import (
	"math"
	"strconv"
	"strings"
	"time"

	"llmhub/metering"
	"llmhub/portal/chart"
	"llmhub/store"
)

const (
	// chartHeight is that of the bars in pixels, chartLabels how many days have a label at most.
	chartHeight = 172
	chartLabels = 7
)

// usageChart is the tokens of each day, or of each month, in bars stacked by key or model, and the same as a table.
type usageChart struct {
	Heading, Label string
	// Views are the ways to stack the bars.
	Views  []navLink
	Legend []legendEntry
	Plot   chart.Bars
	// Days has a row for each bar.
	Days []dayRow
	// First is the heading of the table's first column.
	First string
}

type legendEntry struct {
	Name string
	Hue  int
}

type dayRow struct {
	Name   string
	Values []int64
	Total  int64
}

func (v *visit) usageChart(c *consumed, path string) usageChart {
	u := usageChart{Heading: v.t("consumption.days"), First: v.t("consumption.day")}
	if c.Monthly {
		u.Heading, u.First = v.t("consumption.months"), v.t("month.label")
	}
	for _, by := range []metering.GroupBy{metering.ByKey, metering.ByModel} {
		u.Views = append(u.Views, navLink{
			Href: withQuery(path, v.allQuery(), "by", string(by)), Text: v.t("consumption.by." + string(by)), Current: by == c.by,
		})
	}
	for i, s := range c.Series {
		u.Legend = append(u.Legend, legendEntry{v.seriesName(c, s), min(i, chart.Hues-1) + 1})
	}
	columns := make([]chart.Column, len(c.Bars))
	for i, day := range c.Bars {
		columns[i] = v.chartColumn(c, u.Legend, i, day)
		row := dayRow{Name: v.barName(c, day), Values: columns[i].Values}
		for _, n := range row.Values {
			row.Total += n
		}
		u.Days = append(u.Days, row)
	}
	u.Plot = chart.Stacked(columns, chartHeight, chartLabels)
	u.Label = v.t("consumption.chart", "Heading", u.Heading, "Period", v.periodText(c.days), "Total", c.Total.Tokens.Total())
	return u
}

// seriesName is the name of a key or a model, or the word for all others.
func (v *visit) seriesName(c *consumed, s metering.Series) string {
	switch {
	case s.Others:
		return v.t("consumption.others")
	case c.by == metering.ByKey:
		return c.names[s.Name]
	}
	return s.Name
}

// chartColumn is one bar; its title is what pointing at it tells.
func (v *visit) chartColumn(c *consumed, legend []legendEntry, bar int, day store.Day) chart.Column {
	column := chart.Column{Label: v.barLabel(c, day), Emphasised: v.isNow(c, bar)}
	var title strings.Builder
	total := int64(0)
	for i, s := range c.Series {
		n := s.Tokens[bar]
		column.Values = append(column.Values, n)
		total += n
		if n > 0 {
			title.WriteString("\n" + legend[i].Name + ": " + v.loc.Number(n))
		}
	}
	column.Title = v.barName(c, day) + ": " + v.loc.Number(total) + title.String()
	return column
}

// isNow says whether a bar is that of the current day or month.
func (v *visit) isNow(c *consumed, bar int) bool {
	today := v.web.today()
	next := c.days.Last + 1
	if bar+1 < len(c.Bars) {
		next = c.Bars[bar+1]
	}
	return c.Bars[bar] <= today && today < next
}

// barLabel stands below a bar, where there is little room.
func (v *visit) barLabel(c *consumed, day store.Day) string {
	at := v.web.startOf(day)
	switch {
	case c.Monthly:
		return v.loc.ShortMonth(at)
	case c.days.First.Month() == c.days.Last.Month():
		return strconv.Itoa(at.Day())
	}
	return v.loc.DayMonth(at)
}

func (v *visit) barName(c *consumed, day store.Day) string {
	if c.Monthly {
		return v.loc.Month(v.web.startOf(day))
	}
	return v.loc.ShortDate(v.web.startOf(day))
}

// shareTable is what was used by key or by model.
type shareTable struct {
	Heading, First string
	// Keys says that rows are keys, which have a prefix and a time of their last use.
	Keys bool
	// Units says that anything was used beside tokens.
	Units bool
	Rows  []shareRow
	Total usageFigures
	// TotalName names the last row.
	TotalName string
}

type shareRow struct {
	Href, Name, Prefix string
	LastUsed           time.Time
	Figures            usageFigures
	Permille           int64
	// Width is that of the bar in percent. Hue is its colour in the chart, 0 if it has none there.
	Width string
	Hue   int
}

// shareTables fills in the tables of the page that is asked for.
func (w *Web) shareTables(v *visit, c *consumed, p *consumptionPage) error {
	keys := c.Consumption.Keys
	pages := max(1, (len(keys)+sharesPerPage-1)/sharesPerPage)
	page := min(v.pageNumber(), pages)
	p.Pager = newPager(p.Path, v.allQuery(), page, pages, len(keys))
	first, units := (page-1)*sharesPerPage, len(c.Total.Quantities) > 0
	p.Keys = shareTable{
		Heading: v.t("consumption.bykey"), First: v.t("consumption.by.key"), Keys: true, Units: units, Total: p.Total, TotalName: v.t("consumption.allkeys"),
		Rows: v.shareRows(keys[first:min(first+sharesPerPage, len(keys))], first, c.by == metering.ByKey),
	}
	p.Models = shareTable{
		Heading: v.t("consumption.bymodel"), First: v.t("consumption.by.model"), Units: units, Total: p.Total, TotalName: v.t("consumption.allmodels"),
		Rows: v.shareRows(c.Models, 0, c.by == metering.ByModel),
	}
	return w.nameKeys(v, c, p.Keys.Rows)
}

// shareRows are rows from a rank on; charted says that the chart shows them, too.
func (v *visit) shareRows(shares []metering.Share, rank int, charted bool) []shareRow {
	rows := make([]shareRow, len(shares))
	for i, s := range shares {
		rows[i] = shareRow{Name: s.Name, Figures: v.figures(s.Figures), Permille: int64(s.Permille), Width: percentOf(float64(s.Permille) / 1000)}
		if charted {
			rows[i].Hue = min(rank+i, chart.Hues-1) + 1
		}
	}
	return rows
}

// nameKeys gives rows of keys their names.
func (w *Web) nameKeys(v *visit, c *consumed, rows []shareRow) error {
	ids := make([]string, len(rows))
	for i, r := range rows {
		ids[i] = r.Name
	}
	used, err := w.Ledger.LastUsed(v.ctx, ids)
	if err != nil {
		return err
	}
	for i, id := range ids {
		k, err := w.Service.GetKey(v.ctx, v.Actor, id)
		if err != nil {
			return err
		}
		rows[i].Name, rows[i].Prefix, rows[i].Href, rows[i].LastUsed = k.Name, k.Prefix, keyPath(k), used[id]
	}
	return nil
}

// percentOf returns a part of one in percent, as SVG takes it.
func percentOf(part float64) string {
	return strconv.FormatFloat(math.Round(part*10000)/100, 'f', -1, 64) + "%"
}
