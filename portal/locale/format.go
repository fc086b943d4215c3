package locale

import (
	"math/big"
	"strconv"
	"strings"
	"time"
)

// unknown stands for what is not known: it is never shown as 0.
const unknown = "–"

// format is how a language writes numbers and times.
type format struct {
	group, point               string
	months, shortMonths        [12]string
	date, shortDate            func(f *format, t time.Time) string
	dayMonth                   func(f *format, t time.Time) string
	ordinal                    string
	thousand, million, billion string
	moneyBefore                bool
	percentSpace               string
}

var formats = map[string]format{
	"en": {
		group: ",", point: ".",
		months:      [12]string{"January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"},
		shortMonths: [12]string{"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"},
		date: func(f *format, t time.Time) string {
			return strconv.Itoa(t.Day()) + " " + f.months[t.Month()-1] + " " + strconv.Itoa(t.Year())
		},
		shortDate: func(f *format, t time.Time) string {
			return strconv.Itoa(t.Day()) + " " + f.shortMonths[t.Month()-1] + " " + strconv.Itoa(t.Year())
		},
		dayMonth: func(f *format, t time.Time) string { return strconv.Itoa(t.Day()) + " " + f.shortMonths[t.Month()-1] },
		thousand: " k", million: " M", billion: " bn", moneyBefore: true,
	},
	"de": {
		group: ".", point: ",",
		months:      [12]string{"Januar", "Februar", "März", "April", "Mai", "Juni", "Juli", "August", "September", "Oktober", "November", "Dezember"},
		shortMonths: [12]string{"Jan.", "Feb.", "März", "Apr.", "Mai", "Juni", "Juli", "Aug.", "Sept.", "Okt.", "Nov.", "Dez."},
		date: func(f *format, t time.Time) string {
			return strconv.Itoa(t.Day()) + ". " + f.months[t.Month()-1] + " " + strconv.Itoa(t.Year())
		},
		shortDate: func(_ *format, t time.Time) string { return t.Format("02.01.2006") },
		dayMonth:  func(_ *format, t time.Time) string { return t.Format("02.01.") },
		ordinal:   ".",
		thousand:  " Tsd.", million: " Mio.", billion: " Mrd.", percentSpace: " ",
	},
}

// symbols are written in place of a currency's code.
var symbols = map[string]string{"EUR": "€", "USD": "$", "GBP": "£"}

// Number returns a whole number with separators between groups of three digits.
func (l *Localizer) Number(n int64) string {
	text := strconv.FormatInt(n, 10)
	sign := ""
	if text[0] == '-' {
		sign, text = "−", text[1:]
	}
	return sign + l.grouped(text)
}

func (l *Localizer) grouped(digits string) string {
	if len(digits) <= 3 {
		return digits
	}
	head := len(digits) % 3
	var b strings.Builder
	b.WriteString(digits[:head])
	for i := head; i < len(digits); i += 3 {
		if b.Len() > 0 {
			b.WriteString(l.format.group)
		}
		b.WriteString(digits[i : i+3])
	}
	return b.String()
}

// Short returns a number rounded to three digits with a word for its size: 39.9 M.
func (l *Localizer) Short(n int64) string { return l.short(n, false) }

// Scale is Short for the lines of a chart, which need no decimals that are zero: 40 M.
func (l *Localizer) Scale(n int64) string { return l.short(n, true) }

func (l *Localizer) short(n int64, trim bool) string {
	abs := n
	if abs < 0 {
		abs = -abs
	}
	for _, step := range []struct {
		from int64
		word string
	}{{1e9, l.format.billion}, {1e6, l.format.million}, {1e4, l.format.thousand}} {
		if abs < step.from {
			continue
		}
		unit := step.from
		if unit == 1e4 {
			unit = 1e3
		}
		digits := 1
		if abs >= 100*unit {
			digits = 0
		}
		text := big.NewRat(n, unit).FloatString(digits)
		if trim {
			text = strings.TrimSuffix(text, ".0")
		}
		return l.decimal(text) + step.word
	}
	return l.Number(n)
}

