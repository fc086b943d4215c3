package local

import (
	"bytes"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"llmhub/store"
)

// baseOf returns an account as a base.
func baseOf(t testing.TB, a *account) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := a.writeBase(&b, func(func(cell, sum) error) error { return nil }); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// FuzzBase reads any bytes as a base: a fault is store.ErrDamaged, and what is read is written the same.
func FuzzBase(f *testing.F) {
	a := newAccount(time.UTC)
	f.Add(baseOf(f, a))
	long := strings.Repeat("k", store.MaxName)
	if err := a.add(&frame{source: 1, seq: 1, names: []string{long, "model", "up/model"}, events: []event{
		{id: store.NewRequestID(1, 1), at: noon.UnixMilli(), model: 1, deployment: 2, tokens: store.Tokens{Input: 3, Output: 400},
			quantities: store.Quantities{}.Plus(store.UnitSearch, 7)},
	}, marks: []mark{{kind: store.MarkBegun, id: store.NewRequestID(1, 2), model: 1, deployment: 2, at: noon.UnixMilli()}}}); err != nil {
		f.Fatal(err)
	}
	f.Add(baseOf(f, a))
	f.Fuzz(func(t *testing.T, content []byte) {
		a := newAccount(time.UTC)
		var cells []cell
		err := a.readBase(bytes.NewReader(content), func(c cell, s sum) error {
			cells = append(cells, c)
			a.cells[c] = &s
			return nil
		})
		if err != nil {
			if !errors.Is(err, store.ErrDamaged) {
				t.Fatalf("%v is no damage", err)
			}
			return
		}
		if !slices.IsSortedFunc(cells, compareCells) {
			t.Fatalf("sums in the order %v", cells)
		}
		again := newAccount(time.UTC)
		err = again.readBase(bytes.NewReader(baseOf(t, a)), func(c cell, s sum) error {
			again.cells[c] = &s
			return nil
		})
		if err != nil || !reflect.DeepEqual(again, a) {
			t.Fatalf("read again: %v\n%+v\n%+v", err, again, a)
		}
	})
}
