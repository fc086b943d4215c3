package fault

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestError(t *testing.T) {
	err := fmt.Errorf("wrapped: %w", New(Invalid, "name", "has %d faults", 2))
	if err.Error() != "wrapped: name: has 2 faults" {
		t.Error(err)
	}
	if !errors.Is(err, &Error{Kind: Invalid}) || errors.Is(err, &Error{Kind: NotFound}) || errors.Is(err, &Error{Kind: Invalid, Field: "other"}) {
		t.Error("errors.Is does not go by the kind")
	}
	if got := New(State, "", "is over").Error(); got != "is over" {
		t.Error(got)
	}
}

func TestName(t *testing.T) {
	for in, want := range map[string]string{
		"a": "a", "  two words\n": "two words", strings.Repeat("日", 100): strings.Repeat("日", 100), "Zoë's 2 € 🙂": "Zoë's 2 € 🙂",
	} {
		if got, err := Name("name", in); err != nil || got != want {
			t.Errorf("%q gives %q, %v", in, got, err)
		}
	}
	for _, in := range []string{"", " ", "a\nb", "a\x7fb", "a\u0085b", "a\u202eb", "a\xff", strings.Repeat("日", 101)} {
		if got, err := Name("name", in); err == nil || got != "" || !errors.Is(err, &Error{Kind: Invalid}) {
			t.Errorf("%q gives %q, %v", in, got, err)
		}
	}
}

func TestText(t *testing.T) {
	for in, want := range map[string]string{"a": "a", " two\r\nlines\n": "two\nlines", "日本語日本": "日本語日本"} {
		if got, err := Text("reason", in, 9); err != nil || got != want {
			t.Errorf("%q gives %q, %v", in, got, err)
		}
	}
	for _, in := range []string{"", " \r\n", "ten chars!", "a\rb", "a\tb", "a\x00b", "a\u202eb", "a\u2028b", "a\xff"} {
		if got, err := Text("reason", in, 9); got != "" || !errors.Is(err, &Error{Kind: Invalid}) {
			t.Errorf("%q gives %q, %v", in, got, err)
		}
	}
}

func TestJoin(t *testing.T) {
	if err := Join(nil, nil); err != nil || Join() != nil {
		t.Errorf("nothing wrong gives %v", err)
	}
	name, reason := New(Invalid, "name", "is bad"), New(State, "", "is over")
	err := fmt.Errorf("form: %w", Join(nil, name, nil, fmt.Errorf("wrapped: %w", reason)))
	var all Faults
	if !errors.As(err, &all) || !slices.Equal(all, Faults{name, reason}) || err.Error() != "form: name: is bad; is over" {
		t.Errorf("%v", err)
	}
	var first *Error
	if !errors.As(err, &first) || first != name || !errors.Is(err, &Error{Kind: State}) || errors.Is(err, &Error{Kind: NotFound}) {
		t.Errorf("the faults cannot be found in %v", err)
	}
	if err := Join(err, name); !errors.As(err, &all) || len(all) != 3 {
		t.Errorf("a list and one more give %v", err)
	}
	other := errors.New("disk")
	if err := Join(name, other, reason); err != other {
		t.Errorf("an error that is no fault gives %v", err)
	}
}

func TestModels(t *testing.T) {
	long := strings.Repeat("m", MaxModelBytes)
	got, err := Models("models", []string{"a", "b/c:d", "a", long, "b/c:d"})
	if err != nil || !slices.Equal(got, []string{"a", "b/c:d", long}) {
		t.Errorf("%q, %v", got, err)
	}
	if got, err := Models("models", nil); err != nil || len(got) != 0 {
		t.Errorf("%q, %v", got, err)
	}
	for _, in := range [][]string{{""}, {"a", ""}, {long + "m"}, {"a\x00"}, {"a\xff"}, make([]string, maxModels+1)} {
		if got, err := Models("models", in); err == nil || got != nil || !errors.Is(err, &Error{Kind: Invalid}) {
			t.Errorf("%.3q gives %q, %v", in, got, err)
		}
	}
}
