package identity

import (
	"errors"
	"slices"
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

func TestSuspend(t *testing.T) {
	f := newFixture(t)
	tenant, err := f.tenants.Create(t.Context(), Administrator(), "Muster GmbH")
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.tenants.Resume(t.Context(), Administrator(), tenant.ID)
	isFault(t, err, fault.State, "")
	got, err := f.tenants.Suspend(t.Context(), Administrator(), tenant.ID, " unpaid\r\nsince May ")
	if err != nil || got.State != TenantSuspended || !got.SuspendedAt.Equal(f.now()) || got.SuspendReason != "unpaid\nsince May" {
		t.Errorf("%+v, %v", got, err)
	}
	isFault(t, got.RequireActive(), fault.State, "")
	_, err = f.tenants.Suspend(t.Context(), Administrator(), tenant.ID, "again")
	isFault(t, err, fault.State, "")
	if got, err := f.tenants.Resume(t.Context(), Administrator(), tenant.ID); err != nil || got != tenant || got.RequireActive() != nil {
		t.Errorf("%+v, %v", got, err)
	}
	if got := f.actions(tenant.ID); !slices.Equal(got, []string{"tenant.create", "tenant.resume", "tenant.suspend"}) {
		t.Errorf("audited: %v", got)
	}
	entries, _, err := f.audit.List(t.Context(), AuditQuery{Action: "tenant.suspend"}, "", 0)
	if err != nil || len(entries) != 1 || entries[0].Reason != "unpaid\nsince May" {
		t.Errorf("%+v, %v", entries, err)
	}
}

func TestTenantsAreForOperators(t *testing.T) {
	f := newFixture(t)
	owner, tenant := f.enrolled("OTC-1", "owner", true)
	by := f.actor(owner)
	_, err := f.tenants.Create(t.Context(), by, "Mine")
	isFault(t, err, fault.Forbidden, "")
	_, _, err = f.tenants.List(t.Context(), by, "", 0)
	isFault(t, err, fault.Forbidden, "")
	_, err = f.tenants.Suspend(t.Context(), by, tenant.ID, "why")
	isFault(t, err, fault.Forbidden, "")
	_, err = f.tenants.Resume(t.Context(), by, tenant.ID)
	isFault(t, err, fault.Forbidden, "")
	_, err = f.tenants.Suspend(t.Context(), Administrator(), "ten_none", "why")
	isFault(t, err, fault.NotFound, "")
	_, err = f.tenants.Suspend(t.Context(), Administrator(), tenant.ID, " ")
	isFault(t, err, fault.Invalid, "reason")
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
