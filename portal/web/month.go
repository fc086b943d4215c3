package web

import (
	"net/url"
	"time"

	"llmhub/store"
)

// monthsBack is how many months a picker offers.
const monthsBack = 24

// monthPicker leads from a month to others. It is a form of method GET, so that it works without JavaScript.
type monthPicker struct {
	// Action is the path of the page; Hidden are the other parameters of its URL.
	Action string
	Hidden []choice
	// Fragment is the region of the page that changes.
	Fragment string
	// Previous and Next are empty where nothing can be.
	Previous, Next string
	Months         []choice
	Name           string
}

// month returns the month that the URL asks for, the current one by default.
func (v *visit) month() store.Month {
	current := v.web.today().Month()
	m, err := store.ParseMonth(v.query("month"))
	if err != nil || m < 12*1970 || m > current {
		return current
	}
	return m
}

// today is the current day in the billing time zone.
func (w *Web) today() store.Day { return store.DayOf(w.Now(), w.Location) }

// pickMonth returns the picker of a page at a month; the other parameters of the URL stay.
func (v *visit) pickMonth(path, fragment string, m store.Month) monthPicker {
	current := v.web.today().Month()
	query := v.allQuery()
	p := monthPicker{Action: path, Fragment: fragment, Name: v.loc.Month(v.web.firstOfMonth(m))}
	for name, values := range query {
		if name != "month" && name != "page" && name != "done" && name != "from" && name != "to" && len(values) > 0 {
			p.Hidden = append(p.Hidden, choice{Value: name, Text: values[0]})
		}
	}
	p.Previous = monthPath(path, query, m-1)
	if m < current {
		p.Next = monthPath(path, query, m+1)
	}
	for at := current; at > current-monthsBack || at >= m; at-- {
		p.Months = append(p.Months, choice{at.String(), v.loc.Month(v.web.firstOfMonth(at)), at == m})
	}
	return p
}

func monthPath(path string, query url.Values, m store.Month) string {
	kept := url.Values{}
	for name, values := range query {
		if name != "from" && name != "to" {
			kept[name] = values
		}
	}
	return withQuery(path, kept, "month", m.String())
}

// firstOfMonth returns when a month begins in the billing time zone.
func (w *Web) firstOfMonth(m store.Month) time.Time {
	return time.Date(int(m)/12, time.Month(int(m)%12+1), 1, 0, 0, 0, 0, w.Location)
}

// mark offers something else than a month, which is what is chosen.
func (p *monthPicker) mark(c choice) {
	for i := range p.Months {
		p.Months[i].Selected = false
	}
	p.Months, p.Name = append([]choice{c}, p.Months...), c.Text
}
