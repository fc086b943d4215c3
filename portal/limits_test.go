package portal_test

import (
	"reflect"
	"strings"
	"testing"
)

func TestLimitsOfAKey(t *testing.T) {
	f := newFixture(t)
	owner, tenant := f.customer("Example", "owner")
	f.approve(owner, tenant)
	sub := f.create("/subscriptions", `{"tenant_id":"`+tenant+`","product_id":"llm-hub"}`)
	made := owner.must(201, "POST", "/keys", `{"subscription_id":"`+sub+`","name":"k","limits":{"monthly_tokens":100,"monthly_amount":"5.5","dry_run":true}}`)
	id := made["id"].(string)
	if got, want := made["limits"], map[string]any{"monthly_tokens": 100.0, "monthly_amount": "5.50", "dry_run": true}; !reflect.DeepEqual(got, want) {
		t.Errorf("made with %v", got)
	}
	for _, who := range []person{owner, owner.byToken(), {f: f}} {
		budget := who.must(200, "GET", "/keys/"+id, "")["budget"]
		if want := (map[string]any{
			"month": "2026-11", "renews_at": "2026-11-30T23:00:00Z", "spent_tokens": 24.0, "reserved_tokens": 3.0, "limit_tokens": 100.0,
			"spent_amount": "1.25", "reserved_amount": "0.00", "limit_amount": "5.50", "currency": "EUR",
		}); !reflect.DeepEqual(budget, want) {
			t.Errorf("the budget is %v", budget)
		}
	}
	set := owner.must(200, "PUT", "/keys/"+id+"/limits", `{"limits":{"requests_per_minute":60,"input_tokens_per_minute":1,"output_tokens_per_minute":2,"concurrency":3}}`)
	if want := map[string]any{"requests_per_minute": 60.0, "input_tokens_per_minute": 1.0, "output_tokens_per_minute": 2.0, "concurrency": 3.0}; !reflect.DeepEqual(set["limits"], want) || set["budget"] != nil {
		t.Errorf("set are %v, %v", set["limits"], set["budget"])
	}
	a := owner.do("PUT", "/keys/"+id+"/limits", `{"limits":{"requests_per_minute":-1,"monthly_amount":"5,50"}}`)
	a.isError(t, 422, "invalid")
	a.hasDetail(t, "requests_per_minute")
	a.hasDetail(t, "monthly_amount")
	for _, body := range []string{`{}x`, `{"limits":{"tokens":1}}`, `{"limits":{"concurrency":1.5}}`, `{"limits":{"concurrency":99999999999999999999}}`, `{"limits":{"monthly_amount":5}}`} {
		owner.do("PUT", "/keys/"+id+"/limits", body).isError(t, 400, "bad_request")
	}
	for _, body := range []string{`{}`, `null`, `{"limits":null}`} { // nothing that ends limits
		if a := owner.do("PUT", "/keys/"+id+"/limits", body); a.status != 422 {
			t.Errorf("%s: status %d", body, a.status)
		}
	}
	if got := owner.must(200, "PUT", "/keys/"+id+"/limits", `{"limits":{}}`)["limits"]; len(got.(map[string]any)) != 0 {
		t.Errorf("what is left is %v", got)
	}
	owner.must(200, "POST", "/keys/"+id+"/deactivate", "")
	owner.do("PUT", "/keys/"+id+"/limits", `{"limits":{}}`).isError(t, 409, "invalid_state")
}

func TestLimitsOfASubscription(t *testing.T) {
	f := newFixture(t)
	owner, tenant := f.customer("Example", "owner")
	sub := f.create("/subscriptions", `{"tenant_id":"`+tenant+`","product_id":"llm-hub","models":["m1","m2"]}`)
	path := "/subscriptions/" + sub + "/limits"
	f.must(200, "PUT", path, `{"limits":{"monthly_tokens":1000}}`)
	f.must(200, "PUT", path, `{"model":"m2","limits":{"monthly_amount":"2"}}`)
	f.operator("ada").must(200, "PUT", path, `{"model":"m1","limits":{"concurrency":4}}`)
	seen := owner.must(200, "GET", "/subscriptions/"+sub, "")
	models := seen["model_limits"].([]any)
	if len(models) != 2 || seen["limits"].(map[string]any)["monthly_tokens"] != 1000.0 || seen["budget"].(map[string]any)["limit_tokens"] != 1000.0 {
		t.Fatalf("a customer sees %v", seen)
	}
	first, second := models[0].(map[string]any), models[1].(map[string]any)
	if first["model"] != "m1" || first["budget"] != nil || second["model"] != "m2" || second["budget"].(map[string]any)["limit_amount"] != "2.00" {
		t.Errorf("of the models %v", models)
	}
	listed := owner.must(200, "GET", "/subscriptions", "")["data"].([]any)[0].(map[string]any)
	if listed["budget"] != nil || len(listed["model_limits"].([]any)) != 2 {
		t.Errorf("listed is %v", listed)
	}
	for body, field := range map[string]string{
		`{"model":"other","limits":{"concurrency":1}}`:                            "model",
		`{"model":"` + strings.Repeat("m", 300) + `","limits":{"concurrency":1}}`: "model",
		`{}`:                            "limits",
		`{"limits":{"concurrency":-1}}`: "concurrency",
	} {
		a := f.do("PUT", path, body)
		a.isError(t, 422, "invalid")
		a.hasDetail(t, field)
	}
	f.do("PUT", "/subscriptions/sub_none/limits", `{"limits":{}}`).isError(t, 404, "not_found")
	f.must(200, "PUT", path, `{"model":"m1","limits":{}}`)
	if left := f.must(200, "PUT", path, `{"limits":{}}`); len(left["model_limits"].([]any)) != 1 || left["budget"] != nil {
		t.Errorf("what is left is %v", left)
	}
	f.must(200, "POST", "/subscriptions/"+sub+"/cancel", "")
	f.do("PUT", path, `{"limits":{}}`).isError(t, 409, "invalid_state")
}
