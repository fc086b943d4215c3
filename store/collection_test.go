package store_test

import (
	"errors"
	"testing"

	"llmhub/store"
)

func TestCollectionDecode(t *testing.T) {
	type thing struct{ N int }
	c := store.NewCollection[thing](nil, "thing", nil)
	if c.Kind() != "thing" {
		t.Errorf("kind %q", c.Kind())
	}
	r, err := c.Decode(store.Document{Kind: "thing", ID: "x", Version: 3, Body: []byte(`{"N":7}`)})
	if err != nil || r.ID != "x" || r.Version != 3 || r.Value.N != 7 {
		t.Errorf("%+v, %v", r, err)
	}
	if _, err := c.Decode(store.Document{Kind: "thing", Body: []byte(`{"N":"x"}`)}); !errors.Is(err, store.ErrDamaged) {
		t.Errorf("a wrong type gives %v", err)
	}
	if _, err := c.Decode(store.Document{Kind: "other", Body: []byte(`{}`)}); err == nil {
		t.Error("a document of another kind is decoded")
	}
	if r, err := c.Decode(store.Document{Kind: "thing", ID: "x", Deleted: true}); err != nil || r.Value.N != 0 {
		t.Errorf("deleted: %+v, %v", r, err)
	}
	bad := store.NewCollection[func()](nil, "thing", nil)
	if _, err := bad.Write("x", 0, func() {}); err == nil {
		t.Error("a function is encoded")
	}
}
