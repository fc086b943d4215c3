package portal_test

import (
	"encoding/base64"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"llmhub/deployer"
	"llmhub/deployer/form"
	"llmhub/fault"
	"llmhub/portal"
)

// nginx is a body that deploys; rest is what more there is in it.
func nginx(rest string) string {
	return `{"product_id":"nginx","target":{"project_id":"p1","cluster_id":"c1","namespace":"web","release":"nginx-1"},"accepted":[{"document_id":"eula","digest":"sha256:1"}]` + rest + `}`
}

func tourOfWorkloads(t *testing.T, f *fixture, owner person, tenant string) {
	if list := owner.must(200, "GET", "/projects", "")["data"].([]any); len(list) != 2 {
		t.Errorf("projects: %v", list)
	}
	if list := owner.must(200, "GET", "/projects/p1/clusters", "")["data"].([]any); list[0].(map[string]any)["available"] != true || list[1].(map[string]any)["message"] != "asleep" {
		t.Errorf("clusters: %v", list)
	}
	if v := owner.must(200, "GET", "/projects/p1/clusters/c1", ""); v["nodes"] != nil || v["free_memory_mib"] != 2048.0 || len(v["namespaces"].([]any)) != 1 {
		t.Errorf("cluster: %v", v)
	}
	fields := owner.must(200, "GET", "/products/nginx/form", "")["fields"].([]any)
	if number := fields[2].(map[string]any); len(fields) != 5 || number["maximum"] != 9.5 || number["path"] != "replicas" || number["chart_default"] != "1" {
		t.Errorf("form: %v", fields)
	}
	review := owner.must(200, "POST", "/workloads/review", nginx(`,"values":{"auth":{"user":"ada"}}`))
	if in := review["inventory"].(map[string]any); review["warned"] != true || len(in["claims"].([]any)) != 1 || len(in["balancers"].([]any)) != 1 || len(review["diff"].([]any)) != 0 {
		t.Errorf("review: %v", review)
	}
	v := owner.must(202, "POST", "/workloads", nginx(`,"secrets":{"auth.password":"canary-secret"}`))
	id := v["id"].(string)
	if v["tenant_id"] != tenant || v["state"] != "requested" || v["operation"].(map[string]any)["kind"] != "install" || v["consents"].([]any)[0].(map[string]any)["title"] != "EULA in en" {
		t.Errorf("workload: %v", v)
	}
	list := owner.must(200, "GET", "/workloads?state=pending&search=ngi&page=1&per_page=5&tenant_id="+tenant, "")
	if list["total"] != 1.0 || list["counts"].(map[string]any)["pending"] != 1.0 || list["data"].([]any)[0].(map[string]any)["id"] != id {
		t.Errorf("list: %v", list)
	}
	if v := owner.must(200, "GET", "/workloads/"+id+"/resources", ""); v["ready"] != false || v["data"].([]any)[0].(map[string]any)["address"] != "192.0.2.10" {
		t.Errorf("resources: %v", v)
	}
	owner.must(200, "GET", "/workloads/"+id+"/revisions", "")
	if v := owner.must(200, "POST", "/workloads/"+id+"/upgrade/review", ""); v["diff"].([]any)[0].(map[string]any)["change"] != "changed" {
		t.Errorf("review of the upgrade: %v", v)
	}
	owner.must(202, "POST", "/workloads/"+id+"/upgrade", `{"values":{"replicas":4},"accepted":[{"document_id":"eula","digest":"sha256:1"}]}`)
	owner.must(202, "POST", "/workloads/"+id+"/rollback", `{"revision":1}`)
	owner.must(202, "POST", "/workloads/"+id+"/continue", "")
	owner.must(202, "POST", "/workloads/"+id+"/uninstall", `{"release":"nginx-1"}`)
	v = owner.must(200, "GET", "/workloads/"+id, "")
	if history := v["history"].([]any); v["state"] != "removing" || len(history) != 3 || history[0].(map[string]any)["reason"].(map[string]any)["message"] != "an image cannot be pulled" {
		t.Errorf("workload at the end: %v", v)
	}
	if text := owner.do("GET", "/workloads/"+id, "").text + owner.do("GET", "/workloads/"+id+"/revisions", "").text; strings.Contains(text, "canary") {
		t.Errorf("an answer shows what it must not: %s", text)
	}
	if len(f.deployed.drafts) != 2 { // one became the workload, one its upgrade; those of reviews are gone
		t.Errorf("%d drafts are left", len(f.deployed.drafts))
	}
}

