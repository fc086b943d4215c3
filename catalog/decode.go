package catalog

import (
	"net"
	"net/url"
	"path"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"llmhub/store"
	"llmhub/yamldoc"
)

// decoder reads one YAML file of a catalog.
type decoder struct {
	*yamldoc.Decoder
	loader *loader
	// dir is the folder of the file within the catalog.
	dir string
}

type (
	node   = yamldoc.Node
	reader = yamldoc.Reader
)

var (
	optional = yamldoc.Optional
	required = yamldoc.Required
)

// Bounds on texts, in characters. A line is short text; a paragraph is a few of them; Markdown is pages.
const (
	maxNameRunes      = 40
	maxLineRunes      = 120
	maxParagraphRunes = 400
	maxMarkdownRunes  = 20_000
	maxURLBytes       = 500
)

const maxCategories = 100

var (
	idForm      = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?$`)
	versionForm = regexp.MustCompile(`^(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})(-[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?(\+[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?$`)
	emailForm   = regexp.MustCompile(`^[A-Za-z0-9.!#$%&'*+/=?^_{|}~-]{1,64}@[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)+$`)
)

const (
	idRule      = "an ID of lower-case letters, digits and hyphens"
	versionRule = "a semantic version such as 1.4.2"
	emailRule   = "an e-mail address such as team@example.com"
)

func (d *decoder) id(into *string) reader { return d.Text(into, 64, idForm, idRule) }

func (d *decoder) version(into *string) reader { return d.Text(into, 64, versionForm, versionRule) }

func (d *decoder) email(into *string) reader { return d.Text(into, 254, emailForm, emailRule) }

// phrase reads a line of at most limit characters.
func (d *decoder) phrase(into *string, limit int) reader { return d.prose(into, limit, false) }

// prose reads a text of at most limit characters; one of several lines where lines is set.
func (d *decoder) prose(into *string, limit int, lines bool) reader {
	return func(n node) {
		text, ok := d.Scalar(n, "text", "!!str")
		text = strings.TrimSpace(text)
		switch {
		case !ok:
		case text == "":
			d.Fault(n, "must not be empty")
		case utf8.RuneCountInString(text) > limit:
			d.Fault(n, "is longer than %d characters", limit)
		case !lines && strings.Contains(text, "\n"):
			d.Fault(n, "must be a single line")
		case strings.ContainsFunc(text, unseen):
			d.Fault(n, "must not contain control characters")
		default:
			*into = text
		}
	}
}

// unseen finds control characters other than those of plain text, and those that turn the direction of what is around them.
func unseen(r rune) bool {
	return unicode.IsControl(r) && r != '\n' && r != '\t' || r >= '\u202A' && r <= '\u202E' || r >= '\u2066' && r <= '\u2069'
}

// text reads a text in all required languages, and in others where given.
func (d *decoder) text(into *Text, limit int, lines bool) reader {
	return d.languages(into, func(s *string) reader { return d.prose(s, limit, lines) })
}

func (d *decoder) line(into *Text) reader      { return d.text(into, maxLineRunes, false) }
func (d *decoder) paragraph(into *Text) reader { return d.text(into, maxParagraphRunes, false) }
func (d *decoder) markdown(into *Text) reader  { return d.text(into, maxMarkdownRunes, true) }

// languages reads a mapping of languages, each value with the reader made for it.
func (d *decoder) languages(into *Text, each func(into *string) reader) reader {
	return func(n node) {
		t := Text{}
		read := func(lang string) reader {
			return func(n node) {
				var s string
				each(&s)(n)
				t[lang] = s
			}
		}
		var settings []yamldoc.Setting
		for _, lang := range requiredLanguages {
			settings = append(settings, required(lang, read(lang)))
		}
		for _, lang := range []string{"es", "fr", "it", "nl", "pl"} {
			settings = append(settings, optional(lang, read(lang)))
		}
		d.Mapping(n, settings...)
		*into = t
	}
}

// link reads an address that a browser is sent to: https, or http on this machine.
func (d *decoder) link(into *string) reader {
	return func(n node) {
		var text string
		d.Text(&text, maxURLBytes, nil, "")(n)
		if text == "" {
			return
		}
		u, err := url.Parse(text)
		switch {
		case err != nil || u.Opaque != "":
			d.Fault(n, "is not a URL such as https://example.com/licence")
		case u.Scheme != "https" && (u.Scheme != "http" || !local(u.Hostname())):
			d.Fault(n, "must begin with https://")
		case u.User != nil:
			d.Fault(n, "must not contain a user or password")
		case u.Hostname() == "":
			d.Fault(n, "names no host")
		default:
			*into = text
		}
	}
}

func local(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// date reads a date, quoted or not.
func (d *decoder) date(into *string) reader {
	return func(n node) {
		text, ok := d.Scalar(n, "a date such as 2026-01-31", "!!timestamp", "!!str")
		if !ok {
			return
		}
		if _, err := store.ParseDay(text); err != nil {
			d.Fault(n, "%s is not a date such as 2026-01-31", yamldoc.Quote(text))
			return
		}
		*into = text
	}
}

var fileForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*){0,5}$`)

// file reads the name of a file or folder below the folder of the YAML file.
func (d *decoder) file(into *string) reader {
	return d.Text(into, 200, fileForm, "the name of a file within this folder")
}

// content reads the name of a file and returns what it holds, false after a fault.
func (d *decoder) content(n node, name *string, limit int64) ([]byte, bool) {
	d.file(name)(n)
	if *name == "" {
		return nil, false
	}
	data, err := readBounded(d.loader.fsys, path.Join(d.dir, *name), limit)
	if err != nil {
		d.Fault(n, "%s cannot be read: %s", yamldoc.Quote(*name), yamldoc.Reason(err))
		return nil, false
	}
	return data, true
}

// child returns what stands in a mapping under a key, or the mapping itself by that key's path where it is missing.
func child(n node, key string) node {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Below(key, n.Content[i+1])
		}
	}
	return n.Named(key)
}

// once notes a fault where a value stands for the second time.
func (d *decoder) once(seen map[string]int, n node, value, what string) {
	first, again := seen[value]
	if again {
		d.Fault(n, "%s is already the %s in line %d", yamldoc.Quote(value), what, first)
	} else if value != "" {
		seen[value] = n.Line
	}
}