// decimal writes a decimal with a point as the language does.
func (l *Localizer) decimal(s string) string {
	sign := ""
	if strings.HasPrefix(s, "-") {
		sign, s = "−", s[1:]
	}
	whole, fraction, point := strings.Cut(s, ".")
	if !point {
		return sign + l.grouped(whole)
	}
	return sign + l.grouped(whole) + l.format.point + fraction
}

// Permille returns tenths of a percent as a percentage: 525 is 52.5%.
func (l *Localizer) Permille(n int64) string {
	return l.decimal(big.NewRat(n, 10).FloatString(1)) + l.format.percentSpace + "%"
}

// Money returns an exact decimal rounded to two decimals, with its currency.
func (l *Localizer) Money(amount, currency string) string { return l.money(amount, currency, 2) }

// Price returns an exact decimal with as many decimals as it has, two at least, with its currency.
func (l *Localizer) Price(amount, currency string) string {
	_, fraction, _ := strings.Cut(amount, ".")
	return l.money(amount, currency, max(2, len(strings.TrimRight(fraction, "0"))))
}

func (l *Localizer) money(amount, currency string, decimals int) string {
	value, ok := new(big.Rat).SetString(amount)
	if !ok {
		return unknown
	}
	text := l.decimal(value.FloatString(decimals))
	symbol, known := symbols[currency]
	switch {
	case !known:
		return text + " " + currency
	case l.format.moneyBefore:
		return symbol + text
	}
	return text + " " + symbol
}

// Decimal returns an exact decimal as it is, with the language's separators.
func (l *Localizer) Decimal(amount string) string { return l.decimal(amount) }

// Point returns what stands before the decimals.
func (l *Localizer) Point() string { return l.format.point }

// Date returns a day in words: 3 March 2026.
func (l *Localizer) Date(t time.Time) string {
	if t.IsZero() {
		return unknown
	}
	return l.format.date(&l.format, t)
}

// Time returns a day and the time of day to the minute: 22 Nov 2026, 09:41.
func (l *Localizer) Time(t time.Time) string {
	if t.IsZero() {
		return unknown
	}
	return l.format.shortDate(&l.format, t) + ", " + t.Format("15:04")
}

// ShortDate returns a day: 22 Nov 2026.
func (l *Localizer) ShortDate(t time.Time) string {
	if t.IsZero() {
		return unknown
	}
	return l.format.shortDate(&l.format, t)
}

// Month returns a month of a year: November 2026.
func (l *Localizer) Month(t time.Time) string {
	return l.format.months[t.Month()-1] + " " + strconv.Itoa(t.Year())
}

// MonthName returns the name of a month.
func (l *Localizer) MonthName(t time.Time) string { return l.format.months[t.Month()-1] }

// ShortMonth returns a month of a year in few letters: Nov 2026.
func (l *Localizer) ShortMonth(t time.Time) string {
	return l.format.shortMonths[t.Month()-1] + " " + strconv.Itoa(t.Year())
}

// DayMonth returns a day without its year: 22 Nov.
func (l *Localizer) DayMonth(t time.Time) string { return l.format.dayMonth(&l.format, t) }

// Days names the days from first to last: a month or a part of one without its year, such as 1–22 October, or else the
// first and the last day.
func (l *Localizer) Days(first, last time.Time) string {
	switch {
	case first.Year() != last.Year() || first.Month() != last.Month():
		return l.ShortDate(first) + " – " + l.ShortDate(last)
	case first.Day() == 1 && last.AddDate(0, 0, 1).Month() != last.Month():
		return l.MonthName(first)
	case first.Day() == last.Day():
		return strconv.Itoa(first.Day()) + l.format.ordinal + " " + l.MonthName(first)
	}
	return strconv.Itoa(first.Day()) + l.format.ordinal + "–" + strconv.Itoa(last.Day()) + l.format.ordinal + " " + l.MonthName(first)
}
