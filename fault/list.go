package fault

import (
	"errors"
	"strings"
)

// Faults are all that is wrong with a form, at least one. errors.As finds the first as an *Error.
type Faults []*Error

// Error returns all messages.
func (f Faults) Error() string {
	texts := make([]string, len(f))
	for i, e := range f {
		texts[i] = e.Error()
	}
	return strings.Join(texts, "; ")
}

// Unwrap returns the faults.
func (f Faults) Unwrap() []error {
	errs := make([]error, len(f))
	for i, e := range f {
		errs[i] = e
	}
	return errs
}

// Join returns nil if all errors are nil, the first that is no fault, or else Faults.
func Join(errs ...error) error {
	var all Faults
	for _, err := range errs {
		if err == nil {
			continue
		}
		var list Faults
		var one *Error
		switch {
		case errors.As(err, &list):
			all = append(all, list...)
		case errors.As(err, &one):
			all = append(all, one)
		default:
			return err
		}
	}
	if len(all) == 0 {
		return nil
	}
	return all
}
