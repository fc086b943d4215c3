package metering

import (
	"slices"

	"llmhub/store"
)

// chart draws the bars: those of the largest keys or models, and one series of all others.
func (c *consumer) chart() error {
	c.out.Monthly = c.q.To-c.q.From > maxDayBars
	c.out.Bars = bars(c.q.From, c.q.To, c.out.Monthly)
	rows := c.out.Keys
	if c.q.GroupBy == ByModel {
		rows = c.out.Models
	}
	top := min(max(c.q.Top, 0), len(rows))
	series, names := map[string][]int64{}, make([]string, top)
	for i, r := range rows[:top] {
		names[i] = r.Name
		series[r.Name] = make([]int64, len(c.out.Bars))
	}
	others, err := c.fill(series, names)
	if err != nil {
		return err
	}
	for _, name := range names {
		c.out.Series = append(c.out.Series, Series{Name: name, Tokens: series[name]})
	}
	if top < len(rows) {
		c.out.Series = append(c.out.Series, Series{Others: true, Tokens: others})
	}
	return nil
}

// bars returns the first day of each bar.
func bars(from, to store.Day, monthly bool) []store.Day {
	var days []store.Day
	for d := from; d < to; {
		days = append(days, d)
		if monthly {
			d = (d.Month() + 1).First()
		} else {
			d++
		}
	}
	return days
}

// fill adds the tokens of each bar to the series by name, and returns those of no series.
func (c *consumer) fill(series map[string][]int64, names []string) (others []int64, err error) {
	others = make([]int64, len(c.out.Bars))
	for _, s := range c.recent {
		name := s.Key
		if c.q.GroupBy == ByModel {
			name = s.Model
		}
		into := series[name]
		if into == nil {
			into = others
		}
		into[c.bar(s.Day)] += s.Tokens.Total()
	}
	byModel := c.q.GroupBy == ByModel
	err = c.readBars(store.UsageQuery{Keys: c.q.Keys, ByModel: true}, func(s store.Sum, bar int) {
		if into := series[s.Model]; byModel && into != nil {
			into[bar] += s.Tokens.Total()
		} else {
			others[bar] += s.Tokens.Total()
		}
	})
	if err != nil || byModel {
		return others, err
	}
	// To read the days of a few keys costs less than those of all, by key; what they used is not that of others.
	return others, c.readBars(store.UsageQuery{Keys: names, ByKey: true}, func(s store.Sum, bar int) {
		series[s.Key][bar] += s.Tokens.Total()
		others[bar] -= s.Tokens.Total()
	})
}

// readBars reads the days that are over, by bar and by what q asks for.
func (c *consumer) readBars(q store.UsageQuery, add func(s store.Sum, bar int)) error {
	parts := []span{{c.q.From, c.over()}}
	if c.out.Monthly {
		parts = spans(c.q.From, c.over(), nil)
	}
	q.ByDay, q.ByMonth = !c.out.Monthly, c.out.Monthly
	for _, p := range parts {
		q.From, q.To = p.from, p.to
		sums, err := c.usage.Usage(c.ctx, q)
		if err != nil {
			return err
		}
		for _, s := range sums {
			day := s.Day
			if c.out.Monthly {
				day = max(s.Month.First(), c.q.From)
			}
			add(s, c.bar(day))
		}
	}
	return nil
}

// bar returns the number of the bar that a day of the range is in.
func (c *consumer) bar(day store.Day) int {
	if !c.out.Monthly {
		return int(day - c.q.From)
	}
	i, found := slices.BinarySearch(c.out.Bars, day)
	if !found {
		i--
	}
	return i
}
