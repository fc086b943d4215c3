package helm

import (
	"regexp"
	"strings"
)

var (
	faultForm = regexp.MustCompile(`^\s*- at '(.*?)': (.*)$`)
	// harmless are faults that say nothing of the value but its kind, or the names of its parts.
	harmless = regexp.MustCompile(`^(got [a-z]+, want [a-z, or]+|missing propert(y|ies) .*|additional properties .* not allowed|propert(y|ies) .* required, if .* exists|value must be .*|'\w+' failed.*|items at \d+ and \d+ are equal|false schema|validation failed)$`)
	// measured are faults that say how much there is and should be, of which only the latter is told.
	measured = regexp.MustCompile(`^(\w+): got .*?, want (\S+)$`)
)

// schemaFaults returns what is wrong with values by Helm's account, path by path, without any value.
func schemaFaults(text string) string {
	var faults []string
	for line := range strings.Lines(text) {
		m := faultForm.FindStringSubmatch(strings.TrimRight(line, "\n"))
		if m == nil {
			continue
		}
		where := strings.ReplaceAll(strings.TrimPrefix(m[1], "/"), "/", ".")
		if where == "" {
			where = "the values"
		}
		if what := faultWithoutValue(m[2]); what != "" {
			faults = append(faults, where+": "+what)
		}
	}
	if len(faults) == 0 {
		return "the values do not satisfy the schema of the chart"
	}
	return strings.Join(faults, "; ")
}

func faultWithoutValue(text string) string {
	const pattern = " does not match pattern "
	switch at := strings.LastIndex(text, pattern); {
	case text == "validation failed", text == "'allOf' failed":
		return "" // its parts follow
	case harmless.MatchString(text):
		return text
	case measured.MatchString(text):
		return measured.ReplaceAllString(text, "$1 $2")
	case at >= 0:
		return strings.TrimSpace(text[at:])
	case strings.Contains(text, " is not valid "):
		return "has not the right format"
	}
	return "is not valid"
}
