package deployer

import (
	"encoding/base64"
	"slices"
	"strings"

	"llmhub/secret"
)

const (
	// minScrubbed is how long a secret must be to be looked for: what is shorter is found in every text.
	minScrubbed = 4
	// minLicenceLine is the same for the lines of a licence, of which the first maxLicenceLines are looked for.
	minLicenceLine  = 8
	maxLicenceLines = 1000
	scrubbedMask    = "••••••"
)

// scrubber takes the secrets of an operation out of texts. The zero scrubber knows none.
type scrubber struct{ replacer *strings.Replacer }

// newScrubber returns what takes secrets out of texts as they are and in base64, as Secrets hold them.
func newScrubber(c sealed) scrubber {
	var found []string
	add := func(t secret.Text, shortest int) {
		if s := t.Reveal(); len(s) >= shortest {
			found = append(found, s, base64.StdEncoding.EncodeToString([]byte(s)))
		}
	}
	add(c.Token, minScrubbed)
	for _, t := range c.Secrets {
		add(t, minScrubbed)
		for line := range strings.Lines(t.Reveal()) {
			add(secret.New(strings.TrimSpace(line)), minLicenceLine)
		}
	}
	lines := 0
	for line := range strings.Lines(c.Licence.Reveal()) {
		if lines++; lines > maxLicenceLines {
			break
		}
		add(secret.New(strings.TrimSpace(line)), minLicenceLine)
	}
	// Longest first: of two secrets that begin alike, the longer is taken out whole.
	slices.SortFunc(found, func(a, b string) int { return len(b) - len(a) })
	pairs := make([]string, 0, 2*len(found))
	for _, s := range found {
		pairs = append(pairs, s, scrubbedMask)
	}
	return scrubber{strings.NewReplacer(pairs...)}
}

// scrub returns a text without secrets.
func (t *task) scrub(text string) string {
	if t.scrubber.replacer == nil {
		return text
	}
	return t.scrubber.replacer.Replace(text)
}

// scrubbed returns a reason as it may be kept; nil for nil.
func (t *task) scrubbed(r *Reason) *Reason {
	if r == nil {
		return nil
	}
	return &Reason{Code: r.Code, Object: cut(t.scrub(r.Object)), Detail: cut(t.scrub(r.Detail))}
}
