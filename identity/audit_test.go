package identity

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"
)

func TestAudit(t *testing.T) {
	f := newFixture(t)
	by := Actor{Kind: Customer, ID: "usr_1", Name: "Ann", TenantID: "ten_1"}
	type thing struct{ N int }
	for i := range 25 {
		who, tenant, action := by, "ten_1", "thing.set"
		if i%5 == 0 {
			who, tenant, action = Administrator(), "", "other.set"
		}
		w, err := f.audit.Write(who, Change{
			ID: "given", ActorID: "given", At: f.now().Add(time.Duration(i/2) * time.Second), // some at the same time
			TenantID: tenant, Action: action, ObjectID: fmt.Sprint(i), ObjectName: "Thing", Reason: "because",
		}, thing{i}, &thing{i + 1})
		if err == nil {
			_, err = f.store.Put(t.Context(), w)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		query AuditQuery
		want  int
	}{
		{AuditQuery{}, 25}, {AuditQuery{TenantID: "ten_1"}, 20}, {AuditQuery{ActorID: AdminToken}, 5},
		{AuditQuery{Action: "thing.set"}, 20}, {AuditQuery{TenantID: "ten_2"}, 0},
	} {
		got := listAudit(t, f.audit, c.query)
		if len(got) != c.want || !slices.IsSortedFunc(got, func(a, b Change) int { return b.At.Compare(a.At) }) {
			t.Errorf("%+v gives %d entries, or not the newest first", c.query, len(got))
		}
	}
	last := listAudit(t, f.audit, AuditQuery{TenantID: "ten_1"})[0]
	var before, after thing
	if err := json.Unmarshal(last.Before, &before); err != nil || json.Unmarshal(last.After, &after) != nil || after.N != before.N+1 {
		t.Errorf("before %s, after %s", last.Before, last.After)
	}
	if last.ID == "given" || last.ActorKind != Customer || last.ActorID != "usr_1" || last.ActorName != "Ann" ||
		last.ObjectID != fmt.Sprint(before.N) || last.ObjectName != "Thing" || last.Reason != "because" {
		t.Errorf("%+v", last)
	}
}

// listAudit returns all pages, three entries at a time.
func listAudit(t *testing.T, a *Audit, q AuditQuery) []Change {
	t.Helper()
	var all []Change
	for after := ""; ; {
		page, next, err := a.List(t.Context(), q, after, 3)
		if err != nil || len(page) > 3 {
			t.Fatalf("%d entries, %v", len(page), err)
		}
		all = append(all, page...)
		if next == "" {
			return all
		}
		after = next
	}
}

func TestAuditOfNothing(t *testing.T) {
	f := newFixture(t)
	w, err := f.audit.Write(Administrator(), Change{At: f.now(), Action: "thing.make"}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.store.Put(t.Context(), w); err != nil {
		t.Fatal(err)
	}
	got := listAudit(t, f.audit, AuditQuery{})
	if len(got) != 1 || got[0].Before != nil || got[0].After != nil || got[0].ActorName != "administrator" {
		t.Errorf("%+v", got)
	}
	if _, err := f.audit.Write(Administrator(), Change{}, func() {}, nil); err == nil {
		t.Error("what cannot be encoded is audited")
	}
}
