package form

import (
	"encoding/json"
	"fmt"
	"math/big"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"

	"llmhub/fault"
)

func ofText(field string, k jsonschema.ErrorKind) *fault.Error {
	switch k := k.(type) {
	case *kind.MinLength:
		return fault.New(fault.Invalid, field, "must have at least %d characters", k.Want)
	case *kind.MaxLength:
		return fault.New(fault.Invalid, field, "must have at most %d characters", k.Want)
	case *kind.Pattern:
		return fault.New(fault.Invalid, field, "must match the pattern %s", cut(k.Want, maxShownRunes))
	case *kind.Format:
		return ofFormat(field, k.Want)
	}
	return nil
}

func ofFormat(field, format string) *fault.Error {
	switch format {
	case "email":
		return fault.New(fault.Invalid, field, "must be an e-mail address such as team@example.com")
	case "uri", "iri":
		return fault.New(fault.Invalid, field, "must be an address such as https://www.example.com")
	case "hostname":
		return fault.New(fault.Invalid, field, "must be the name of a host such as www.example.com")
	case "ipv4":
		return fault.New(fault.Invalid, field, "must be an address such as 192.0.2.1")
	case "ipv6":
		return fault.New(fault.Invalid, field, "must be an address such as 2001:db8::1")
	case "date":
		return fault.New(fault.Invalid, field, "must be a day such as 2026-11-30")
	}
	return fault.New(fault.Invalid, field, "must be of the format %s", cut(format, maxShownRunes))
}

func ofNumber(field string, k jsonschema.ErrorKind) *fault.Error {
	switch k := k.(type) {
	case *kind.Minimum:
		return fault.New(fault.Invalid, field, "must be at least %s", rational(k.Want))
	case *kind.Maximum:
		return fault.New(fault.Invalid, field, "must be at most %s", rational(k.Want))
	case *kind.ExclusiveMinimum:
		return fault.New(fault.Invalid, field, "must be more than %s", rational(k.Want))
	case *kind.ExclusiveMaximum:
		return fault.New(fault.Invalid, field, "must be less than %s", rational(k.Want))
	case *kind.MultipleOf:
		return fault.New(fault.Invalid, field, "must be a multiple of %s", rational(k.Want))
	}
	return nil
}

// rational writes a limit of a schema.
func rational(r *big.Rat) string {
	f, _ := r.Float64()
	return number(f)
}

func ofList(field string, k jsonschema.ErrorKind) *fault.Error {
	switch k := k.(type) {
	case *kind.MinItems:
		return fault.New(fault.Invalid, field, "must have at least %d entries", k.Want)
	case *kind.MaxItems:
		return fault.New(fault.Invalid, field, "must have at most %d entries", k.Want)
	case *kind.MinProperties:
		return fault.New(fault.Invalid, field, "must have at least %d entries", k.Want)
	case *kind.MaxProperties:
		return fault.New(fault.Invalid, field, "must have at most %d entries", k.Want)
	case *kind.UniqueItems:
		return fault.New(fault.Invalid, field, "must not have the same entry twice")
	}
	return nil
}

func ofValue(field string, k jsonschema.ErrorKind) *fault.Error {
	switch k := k.(type) {
	case *kind.Type:
		return ofType(field, k.Want)
	case *kind.Enum:
		return fault.New(fault.Invalid, field, "must be one of %s", alternatives(k.Want))
	case *kind.Const:
		return fault.New(fault.Invalid, field, "must be one of %s", alternatives([]any{k.Want}))
	}
	return nil
}

func ofType(field string, want []string) *fault.Error {
	if len(want) == 1 {
		switch want[0] {
		case "boolean":
			return fault.New(fault.Invalid, field, "must be true or false")
		case "integer":
			return fault.New(fault.Invalid, field, "must be a whole number")
		case "number":
			return fault.New(fault.Invalid, field, "must be a number such as 2 or 0.5")
		case "string":
			return fault.New(fault.Invalid, field, "must be a text")
		case "array":
			return fault.New(fault.Invalid, field, "must be a list")
		}
	}
	return fault.New(fault.Invalid, field, "does not fit what the chart's schema asks for")
}

// alternatives writes what a schema allows, which is no secret.
func alternatives(values []any) string {
	var all []string
	for _, v := range values {
		written, err := json.Marshal(v)
		if err != nil {
			written = fmt.Append(nil, v)
		}
		all = append(all, string(written))
	}
	return cut(strings.Join(all, ", "), maxShownRunes)
}
