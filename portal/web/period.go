package web

import (
	"net/url"
	"time"

	"llmhub/fault"
	"llmhub/store"
)

// maxPeriodDays bounds a period.
const maxPeriodDays = 3700

// period is a range of whole days in the billing zone, both inclusive.
type period struct {
	First, Last store.Day
}

// monthPeriod is a whole month.
func monthPeriod(m store.Month) period { return period{m.First(), (m + 1).First() - 1} }

// isMonth says whether the period is a whole month.
func (p period) isMonth() bool { return p == monthPeriod(p.First.Month()) }

// query returns the usage of keys in the period.
func (p period) query(keys []string) store.UsageQuery {
	return store.UsageQuery{Keys: keys, From: p.First, To: p.Last + 1, ByKey: true}
}

// period reads the days that the URL asks for; without any it is the current month. With a fault it is that, too.
func (w *Web) period(v *visit) (period, *fault.Error) {
	p := monthPeriod(w.today().Month())
	asked := p
	for name, day := range map[string]*store.Day{"from": &asked.First, "to": &asked.Last} {
		text := v.query(name)
		if text == "" {
			continue
		}
		var err error
		if *day, err = store.ParseDay(text); err != nil {
			return p, fault.New(fault.Invalid, name, "must be a day such as 2026-11-30")
		}
	}
	switch {
	case asked.Last < asked.First:
		return p, fault.New(fault.Invalid, "to", "must not be before the first day")
	case asked.Last-asked.First >= maxPeriodDays:
		return p, fault.New(fault.Invalid, "to", "must be within %d days of the first", maxPeriodDays)
	case asked.First < 0: // before 1970: no list of months goes back so far
		return p, fault.New(fault.Invalid, "from", "must be a day such as 2026-11-30")
	}
	return asked, nil
}

// withPeriod returns the URL of a path with the query, for another period.
func withPeriod(path string, query url.Values, p period) string {
	changed := url.Values{}
	for k, values := range query {
		changed[k] = values
	}
	changed.Set("from", p.First.String())
	return withQuery(path, changed, "to", p.Last.String())
}

// startOf returns the moment in which a day begins in the billing zone.
func (w *Web) startOf(d store.Day) time.Time {
	y, m, day := d.Date().Date()
	return time.Date(y, m, day, 0, 0, 0, 0, w.Location)
}

// periodText names a period: a month, or its first and last day.
func (v *visit) periodText(p period) string {
	first, last := v.web.startOf(p.First), v.web.startOf(p.Last)
	switch {
	case p.isMonth():
		return v.loc.Month(first)
	case p.First == p.Last:
		return v.loc.Date(first)
	}
	return v.loc.ShortDate(first) + " – " + v.loc.ShortDate(last)
}