// onWorkloads are all operations on deployments: method, path and body. ID stands for a workload's.
var onWorkloads = []struct {
	method, path, body string
	// reads says that the right Reports is enough; deploys that it is for users of a tenant.
	reads, deploys bool
}{
	{"GET", "/projects", "", false, false}, {"GET", "/projects/p1/clusters", "", false, false}, {"GET", "/projects/p1/clusters/c1", "", false, false},
	{"GET", "/workloads/ID", "", true, false}, {"GET", "/workloads/ID/resources", "", true, false}, {"GET", "/workloads/ID/revisions", "", true, false},
	{"POST", "/workloads", nginx(""), false, true}, {"POST", "/workloads/review", nginx(""), false, true},
	{"POST", "/workloads/ID/upgrade/review", "", false, false},
	{"POST", "/workloads/ID/upgrade", `{"accepted":[{"document_id":"eula","digest":"sha256:1"}]}`, false, false},
	{"POST", "/workloads/ID/rollback", `{"revision":1}`, false, false}, {"POST", "/workloads/ID/continue", "", false, false},
	{"POST", "/workloads/ID/uninstall", `{"release":"nginx-1"}`, false, false},
}

// TestWhoMayDeploy tries everything on deployments with each way to ask.
func TestWhoMayDeploy(t *testing.T) {
	f := newFixture(t)
	owner, tenant := f.customer("Example", "owner")
	theirs, _ := f.customer("Theirs", "owner-theirs")
	give := func(user, rights string) person {
		who, _ := f.customer("Example", user)
		owner.must(200, "PUT", "/users/"+who.must(200, "GET", "/me", "")["id"].(string)+"/rights", `{"rights":`+rights+`}`)
		return who
	}
	reader, nobody := give("guest-reader", `["reports"]`), give("guest-nobody", `[]`)
	id := owner.must(202, "POST", "/workloads", nginx(""))["id"].(string)
	operator, admin := f.operator("ada"), person{f: f}
	owners, others, readers := []person{owner, owner.byToken()}, []person{theirs, theirs.byToken()}, []person{reader, reader.byToken()}
	for _, c := range onWorkloads {
		ofOne := strings.Contains(c.path, "ID")
		try := func(who person) answer { return who.do(c.method, strings.ReplaceAll(c.path, "ID", id), c.body) }
		for _, who := range owners {
			if a := try(who); a.status/100 != 2 {
				t.Errorf("owner: %s %s: %d %s", c.method, c.path, a.status, a.text)
			}
		}
		for _, who := range others {
			if ofOne {
				try(who).isError(t, http.StatusNotFound, "not_found")
			}
		}
		try(nobody).isError(t, http.StatusForbidden, "forbidden")
		for _, who := range readers {
			if a := try(who); c.reads != (a.status == 200) || !c.reads && a.status != 403 {
				t.Errorf("reader: %s %s: %d %s", c.method, c.path, a.status, a.text)
			}
		}
		for _, who := range []person{operator, admin} {
			if a := try(who); c.deploys != (a.status == 403) || !c.deploys && a.status/100 != 2 {
				t.Errorf("operator: %s %s: %d %s", c.method, c.path, a.status, a.text)
			}
		}
	}
	theirs.do("GET", "/workloads?tenant_id="+tenant, "").isError(t, http.StatusNotFound, "not_found")
	if a := theirs.do("GET", "/workloads", ""); a.status != 200 || strings.Contains(a.text, id) {
		t.Errorf("theirs: %s", a.text)
	}
	if a := operator.do("GET", "/workloads", ""); a.status != 200 || !strings.Contains(a.text, id) {
		t.Errorf("an operator sees all: %s", a.text)
	}
	if all := f.document.count("/workloads") + f.document.count("/projects"); len(onWorkloads)+1 != all { // the list is tried apart
		t.Errorf("%d operations on deployments are tried of %d", len(onWorkloads)+1, all)
	}
}

