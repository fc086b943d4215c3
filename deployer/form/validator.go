package form

import (
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
	v := &validator{left: maxValidation}
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

// meter is added to every schema, and counts each visit.
type meter struct {
	v      *validator
	weight int
}

func (v *validator) meter(_ *jsonschema.CompilerContext, schema map[string]any) (jsonschema.SchemaExt, error) {
	weight := 1 + len(schema)
	for _, keyword := range schema {
		switch k := keyword.(type) {
		case []any:
			weight += len(k)
		case map[string]any:
			weight += len(k)
		}
	}
	return meter{v, weight}, nil
}

// Validate counts a visit by what it looks at.
func (m meter) Validate(_ *jsonschema.ValidatorContext, value any) {
	steps := m.weight
	switch value := value.(type) {
	case map[string]any:
		steps += len(value)
	case []any:
		steps += len(value)
	}
	m.v.spend(steps)
}

// meteredRegexp is a regular expression whose work is counted: instructions times bytes in the worst case.
type meteredRegexp struct {
	*regexp.Regexp
	v     *validator
	steps int
}

// compileRegexp takes what package regexp knows, and no repetitions that make a huge program of a short text.
func (v *validator) compileRegexp(pattern string) (jsonschema.Regexp, error) {
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
	compiled, err := regexp.Compile(pattern)
	return meteredRegexp{compiled, v, len(program.Inst)}, err
}

// MatchString counts the work and does it.
func (r meteredRegexp) MatchString(s string) bool {
	r.v.spend(1 + len(s)*r.steps/16)
	return r.Regexp.MatchString(s)
}
