package store

import (
	"reflect"
	"slices"
	"testing"
)

func TestImageUnits(t *testing.T) {
	sized := 0
	for _, u := range Units() {
		if size := u.ImageSize(); size != "" {
			sized++
			if got := ImageUnit(size); got != u {
				t.Errorf("images of %s are %s, want %s", size, got, u)
			}
		}
	}
	if sized != 7 {
		t.Errorf("%d sizes have a unit", sized)
	}
	for _, size := range []string{"", "auto", "1024x1025", "image", "image_1024x1024", "1024X1024"} {
		if got := ImageUnit(size); got != UnitImage {
			t.Errorf("images of %q are %s", size, got)
		}
	}
}

func TestQuantities(t *testing.T) {
	var q Quantities
	q = q.Plus(UnitSearch, 2).Plus(UnitImage, 1).Plus(UnitCharacter, 0).Plus(UnitSearch, 3)
	want := Quantities{{UnitImage, 1}, {UnitSearch, 5}}
	if !reflect.DeepEqual(q, want) || q.Of(UnitSearch) != 5 || q.Of(UnitCharacter) != 0 {
		t.Errorf("%v, want %v", q, want)
	}
	// What is added stays as it is, whatever becomes of the sum.
	var sum Quantities
	sum = sum.PlusAll(nil).PlusAll(q).PlusAll(Quantities{{UnitImage512, 1}}).PlusAll(q)
	if got := (Quantities{{UnitImage, 2}, {UnitImage512, 1}, {UnitSearch, 10}}); !slices.Equal(sum, got) || !slices.Equal(q, want) {
		t.Errorf("%v of %v", sum, q)
	}
}
