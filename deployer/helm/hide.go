package helm

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"llmhub/deployer"
)

const (
	mask = "•••"
	// minHidden is the length from which a text is hidden: shorter ones are in every sentence.
	minHidden = 4
	// maxDetail bounds the details of reasons, in characters.
	maxDetail = 1000
)

// hider takes secrets out of texts: as they are, line by line, and as templates and encoders write them. A nil hider hides nothing.
type hider struct{ texts []string }

// newHider returns a hider of what is at the dotted paths, nil meaning everything.
func newHider(vals map[string]any, paths []string) *hider {
	h := &hider{}
	if paths == nil {
		h.add(vals)
	}
	for _, p := range paths {
		if v, ok := valueAt(vals, p); ok {
			h.add(v)
		}
	}
	return h
}

// add hides a value, and all that is in it.
func (h *hider) add(v any) {
	switch v := v.(type) {
	case nil, bool:
	case map[string]any:
		for _, inner := range v {
			h.add(inner)
		}
	case []any:
		for _, inner := range v {
			h.add(inner)
		}
	case string:
		h.addText(v)
	default:
		h.addText(fmt.Sprint(v))
	}
}

func (h *hider) addText(text string) {
	forms := append(strings.Split(text, "\n"), text)
	forms = append(forms, escaped(text)...)
	forms = append(forms, encoded(text)...)
	for _, f := range forms {
		if f = strings.TrimSpace(f); len(f) >= minHidden {
			h.texts = append(h.texts, f)
		}
	}
	slices.SortFunc(h.texts, func(a, b string) int { return cmp.Compare(len(b), len(a)) })
	h.texts = slices.Compact(h.texts)
}

// escaped returns a text as it stands in quotes.
func escaped(text string) []string {
	js, _ := json.Marshal(text)
	q := fmt.Sprintf("%q", text)
	return []string{string(js[1 : len(js)-1]), q[1 : len(q)-1], strings.ReplaceAll(text, "'", "''")}
}

// encoded returns what of the base64 of a longer text is owed to the text alone, for each place that it can begin at in there.
func encoded(text string) []string {
	var forms []string
	for lead := range 3 {
		padded := append(make([]byte, lead), text...)
		whole := base64.StdEncoding.EncodeToString(padded)
		from, to := (lead*8+5)/6, len(padded)*8/6
		if to-from >= 2*minHidden {
			forms = append(forms, whole[from:to], strings.NewReplacer("+", "-", "/", "_").Replace(whole[from:to]))
		}
	}
	return forms
}

func (h *hider) hide(text string) string {
	if h == nil {
		return text
	}
	for _, t := range h.texts {
		text = strings.ReplaceAll(text, t, mask)
	}
	return text
}

// reason hides what is in a reason, and bounds it.
func (h *hider) reason(r *deployer.Reason) *deployer.Reason {
	return &deployer.Reason{Code: r.Code, Object: bounded(h.hide(r.Object)), Detail: bounded(h.hide(r.Detail))}
}

// noise is what Helm puts in front of the errors of others.
var noise = regexp.MustCompile(`query: failed to query with labels: |(create|update): failed to (create|update): |\d+ errors? occurred:\s+\* `)

// bounded returns a text on one line, of at most maxDetail characters.
func bounded(text string) string {
	text = noise.ReplaceAllString(text, "")
	text = strings.Join(strings.FieldsFunc(strings.ToValidUTF8(text, "�"), func(c rune) bool { return unicode.IsSpace(c) || unicode.IsControl(c) }), " ")
	if utf8.RuneCountInString(text) > maxDetail {
		text = string([]rune(text)[:maxDetail-1]) + "…"
	}
	return text
}
