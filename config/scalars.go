package config

import (
	"log/slog"
	"math"
	"regexp"
	"strconv"
	"time"

	"llmhub/store"
	"llmhub/yamldoc"
)

// duration reads a time span such as 1m30s, from low to high.
func (d *decoder) duration(into *time.Duration, low, high time.Duration) reader {
	return func(n node) {
		text, ok := d.Scalar(n, "a duration such as 30s or 5m", "!!str")
		if !ok {
			return
		}
		v, err := time.ParseDuration(text)
		switch {
		case err != nil:
			d.Fault(n, "%s is not a duration such as 30s or 5m", yamldoc.Quote(text))
		case v < low || v > high:
			d.Fault(n, "%s is out of range: from %s to %s", text, low, high)
		default:
			*into = v
		}
	}
}

var sizeForm = regexp.MustCompile(`^([0-9]{1,15}) ?(B|KiB|MiB|GiB|TiB)$`)

var sizeUnits = map[string]int64{"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}

// size reads a number of bytes such as 512MiB, from low to high bytes.
func (d *decoder) size(into *int64, low, high int64) reader {
	return func(n node) {
		text, ok := d.Scalar(n, "a size such as 512MiB", "!!str")
		if !ok {
			return
		}
		m := sizeForm.FindStringSubmatch(text)
		if m == nil {
			d.Fault(n, "%s is not a size such as 512MiB (units: B, KiB, MiB, GiB, TiB)", yamldoc.Quote(text))
			return
		}
		v, err := strconv.ParseInt(m[1], 10, 64)
		unit := sizeUnits[m[2]]
		if err != nil || v > math.MaxInt64/unit || v*unit < low || v*unit > high {
			d.Fault(n, "%s is out of range: from %s to %s", text, formatSize(low), formatSize(high))
			return
		}
		*into = v * unit
	}
}

func formatSize(bytes int64) string {
	for _, unit := range []string{"TiB", "GiB", "MiB", "KiB"} {
		if u := sizeUnits[unit]; bytes >= u && bytes%u == 0 {
			return strconv.FormatInt(bytes/u, 10) + unit
		}
	}
	return strconv.FormatInt(bytes, 10) + "B"
}

// day reads a date, quoted or not.
func (d *decoder) day(into *store.Day) reader {
	return func(n node) {
		text, ok := d.Scalar(n, "a date such as 2026-01-31", "!!timestamp", "!!str")
		if !ok {
			return
		}
		day, err := store.ParseDay(text)
		if err != nil {
			d.Fault(n, "%s is not a date such as 2026-01-31", yamldoc.Quote(text))
			return
		}
		*into = day
	}
}

// zone reads the name of a time zone.
func (d *decoder) zone(into **time.Location) reader {
	return func(n node) {
		text, ok := d.Scalar(n, "a time zone such as Europe/Berlin", "!!str")
		if !ok {
			return
		}
		loc, err := time.LoadLocation(text)
		if err != nil || text == "" || text == "Local" {
			d.Fault(n, "%s is not a time zone such as Europe/Berlin or UTC", yamldoc.Quote(text))
			return
		}
		*into = loc
	}
}

// level reads a log level.
func (d *decoder) level(into *slog.Level) reader {
	return func(n node) {
		var word string
		yamldoc.Choice(d.Decoder, &word, "debug", "info", "warn", "error")(n)
		if word != "" {
			_ = into.UnmarshalText([]byte(word)) // every word above is a level
		}
	}
}
