package form

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// validator checks values against the chart's schema by the library that Helm itself uses, so that both agree on what is valid.
// It loads nothing: a reference out of the schema is an error. The work is bounded, as a few lines of references can ask for
// more than a machine can do, and the library cannot be interrupted from outside.
type validator struct {
	mu     sync.Mutex
	schema *jsonschema.Schema
	left   int
	// heaviest is the work of the largest enumeration in the schema. What is in none is found so before a meter sees it, which
	// is why every visit is counted as if it had looked at that.
	heaviest int
	// patterns are those of the schema, each compiled once.
	patterns map[string]meteredRegexp
}

const (
	schemaURL = "file:///values.schema.json"
	meterURL  = "urn:llmhub:meter"
)

var (
	errTooMuchWork = errors.New("asks for too much work")
	errRefersOut   = errors.New("refers to what is outside of it")
)

// newValidator returns a validator for a schema, nil for none.
func newValidator(document any) (_ *validator, err error) {
	if document == nil {
		return nil, nil
	}
	defer recoverFrom(&err)
	v := &validator{left: maxValidation, heaviest: heaviest(document), patterns: map[string]meteredRegexp{}}
	c := jsonschema.NewCompiler()
	c.UseLoader(nowhere{})
	c.UseRegexpEngine(v.compileRegexp)
	c.RegisterVocabulary(&jsonschema.Vocabulary{URL: meterURL, Compile: v.meter})
	c.AssertVocabs()
	if err := c.AddResource(schemaURL, document); err != nil {
		return nil, fmt.Errorf("cannot be understood: %w", err)
	}
	if v.schema, err = c.Compile(schemaURL); err != nil {
		return nil, fmt.Errorf("cannot be understood: %s", cut(err.Error(), maxHintRunes))
	}
	return v, nil
}

// validate returns nil, a *jsonschema.ValidationError, or another error if that cannot be found out.
func (v *validator) validate(values map[string]any) (err error) {
	defer recoverFrom(&err)
	v.mu.Lock()
	defer v.mu.Unlock()
	v.left = maxValidation
	v.spend(size(values) * v.heaviest)
	return v.schema.Validate(values)
}

// recoverFrom turns a panic into an error: that of spend, and those of a library that is given what nobody has looked at.
func recoverFrom(err *error) {
	switch r := recover().(type) {
	case nil:
	case error:
		*err = fmt.Errorf("cannot be understood: %w", r)
	default:
		*err = errors.New("cannot be understood")
	}
}

// spend counts work, and ends the validation when it is too much.
func (v *validator) spend(steps int) {
	if v.left -= steps; v.left < 0 {
		panic(errTooMuchWork)
	}
}

// nowhere loads nothing.
type nowhere struct{}

func (nowhere) Load(string) (any, error) { return nil, errRefersOut }

// heaviest returns the work of comparing with the largest enumeration or constant in a schema.
func heaviest(document any) int {
	most := 0
	switch d := document.(type) {
	case map[string]any:
		for k, v := range d {
			if k == "enum" || k == "const" {
				most = max(most, size(v)/20)
			}
			most = max(most, heaviest(v))
		}
	case []any:
		for _, v := range d {
			most = max(most, heaviest(v))
		}
	}
	return most
}

// size returns how many values there are in a value. The library compares numbers as fractions, which takes much longer.
func size(v any) int {
	n := 1
	switch v := v.(type) {
	case map[string]any:
		for _, below := range v {
			n += size(below)
		}
	case []any:
		for _, below := range v {
			n += size(below)
		}
	case json.Number:
		n = 20
	}
	return n
}

// meter is added to every schema, and counts each visit by what there is to look at.
type meter struct {
	v *validator
	// keywords and branches count what the schema has, and its alternatives.
	keywords, branches int
}

func (v *validator) meter(_ *jsonschema.CompilerContext, schema map[string]any) (jsonschema.SchemaExt, error) {
	m := meter{v: v, keywords: 1 + len(schema), branches: 1}
	for name, keyword := range schema {
		switch k := keyword.(type) {
		case []any:
			m.keywords += len(k)
			if name == "allOf" || name == "anyOf" || name == "oneOf" {
				m.branches += len(k)
			}
		case map[string]any:
			m.keywords += len(k)
		}
	}
	return m, nil
}

// Validate counts a visit.
func (m meter) Validate(_ *jsonschema.ValidatorContext, value any) {
	members := 0
	switch value := value.(type) {
	case map[string]any:
		members = len(value)
	case []any:
		members = len(value)
	}
	m.v.spend(m.keywords + members + m.v.heaviest*(m.branches+members))
}

// meteredRegexp is a regular expression whose work is counted: instructions times bytes in the worst case.
type meteredRegexp struct {
	*regexp.Regexp
	v     *validator
	steps int
}

// compileRegexp takes what package regexp knows, and no repetitions that make a huge program of a short text. Compiling is work,
// too.
func (v *validator) compileRegexp(pattern string) (jsonschema.Regexp, error) {
	if r, ok := v.patterns[pattern]; ok {
		return r, nil
	}
	if len(pattern) > maxPatternBytes {
		return nil, fmt.Errorf("has a pattern of more than %d bytes", maxPatternBytes)
	}
	parsed, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return nil, err
	}
	program, err := syntax.Compile(parsed.Simplify())
	if err != nil {
		return nil, err
	}
	if len(program.Inst) > maxPatternSteps {
		return nil, errors.New("has a pattern with too many repetitions")
	}
	v.spend(4 * len(program.Inst))
	compiled, err := regexp.Compile(pattern)
	if err != nil {
		return nil, err
	}
	v.patterns[pattern] = meteredRegexp{compiled, v, len(program.Inst)}
	return v.patterns[pattern], nil
}

// MatchString counts the work and does it.
func (r meteredRegexp) MatchString(s string) bool {
	r.v.spend(1 + len(s)*r.steps/16)
	return r.Regexp.MatchString(s)
}
