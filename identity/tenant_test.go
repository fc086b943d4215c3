package identity

import (
	"errors"
	"strings"
	"testing"

	"llmhub/fault"
)

func TestTenants(t *testing.T) {
	tenants := newFixture(t).tenants
	made := map[string]string{}
	for _, name := range []string{"Ärzte GmbH", "Same", "Same", strings.Repeat("ä", 100)} {
		tenant, err := tenants.Create(t.Context(), Administrator(), " "+name+"\n")
		if err != nil || tenant.Name != name || tenant.State != TenantActive || !strings.HasPrefix(tenant.ID, "ten_") || tenant.CreatedAt.IsZero() {
			t.Fatalf("%+v, %v", tenant, err)
		}
		if got, err := tenants.Get(t.Context(), tenant.ID); err != nil || got != tenant {
			t.Errorf("read %+v, %v; made %+v", got, err, tenant)
		}
		made[tenant.ID] = name
	}
	after := ""
	for len(made) > 0 {
		page, next, err := tenants.List(t.Context(), Administrator(), after, 3)
		if err != nil || len(page) == 0 || len(page) > 3 {
			t.Fatalf("page %v, %v", page, err)
		}
		for _, tenant := range page {
			if made[tenant.ID] != tenant.Name || tenant.ID <= after {
				t.Errorf("%+v in the list", tenant)
			}
			after = tenant.ID
			delete(made, tenant.ID)
		}
		if (next == "") != (len(made) == 0) {
			t.Errorf("next page %q, %d tenants to come", next, len(made))
		}
	}
}

func TestTenantsBadInput(t *testing.T) {
	tenants := newFixture(t).tenants
	for _, name := range []string{"", " \t", "a\x00b", "a\u200bb", "\xff", strings.Repeat("a", 101)} {
		_, err := tenants.Create(t.Context(), Administrator(), name)
		var e *fault.Error
		if !errors.As(err, &e) || e.Kind != fault.Invalid || e.Field != "name" {
			t.Errorf("name %q gives %v", name, err)
		}
	}
	for _, id := range []string{"", "ten_none", "\x00", strings.Repeat("a", 1<<16)} {
		if _, err := tenants.Get(t.Context(), id); !errors.Is(err, &fault.Error{Kind: fault.NotFound}) {
			t.Errorf("ID %.20q gives %v", id, err)
		}
	}
	if list, next, err := tenants.List(t.Context(), Administrator(), "", 0); err != nil || len(list) != 0 || next != "" {
		t.Errorf("list %v, %q, %v", list, next, err)
	}
}

func TestNewID(t *testing.T) {
	seen := map[string]bool{}
	for range 10_000 {
		id := NewID("x_")
		if seen[id] || len(id) != 28 || strings.Trim(id[2:], "abcdefghijklmnopqrstuvwxyz234567") != "" {
			t.Fatalf("ID %q", id)
		}
		seen[id] = true
	}
}