// TestTokenOfTheDirectory: the session's own token reaches clusters, or the one in the header.
func TestTokenOfTheDirectory(t *testing.T) {
	f := newFixture(t)
	owner, _ := f.customer("Example", "owner")
	token := owner.byToken()
	with := func(p person, value string) person {
		return person{f, append(append([]string{}, p.header...), "X-Auth-Token", value)}
	}
	for _, c := range []struct {
		name string
		who  person
		want string
	}{
		{"session", owner, "canary-iam-token"},
		{"session with another", with(owner, "canary-other"), "canary-other"},
		{"personal token", token, ""},
		{"personal token with one", with(token, "canary-given"), "canary-given"},
		{"administrator", person{f: f}, ""},
		{"administrator with one", person{f, []string{"X-Auth-Token", "canary-admin"}}, "canary-admin"},
		{"operator", f.operator("ada"), ""},
	} {
		c.who.must(200, "GET", "/projects", "")
		if got := f.deployed.tokens[len(f.deployed.tokens)-1]; got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
	for _, bad := range []string{"two words", "ümlaut"} {
		with(token, bad).do("GET", "/projects", "").isError(t, http.StatusBadRequest, "bad_request")
	}
	f.deployed.fail["Projects"] = &deployer.Reason{Code: deployer.Unreachable}
	with(token, "canary-given").do("GET", "/projects", "").isError(t, http.StatusBadGateway, "unreachable")
	if strings.Contains(f.log.String(), "canary") {
		t.Errorf("a token is in the log:\n%s", f.log.String())
	}
}

// TestReasonsOfClusters: each code has words and an answer of its own, and what is internal stays inside.
func TestReasonsOfClusters(t *testing.T) {
	f := newFixture(t)
	owner, _ := f.customer("Example", "owner")
	status := map[deployer.ReasonCode]int{
		deployer.Unreachable: 502, deployer.ChartMissing: 502, deployer.AccessEnded: 403, deployer.AccessDenied: 403, deployer.Internal: 500,
	}
	for _, code := range append(deployer.ReasonCodes(), "unheard") {
		f.deployed.fail["Projects"] = &deployer.Reason{Code: code, Object: "Pod/web-0", Detail: "its detail"}
		want, as := status[code], string(code)
		if want == 0 {
			want = 422
		}
		if code == "unheard" {
			want, as = 500, "internal"
		}
		message := owner.do("GET", "/projects", "").isError(t, want, as)
		if inside := want == 500; inside == strings.Contains(message, "(Pod/web-0): its detail") {
			t.Errorf("%s: %q", code, message)
		}
	}
}

// TestValuesBecomeInput sends values in each form.
func TestValuesBecomeInput(t *testing.T) {
	f := newFixture(t)
	owner, _ := f.customer("Example", "owner")
	last := func() *draft { return f.deployed.drafts[owner.lastDraft()] }
	owner.must(202, "POST", "/workloads", nginx(""))
	if got := last().input; !reflect.DeepEqual(got, form.Input{"replicas": {"2"}}) {
		t.Errorf("the default of the form is not taken: %v", got)
	}
	owner.must(202, "POST", "/workloads", nginx(`,"values":{"replicas":null}`))
	if got := last().input; len(got) != 0 {
		t.Errorf("null does not leave it to the chart: %v", got)
	}
	owner.must(202, "POST", "/workloads", nginx(`,"values":{"auth":{"user":"ada"},"replicas":12345678901234567890,"tls":true,"hosts":["a",7]},
		"secrets":{"auth.password":"canary-secret"},"confirm_warnings":true`))
	want := form.Input{"auth.user": {"ada"}, "replicas": {"12345678901234567890"}, "tls": {"true"}, "hosts": {"a", "7"}, "auth.password": {"canary-secret"}}
	if got := last(); !reflect.DeepEqual(got.input, want) || !f.deployed.confirmed {
		t.Errorf("input %v, want %v; confirmed %v", got.input, want, f.deployed.confirmed)
	}
	id := f.deployed.workloads[2].ID
	owner.must(202, "POST", "/workloads/"+id+"/upgrade", `{"values":{"auth.user":null,"tls":"false","hosts":"one"},"clear_secrets":["auth.password"],"accepted":[{"document_id":"eula","digest":"sha256:1"}]}`)
	want = form.Input{"replicas": {"3"}, "tls": {"false"}, "hosts": {"one"}}
	if got := last(); !reflect.DeepEqual(got.input, want) || !reflect.DeepEqual(got.clear, []string{"auth.password"}) {
		t.Errorf("input %v, want %v; clear %v", got.input, want, got.clear)
	}
	for values, field := range map[string]string{
		`"values":{"replica":1}`:                         "replica",
		`"values":{"auth":{"usr":1}}`:                    "auth.usr",
		`"values":{"auth":{}}`:                           "auth",
		`"values":{"internal":"y"}`:                      "internal",
		`"values":{"auth.password":"x"}`:                 "auth.password",
		`"values":{"auth.user":"a","auth":{"user":"b"}}`: "auth.user",
		`"values":{"replicas":[1,2]}`:                    "replicas",
		`"values":{"replicas":{"x":1}}`:                  "replicas",
		`"values":{"hosts":[["x"]]}`:                     "hosts",
		`"values":{"hosts":[null]}`:                      "hosts",
		`"secrets":{"auth.user":"x"}`:                    "auth.user",
		`"secrets":{"auth.password":""}`:                 "auth.password",
		`"clear_secrets":["tls"]`:                        "tls",
		`"values":` + strings.Repeat(`{"x":`, 5000) + `1` + strings.Repeat(`}`, 5000): strings.TrimSuffix(strings.Repeat("x.", 33), "."),
	} {
		before := len(f.deployed.drafts)
		a := owner.do("POST", "/workloads", nginx(","+values))
		a.isError(t, http.StatusUnprocessableEntity, "invalid")
		a.hasDetail(t, field)
		if len(f.deployed.drafts) != before {
			t.Errorf("%.60s: the draft stays", values)
		}
	}
	var many strings.Builder
	for i := range 500 {
		many.WriteString(`"x` + strings.Repeat("y", i%50) + string(rune('a'+i/50)) + `":1,`)
	}
	if a := owner.do("POST", "/workloads", nginx(`,"values":{`+strings.TrimSuffix(many.String(), ",")+`}`)); strings.Count(a.text, `"field"`) != 20 {
		t.Errorf("%d faults are told", strings.Count(a.text, `"field"`))
	}
}

// TestDraftsOfFailuresAreDiscarded fails in each step.
func TestDraftsOfFailuresAreDiscarded(t *testing.T) {
	f := newFixture(t)
	owner, _ := f.customer("Example", "owner")
	for _, step := range []string{"SetTarget", "SetInput", "Deploy"} {
		f.deployed.fail = map[string]error{step: fault.Faults{fault.New(fault.Invalid, "a", "is bad"), fault.New(fault.Invalid, "b", "is bad")}}
		a := owner.do("POST", "/workloads", nginx(""))
		a.isError(t, http.StatusUnprocessableEntity, "invalid")
		a.hasDetail(t, "a")
		a.hasDetail(t, "b")
		if len(f.deployed.drafts) != 0 || len(f.deployed.workloads) != 0 {
			t.Errorf("%s: %d drafts and %d workloads are left", step, len(f.deployed.drafts), len(f.deployed.workloads))
		}
	}
	f.deployed.fail = map[string]error{}
	owner.do("POST", "/workloads", strings.Replace(nginx(""), "sha256:1", "sha256:2", 1)).isError(t, http.StatusConflict, "conflict")
	owner.do("POST", "/workloads", strings.Replace(nginx(""), `"web"`, `""`, 1)).hasDetail(t, "target.namespace")
	id := owner.must(202, "POST", "/workloads", nginx(""))["id"].(string)
	owner.do("POST", "/workloads/"+id+"/uninstall", `{"release":"other"}`).hasDetail(t, "release")
	f.deployed.fail["Deploy"] = fault.New(fault.State, "confirmed", "must be confirmed")
	owner.do("POST", "/workloads", nginx("")).hasDetail(t, "confirm_warnings")
	owner.do("POST", "/workloads", `{"product_id":"","target":{"project_id":"p","cluster_id":"c","namespace":"n"}}`).hasDetail(t, "product_id")
}

// TestLicence brings a licence along, up to the largest.
func TestLicence(t *testing.T) {
	f := newFixture(t)
	owner, _ := f.customer("Example", "owner")
	var byol string
	for _, p := range f.must(200, "GET", "/products?licence=byol", "")["data"].([]any) {
		byol = p.(map[string]any)["id"].(string)
	}
	body := func(rest string) string { return strings.Replace(nginx(rest), `"nginx"`, `"`+byol+`"`, 1) }
	licence := strings.Repeat("canary-licence.", deployer.MaxLicenceBytes/15)
	owner.must(202, "POST", "/workloads", body(`,"licence":"`+base64.StdEncoding.EncodeToString([]byte(licence))+`","licence_name":"a.key"`))
	if got := f.deployed.drafts[owner.lastDraft()]; f.deployed.licence != licence || got.LicenceName != "a.key" {
		t.Errorf("%d bytes called %q came", len(f.deployed.licence), got.LicenceName)
	}
	owner.must(202, "POST", "/workloads", body(`,"licence_later":true`))
	owner.do("POST", "/workloads", body("")).hasDetail(t, "licence")
	owner.do("POST", "/workloads", body(`,"licence":"%%%"`)).isError(t, http.StatusBadRequest, "bad_request")
	owner.do("POST", "/workloads", body(`,"licence":"`+strings.Repeat("A", 900_000)+`"`)).isError(t, http.StatusRequestEntityTooLarge, "too_large")
	if strings.Contains(f.log.String(), "canary") {
		t.Error("a licence is in the log")
	}
}

// lastDraft returns the ID of the draft that was made last.
func (p person) lastDraft() (last string) {
	for id := range p.f.deployed.drafts {
		if len(id) > len(last) || len(id) == len(last) && id > last {
			last = id
		}
	}
	return last
}

// TestNothingIsDeployedHere: a server that is not set up for deployments says so.
func TestNothingIsDeployedHere(t *testing.T) {
	f := newFixture(t)
	f.options.Deployments = nil
	f.reopen(portal.New(f.options))
	owner, _ := f.customer("Example", "owner")
	for _, c := range onWorkloads {
		if message := owner.do(c.method, strings.ReplaceAll(c.path, "ID", "wkl_0"), c.body).isError(t, http.StatusConflict, "invalid_state"); !strings.Contains(message, "not set up") {
			t.Errorf("%s %s: %q", c.method, c.path, message)
		}
	}
	f.do("GET", "/workloads", "", "Authorization", "").isError(t, http.StatusUnauthorized, "unauthorized")
}
