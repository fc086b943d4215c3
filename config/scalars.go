package config

import (
	"log/slog"
	"math"
	"net"
	"net/url"
	"regexp"
	"strconv"
	"strings"
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

// address reads host:port. An empty host means all addresses.
func (d *decoder) address(into *string) reader {
	return func(n node) {
		text, ok := d.Scalar(n, "an address such as 127.0.0.1:8080", "!!str")
		if !ok {
			return
		}
		_, port, err := net.SplitHostPort(text)
		if err == nil {
			_, err = strconv.ParseUint(port, 10, 16)
		}
		if err != nil {
			d.Fault(n, "%s is not an address such as 127.0.0.1:8080", yamldoc.Quote(text))
			return
		}
		*into = text
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

// baseURL reads the address of a model server. The text is not repeated in faults, as it may hold a password.
func (d *decoder) baseURL(into **url.URL) reader {
	return func(n node) {
		text, ok := d.Scalar(n, "a URL such as https://models.example.com/v1", "!!str")
		if !ok {
			return
		}
		u, err := url.Parse(text)
		switch {
		case err != nil:
			d.Fault(n, "is not a URL such as https://models.example.com/v1")
		case u.Scheme != "http" && u.Scheme != "https":
			d.Fault(n, "must begin with http:// or https://")
		case u.User != nil:
			d.Fault(n, "must not contain a user or password; give the key as api_key")
		case u.Hostname() == "":
			d.Fault(n, "names no host")
		case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
			d.Fault(n, "must not contain a query or fragment")
		default:
			u.Path = strings.TrimRight(u.Path, "/")
			u.RawPath = strings.TrimRight(u.RawPath, "/")
			*into = u
		}
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
