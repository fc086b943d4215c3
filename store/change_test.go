package store_test

import (
	"errors"
	"testing"

	"llmhub/store"
	"llmhub/store/local"
)

func TestChange(t *testing.T) {
	d, err := local.Open(t.TempDir(), local.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	counter := store.NewCollection[int](d, "counter", nil)
	write := func(expect store.Version, n int) []store.Write {
		w, err := counter.Write("one", expect, n)
		if err != nil {
			t.Error(err)
		}
		return []store.Write{w}
	}
	first, err := store.Change(t.Context(), d, func() ([]store.Write, error) { return write(0, 1), nil })
	if err != nil || first == 0 {
		t.Fatalf("%d, %v", first, err)
	}
	// Another writer comes between twice.
	attempts := 0
	_, err = store.Change(t.Context(), d, func() ([]store.Write, error) {
		r, err := counter.Get(t.Context(), "one")
		if attempts++; attempts < 3 {
			if _, err := d.Put(t.Context(), write(r.Version, r.Value+1)...); err != nil {
				t.Error(err)
			}
		}
		return write(r.Version, r.Value+10), err
	})
	if r, _ := counter.Get(t.Context(), "one"); err != nil || attempts != 3 || r.Value != 13 {
		t.Errorf("%v after %d attempts, the counter is %d", err, attempts, r.Value)
	}
	// The attempts are bounded, and what comes of it is a conflict.
	attempts = 0
	if _, err := store.Change(t.Context(), d, func() ([]store.Write, error) { attempts++; return write(1<<40, 0), nil }); !errors.Is(err, store.ErrConflict) || attempts != 10 {
		t.Errorf("%v after %d attempts", err, attempts)
	}
	if v, err := store.Change(t.Context(), d, func() ([]store.Write, error) { return nil, nil }); v != 0 || err != nil {
		t.Errorf("nothing to write gives %d, %v", v, err)
	}
	why := errors.New("why")
	if _, err := store.Change(t.Context(), d, func() ([]store.Write, error) { return write(0, 0), why }); err != why {
		t.Errorf("an error of prepare gives %v", err)
	}
	if _, err := store.Change(t.Context(), d, func() ([]store.Write, error) { return []store.Write{{}}, nil }); !errors.Is(err, store.ErrInvalid) {
		t.Errorf("an invalid write gives %v", err)
	}
}
