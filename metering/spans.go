package metering

import (
	"slices"

	"llmhub/store"
)

// span is a half-open range of days.
type span struct{ from, to store.Day }

// spans cuts a range into parts in which no price changes, and each of which is either of whole months, for which the
// sums of months suffice, or lies within one month.
func spans(from, to store.Day, prices PriceList) []span {
	cuts := []store.Day{from, to}
	for _, list := range prices {
		for _, p := range list {
			cuts = append(cuts, p.From)
		}
	}
	for _, day := range slices.Clone(cuts) {
		if first := day.Month().First(); first != day {
			cuts = append(cuts, first, (day.Month() + 1).First())
		}
	}
	cuts = slices.DeleteFunc(cuts, func(d store.Day) bool { return d < from || d > to })
	slices.Sort(cuts)
	cuts = slices.Compact(cuts)
	var out []span
	for i := 1; i < len(cuts); i++ {
		out = append(out, span{cuts[i-1], cuts[i]})
	}
	return out
}

// before returns the days that a range is compared with, as far as it has come today.
func before(from, to, today store.Day) (store.Day, store.Day) {
	to = min(to, today+1)
	switch {
	case from >= to:
		return from, from
	case from.Month() != (to - 1).Month():
		return from - (to - from), from
	}
	return monthBefore(from), monthBefore(to)
}

// monthBefore returns the same day of the month before, or the end of that month if it is shorter.
func monthBefore(d store.Day) store.Day {
	first := d.Month().First()
	return min((d.Month()-1).First()+(d-first), first)
}
