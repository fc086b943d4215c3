package storetest

import (
	"fmt"
	"testing"

	"llmhub/store"
)

// testCollection uses a store through store.Collection.
func testCollection(t *testing.T, d store.Documents) {
	type thing struct {
		Owner string
		N     int
	}
	c := store.NewCollection(d, "thing", func(v thing) map[string]string { return map[string]string{"owner": v.Owner} })
	const count = 1203 // more than one page of All
	var writes []store.Write
	for i := range count {
		w, err := c.Write(fmt.Sprintf("id-%04d", i), 0, thing{Owner: fmt.Sprint(i % 2), N: i})
		if err != nil {
			t.Fatal(err)
		}
		writes = append(writes, w)
	}
	v := mustPut(t, d, writes...)
	r, err := c.Get(t.Context(), "id-0007")
	if err != nil || r.ID != "id-0007" || r.Version != v || r.Value != (thing{Owner: "1", N: 7}) {
		t.Fatalf("%+v, %v", r, err)
	}
	_, err = c.Get(t.Context(), "id-9999")
	wantErr(t, err, store.ErrNotFound)
	page, next, err := c.List(t.Context(), "owner", "1", "", 10)
	if err != nil || len(page) != 10 || next != page[9].ID || page[9].Value.N != 19 {
		t.Fatalf("page of %d, next %q, %v", len(page), next, err)
	}
	for index, want := range map[string]int{"": count, "owner": (count + 1) / 2} {
		n := 0
		for r, err := range c.All(t.Context(), index, "0") {
			if err != nil {
				t.Fatal(err)
			}
			if r.Value.N != n && index == "" || index != "" && r.Value.N != 2*n {
				t.Fatalf("at %d came %+v", n, r)
			}
			n++
		}
		if n != want {
			t.Fatalf("index %q yields %d", index, n)
		}
	}
	for range c.All(t.Context(), "", "") {
		break // ends early without harm
	}
}
