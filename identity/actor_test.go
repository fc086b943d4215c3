package identity

import (
	"errors"
	"slices"
	"testing"

	"llmhub/fault"
)

var allRights = []Right{Reports, ManageProfile, Subscribe, ManageRights}

func TestActor(t *testing.T) {
	customer := func(rights ...Right) Actor {
		return Actor{Kind: Customer, ID: "usr_1", TenantID: "ten_1", Rights: rights}
	}
	hidden := fault.New(fault.NotFound, "", "there is no such thing")
	for _, c := range []struct {
		name   string
		actor  Actor
		tenant string
		sees   fault.Kind // 0: it does
		has    []Right
	}{
		{"operator", Actor{Kind: Operator, ID: "opr_1"}, "ten_1", 0, allRights},
		{"administrator, no tenant", Administrator(), "", 0, allRights},
		{"nobody", Actor{}, "ten_1", fault.NotFound, nil},
		{"nobody, no tenant", Actor{}, "", fault.NotFound, nil},
		{"unknown kind", Actor{Kind: "seller", TenantID: "ten_1", Rights: allRights}, "ten_1", fault.NotFound, nil},
		{"no rights", customer(), "ten_1", fault.Forbidden, nil},
		{"reports", customer(Reports), "ten_1", 0, []Right{Reports}},
		{"profile contains reports", customer(ManageProfile), "ten_1", 0, []Right{Reports, ManageProfile}},
		{"subscribe contains reports", customer(Subscribe), "ten_1", 0, []Right{Reports, Subscribe}},
		{"all", customer(allRights...), "ten_1", 0, allRights},
		{"all in another tenant", customer(allRights...), "ten_2", fault.NotFound, nil},
		{"all, of no tenant", Actor{Kind: Customer, Rights: allRights}, "", fault.NotFound, nil},
		{"all, thing of no tenant", customer(allRights...), "", fault.NotFound, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			switch err := c.actor.See(c.tenant, hidden); {
			case c.sees == fault.NotFound && err != error(hidden):
				t.Errorf("See gives %v", err)
			case c.sees == fault.Forbidden:
				isFault(t, err, fault.Forbidden, "")
			case c.sees == 0 && err != nil:
				t.Errorf("See gives %v", err)
			}
			for _, r := range append(allRights, "unheard") {
				want := slices.Contains(c.has, r) || r == "unheard" && c.actor.Kind == Operator
				if got := c.actor.Has(c.tenant, r); got != want {
					t.Errorf("Has(%s) is %t", r, got)
				}
				err := c.actor.Require(c.tenant, r, hidden)
				switch {
				case want && err != nil, !want && err == nil:
					t.Errorf("Require(%s) gives %v", r, err)
				case !want && c.sees == fault.NotFound && err != error(hidden):
					t.Errorf("Require(%s) gives %v, which tells that there is something", r, err)
				case !want && c.sees != fault.NotFound:
					isFault(t, err, fault.Forbidden, "")
				}
			}
			if err := c.actor.RequireOperator(); (err == nil) != (c.actor.Kind == Operator) {
				t.Errorf("RequireOperator gives %v", err)
			}
		})
	}
}

// Each right is refused with a text of its own, by which it is translated.
func TestForbiddenTexts(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range allRights {
		var e *fault.Error
		if err := forbidden(r); !errors.As(err, &e) || seen[e.Format] || e.Format != e.Message {
			t.Errorf("%s is refused with %v", r, err)
		} else {
			seen[e.Format] = true
		}
	}
}
