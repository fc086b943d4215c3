package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// scriptedAPI is a management API that answers as it is told to, and keeps what it was asked.
type scriptedAPI struct {
	t   *testing.T
	url string
	mu  sync.Mutex
	// answers are bodies by method and path; the last of several stays. One that begins with a status is an error.
	answers map[string][]string
	asked   []string
	bodies  []string
	tokens  []string
	// stdin is what commands have on standard input.
	stdin string
}

func newScriptedAPI(t *testing.T, answers map[string][]string) *scriptedAPI {
	t.Helper()
	s := &scriptedAPI{t: t, answers: answers}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	s.url = server.URL
	return s
}

func (s *scriptedAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		s.t.Error(err)
	}
	name := r.Method + " " + strings.TrimPrefix(r.URL.EscapedPath(), "/api/v1")
	s.asked = append(s.asked, strings.TrimSuffix(name+"?"+r.URL.RawQuery, "?"))
	s.bodies, s.tokens = append(s.bodies, string(body)), append(s.tokens, r.Header.Get("X-Auth-Token"))
	left := s.answers[name]
	if len(left) == 0 {
		w.WriteHeader(http.StatusNotFound)
		_, _ = io.WriteString(w, `{"error":{"code":"not_found","message":"there is no such thing"}}`)
		return
	}
	if len(left) > 1 {
		s.answers[name] = left[1:]
	}
	var status int
	text := left[0]
	if _, err := fmt.Sscanf(text, "%d ", &status); err == nil {
		w.WriteHeader(status)
		_, text, _ = strings.Cut(text, " ")
	}
	_, _ = io.WriteString(w, text)
}

// run runs a command line as a user with a personal token. NAME=VALUE before it is its environment.
func (s *scriptedAPI) run(args ...string) (code int, stdout, stderr string) {
	s.t.Helper()
	env := map[string]string{serverVariable: s.url, personalVariable: "lhp_canary-personal"}
	for len(args) > 0 && strings.Contains(args[0], "=") {
		name, value, _ := strings.Cut(args[0], "=")
		env[name], args = value, args[1:]
	}
	var out, errs bytes.Buffer
	lookup := func(name string) (string, bool) { v, ok := env[name]; return v, ok }
	code = run(s.t.Context(), append([]string{"workload"}, args...), lookup, strings.NewReader(s.stdin), &out, &errs)
	if strings.Contains(out.String()+errs.String(), "canary") {
		s.t.Errorf("%v prints a secret:\n%s\n%s", args, out.String(), errs.String())
	}
	return code, out.String(), errs.String()
}

// must runs a command that has to succeed.
func (s *scriptedAPI) must(args ...string) (stdout, stderr string) {
	s.t.Helper()
	code, stdout, stderr := s.run(args...)
	if code != exitOK {
		s.t.Fatalf("%v: exit code %d: %s", args, code, stderr)
	}
	return stdout, stderr
}

// workloadIn is a workload in a state; more is added to its JSON.
func workloadIn(state, more string) string {
	return `{"id":"wl_1","product_id":"nginx","product_name":"Nginx","product_version":"1.0.0","seller_name":"Acme","licence":"free","state":"` + state +
		`","target":{"project_id":"p1","cluster_id":"c1","cluster_name":"main","namespace":"web","release":"nginx-1"},"created_at":"2026-11-01T10:00:00Z","created_by":"ada"` + more + `}`
}

const (
	imagePull   = `,"reason":{"code":"image-pull","message":"an image cannot be pulled","object":"Pod/web-0","detail":"no such image"}`
	accessEnded = `,"reason":{"code":"access-ended","message":"the access has ended"}`
	product     = `{"id":"nginx","documents":[{"id":"eula","title":{"en":"EULA"},"version":"2","date":"2026-01-01","digest":"sha256:e","consent":true},
		{"id":"terms","title":{"en":"Terms"},"version":"1","date":"2026-01-01","digest":"sha256:t","consent":true},
		{"id":"guide","title":{"en":"Guide"},"version":"1","date":"2026-01-01","digest":"sha256:g","consent":false}]}`
)

// onCluster are the flags that say where to.
var onCluster = []string{"--project", "p1", "--cluster", "c1", "--namespace", "web"}

func inFolder(t *testing.T, files map[string]string) func(string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return func(name string) string { return filepath.Join(dir, name) }
}

// TestWorkloadDeploySends checks everything that a deployment can say.
func TestWorkloadDeploySends(t *testing.T) {
	s := newScriptedAPI(t, map[string][]string{"GET /products/nginx": {product}, "POST /workloads": {workloadIn("requested", "")}})
	file := inFolder(t, map[string]string{
		"values.yaml": "auth: {user: ada}\nreplicas: 2\nhosts: [a, b]\n", "motd": "line 1\nline 2\n", "secret": "canary-from-file\n", "my.key": "canary-licence", "iam": "canary-iam\n",
	})
	stdout, stderr := s.must(append(append([]string{"PW=canary-from-env", "deploy", "nginx"}, onCluster...), "--new-namespace", "--release", "nginx-1", "--iam-token-file", file("iam"),
		"--values", file("values.yaml"), "--set", "replicas=3", "--set", "tags=x", "--set", "tags=y=z", "--set-file", "motd="+file("motd"),
		"--secret", "auth.password=env:PW", "--secret", "auth.key=file:"+file("secret"), "--licence", file("my.key"), "--yes-warnings",
		"--accept", "eula=sha256:e", "--accept", "terms=sha256:old")...)
	if stdout != "wl_1\n" || !strings.Contains(stderr, "nginx-1 is requested") {
		t.Errorf("output %q, notes %q", stdout, stderr)
	}
	want := `{"accepted":[{"digest":"sha256:e","document_id":"eula"},{"digest":"sha256:old","document_id":"terms"}],"clear_secrets":null,"confirm_warnings":true,
		"licence":"Y2FuYXJ5LWxpY2VuY2U=","licence_later":false,"licence_name":"my.key","product_id":"nginx",
		"secrets":{"auth.key":"canary-from-file","auth.password":"canary-from-env"},
		"target":{"cluster_id":"c1","namespace":"web","new_namespace":true,"project_id":"p1","release":"nginx-1"},
		"values":{"auth.user":"ada","hosts":["a","b"],"motd":"line 1\nline 2\n","replicas":"3","tags":["x","y=z"]}}`
	var compact bytes.Buffer
	if err := json.Compact(&compact, []byte(want)); err != nil {
		t.Fatal(err)
	}
	if got := s.bodies[len(s.bodies)-1]; got != compact.String() {
		t.Errorf("sent\n%s\nwant\n%s", got, compact.String())
	}
	if got := s.tokens[len(s.tokens)-1]; got != "canary-iam" {
		t.Errorf("the IAM token is %q", got)
	}
	s.must(append([]string{"OS_TOKEN=canary-os", "deploy", "nginx", "--accept-all"}, onCluster...)...)
	if got := s.tokens[len(s.tokens)-1]; got != "canary-os" {
		t.Errorf("the IAM token is %q", got)
	}
}

// TestWorkloadDeployIsRefused tries what makes no sense, and what is bad news from the server.
func TestWorkloadDeployIsRefused(t *testing.T) {
	file := inFolder(t, map[string]string{"bad.yaml": "a: 1\na: 2\nb: [{}]\n", "empty": "", "large": strings.Repeat("canary", 200_000)})
	s := newScriptedAPI(t, map[string][]string{"GET /products/nginx": {product}, "POST /workloads": {`422 {"error":{"code":"unschedulable","message":"no node can take a pod"}}`}})
	for _, c := range []struct {
		code int
		says string
		args []string
	}{
		{exitUsage, "needs one PRODUCT", nil},
		{exitUsage, "needs --namespace", []string{"nginx", "--project", "p1", "--cluster", "c1"}},
		{exitUsage, "--set must be PATH=VALUE", append([]string{"nginx", "--set", "replicas"}, onCluster...)},
		{exitUsage, "--secret must be PATH=REFERENCE", append([]string{"nginx", "--secret", "canary"}, onCluster...)},
		{exitUsage, "not written on the command line", append([]string{"nginx", "--secret", "pw=canary"}, onCluster...)},
		{exitUsage, "environment variable NONE is not set", append([]string{"nginx", "--secret", "pw=env:NONE"}, onCluster...)},
		{exitFailed, "no such file", append([]string{"nginx", "--secret", "pw=file:/none"}, onCluster...)},
		{exitFailed, "is empty", append([]string{"nginx", "--values", file("empty")}, onCluster...)},
		{exitFailed, "is larger than", append([]string{"nginx", "--licence", file("large")}, onCluster...)},
		{exitFailed, "bad.yaml:2: a: is given twice", append([]string{"nginx", "--values", file("bad.yaml")}, onCluster...)},
		{exitFailed, "bad.yaml:3: b: must be a list of plain values", append([]string{"nginx", "--values", file("bad.yaml")}, onCluster...)},
		{exitUsage, "is no IAM token", append([]string{"nginx", "--iam-token-file", file("bad.yaml")}, onCluster...)},
		{exitUsage, "--accept must be DOCUMENT=DIGEST", append([]string{"nginx", "--accept", "eula"}, onCluster...)},
		{exitUsage, `no document "guide" that has to be accepted`, append([]string{"nginx", "--accept", "guide=sha256:g"}, onCluster...)},
		{exitUsage, "if any flags in the group [accept accept-all]", append([]string{"nginx", "--accept", "eula=x", "--accept-all"}, onCluster...)},
		{exitUsage, "if any flags in the group [dry-run wait]", append([]string{"nginx", "--dry-run", "--wait"}, onCluster...)},
		{exitUsage, "if any flags in the group [licence licence-later]", append([]string{"nginx", "--licence", "x", "--licence-later"}, onCluster...)},
		{exitFailed, "no node can take a pod", append([]string{"nginx", "--accept-all"}, onCluster...)},
		{exitNotFound, "there is no such thing", append([]string{"none", "--accept-all"}, onCluster...)},
	} {
		code, stdout, stderr := s.run(append([]string{"deploy"}, c.args...)...)
		if code != c.code || stdout != "" || !strings.Contains(stderr, c.says) {
			t.Errorf("%v: exit code %d, output %q, errors %q; want %d and %q", c.args, code, stdout, stderr, c.code, c.says)
		}
	}
}

// TestWorkloadConsent: nothing is accepted silently, and what is missing is told with its digest.
func TestWorkloadConsent(t *testing.T) {
	s := newScriptedAPI(t, map[string][]string{
		"GET /products/nginx": {product}, "POST /workloads": {workloadIn("requested", "")},
		"GET /products/nginx/documents/eula": {`{"id":"eula","title":{"en":"EULA"},"version":"2","date":"2026-01-01","digest":"sha256:e","content":{"en":"Be nice.\nAlways.","de":"Sei nett."}}`},
	})
	code, _, stderr := s.run(append([]string{"deploy", "nginx", "--accept", "eula=sha256:e"}, onCluster...)...)
	if code != exitUsage || !strings.Contains(stderr, "To be accepted:") || !strings.Contains(stderr, "sha256:t") || strings.Contains(stderr, "sha256:e") ||
		!strings.Contains(stderr, "nginx: 1 document still to be accepted") || !strings.Contains(stderr, "hint: read each with llmhub workload documents nginx DOCUMENT") {
		t.Errorf("exit code %d, %s", code, stderr)
	}
	for _, asked := range s.asked {
		if strings.HasPrefix(asked, "POST") {
			t.Errorf("%s was sent without consent", asked)
		}
	}
	_, stderr = s.must(append([]string{"deploy", "nginx", "--accept-all"}, onCluster...)...)
	if !strings.Contains(stderr, "You accept, as they are now:") || !strings.Contains(stderr, "sha256:e") || !strings.Contains(stderr, "sha256:t") || strings.Contains(stderr, "sha256:g") {
		t.Errorf("what is accepted is not told: %s", stderr)
	}
	list, _ := s.must("documents", "nginx")
	if rows := strings.Join(usageFields(list), "\n"); !strings.Contains(rows, "eula EULA 2 2026-01-01 sha256:e yes") || !strings.Contains(rows, "sha256:g no") {
		t.Errorf("documents:\n%s", list)
	}
	text, note := s.must("documents", "nginx", "eula")
	if text != "Be nice.\nAlways.\n" || !strings.Contains(note, "--accept eula=sha256:e") {
		t.Errorf("document %q, note %q", text, note)
	}
	if text, _ := s.must("documents", "nginx", "eula", "--lang", "de"); text != "Sei nett.\n" {
		t.Errorf("document %q", text)
	}
}

// TestWorkloadWait follows a workload to each of its ends, over a restart of the server.
func TestWorkloadWait(t *testing.T) {
	installing := workloadIn("installing", `,"operation":{"kind":"install","ready_pods":1,"wanted_pods":3,"event":{"object":"Pod/web-0","reason":"Pulling"}}`)
	for _, c := range []struct {
		name     string
		polls    []string
		begins   string
		code     int
		stdout   string
		progress []string
	}{
		{"ready", []string{`503 {"error":{"code":"unavailable","message":"stopping"}}`, workloadIn("ready", "")}, installing, exitOK, "wl_1\n",
			[]string{"workload wl_1 is installing, 1 of 3 pods ready: Pod/web-0 Pulling\nworkload wl_1 is ready\n"}},
		{"error", []string{workloadIn("error", imagePull)}, workloadIn("preparing", `,"operation":{"kind":"install","steps":[{"name":"started"},{"name":"chart"}]}`), exitFailed, "wl_1\n",
			[]string{"workload wl_1 is preparing, chart\n", "llmhub: workload wl_1 is in error: an image cannot be pulled (Pod/web-0): no such image\n"}},
		{"reason", []string{workloadIn("error", imagePull)}, workloadIn("installing", `,"operation":{"kind":"install","ready_pods":0,"wanted_pods":1,"event":{"object":"Pod/web-0","reason":"Scheduled"}`+imagePull+`}`), exitFailed, "wl_1\n",
			[]string{"workload wl_1 is installing, 0 of 1 pods ready: an image cannot be pulled (Pod/web-0): no such image\n"}},
		{"old event", []string{workloadIn("removed", "")}, workloadIn("removing", `,"operation":{"kind":"uninstall","requested_at":"2026-11-01T10:00:00Z","ready_pods":0,"wanted_pods":1,"event":{"at":"2026-11-01T09:00:00Z","object":"Pod/web-0","reason":"Scheduled"}}`), exitOK, "wl_1\n",
			[]string{"workload wl_1 is removing, 0 of 1 pods ready\n"}},
		{"access ended", nil, workloadIn("installing", accessEnded), exitFailed, "wl_1\n",
			[]string{"llmhub: workload wl_1 waits: the access has ended\n", "hint: set OS_TOKEN to another IAM token, then llmhub workload continue wl_1\n"}},
		{"gone", []string{`404 {"error":{"code":"not_found","message":"there is no such workload"}}`}, installing, exitNotFound, "", []string{"llmhub: there is no such workload\n"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newScriptedAPI(t, map[string][]string{"GET /products/nginx": {product}, "POST /workloads": {c.begins}, "GET /workloads/wl_1": c.polls})
			code, stdout, stderr := s.run(append([]string{"deploy", "nginx", "--accept-all", "--wait"}, onCluster...)...)
			if code != c.code || stdout != c.stdout {
				t.Errorf("exit code %d, output %q, errors %q", code, stdout, stderr)
			}
			for _, text := range c.progress {
				if !strings.Contains(stderr, text) {
					t.Errorf("no %q in %q", text, stderr)
				}
			}
		})
	}
}

// TestIAMTokenOfAnySize sends tokens to a whole server: those of the cloud have up to 10 KiB or so, and one that is too large
// for the server's headers is told as such.
func TestIAMTokenOfAnySize(t *testing.T) {
	_, url := startServer(t)
	for size, tooLarge := range map[int]bool{10 << 10: false, 24 << 10: true} {
		file := inFolder(t, map[string]string{"iam": strings.Repeat("x", size)})
		_, _, stderr := command(t, url, testToken, "workload", "targets", "--iam-token-file", file("iam"))
		if strings.Contains(stderr, "limits.header") != tooLarge || strings.Contains(stderr, "xxx") {
			t.Errorf("%d bytes: %q", size, stderr)
		}
	}
}

const reviewed = `{"blocked":%t,"warned":true,"checks":[{"name":"reachable","state":"passed","reasons":[]},
	{"name":"resources","state":"warned","reasons":[{"code":"resources","message":"the nodes have less free","detail":"1 CPU"}]}],
	"inventory":{"claims":[{"name":"data","count":2,"size_bytes":8589934592}],"balancers":[{"name":"web","ports":[80,443]}],"milli_cpu":1500,"memory_mib":512},
	"values_yaml":"auth:\n  password: ••••••\n","diff":[{"kind":"Service","name":"web","change":"changed"}]}`

// TestWorkloadDryRun shows a review and ends with what it says.
func TestWorkloadDryRun(t *testing.T) {
	s := newScriptedAPI(t, map[string][]string{
		"POST /workloads/review": {fmt.Sprintf(reviewed, false)}, "GET /workloads/wl_1": {workloadIn("ready", "")}, "POST /workloads/wl_1/upgrade/review": {fmt.Sprintf(reviewed, true)},
	})
	code, stdout, stderr := s.run(append([]string{"deploy", "nginx", "--dry-run"}, onCluster...)...)
	if code != exitFailed || !strings.Contains(stderr, "there are warnings\nhint: deploy with --yes-warnings") {
		t.Errorf("exit code %d: %s", code, stderr)
	}
	want := `CHECK STATE REASON
reachable passed
resources warned the nodes have less free: 1 CPU

BILLED BY THE CLOUD NAME AMOUNT
volume data 2 x 8 GiB, the cluster's default class
load balancer web ports 80 443
pods all 1.5 CPU, 512 MiB

CHANGE KIND NAME
changed Service web

Values, with secrets masked:
auth:
password: ••••••`
	if got := strings.Join(usageFields(stdout), "\n"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	s.must(append([]string{"deploy", "nginx", "--dry-run", "--yes-warnings"}, onCluster...)...)
	code, stdout, stderr = s.run("upgrade", "wl_1", "--dry-run", "--yes-warnings", "--json")
	if code != exitFailed || !strings.Contains(stdout, `"blocked": true`) || !strings.Contains(stderr, "this cannot be deployed") {
		t.Errorf("exit code %d, output %q, errors %q", code, stdout, stderr)
	}
}

// TestWorkloadCommands goes through the other commands.
func TestWorkloadCommands(t *testing.T) {
	s := newScriptedAPI(t, map[string][]string{
		"GET /workloads":      {`{"data":[` + workloadIn("error", imagePull) + `],"page":1,"pages":2}`, `{"data":[` + workloadIn("ready", "") + `],"page":2,"pages":2}`},
		"GET /workloads/wl_1": {workloadIn("error", imagePull)}, "GET /products/nginx": {product},
		"GET /workloads/wl_1/resources": {`{"ready":false,"data":[{"api_version":"v1","kind":"Service","name":"web","ready":1,"wanted":1,"address":"192.0.2.10"}]}`},
		"GET /workloads/wl_1/revisions": {`{"data":[{"revision":2,"status":"deployed","chart_version":"1.2.3","updated_at":"2026-11-01T10:00:00Z","description":"Upgrade complete"}]}`},
		"POST /workloads/wl_1/upgrade":  {workloadIn("upgrading", "")}, "POST /workloads/wl_1/rollback": {workloadIn("rolling-back", "")},
		"POST /workloads/wl_1/continue": {workloadIn("ready", "")}, "POST /workloads/wl_1/uninstall": {workloadIn("removed", "")},
		"GET /projects":                {`{"data":[{"id":"p1","name":"eu-de","enabled":true}]}`},
		"GET /projects/p%2F1/clusters": {`{"data":[{"id":"c1","name":"main","version":"v1.29","available":true,"phase":"Available"},{"id":"c2","name":"old","available":false,"phase":"Hibernation","message":"asleep"}]}`},
		"GET /projects/p1/clusters/c1": {`{"version":"v1.29.3","namespaces":[{"name":"web","usable":false}],"storage_classes":[{"name":"csi-disk","default":true}]}`},
		"GET /products/nginx/form":     {`{"fields":[{"path":"replicas","kind":"number","required":true,"label":{"en":"Replicas"},"default":["2"],"chart_default":"1","minimum":1,"maximum":9},{"path":"size","kind":"select","label":{"en":"Size"},"default":[],"options":[{"value":"s"},{"value":"l"}]}]}`},
	})
	for _, c := range []struct {
		args  []string
		says  string
		asked string
	}{
		{[]string{"list", "--state", "error", "--search", "ngi"}, "wl_1 error nginx 1.0.0 nginx-1 main web 2026-11-01 10:00 an image cannot be pulled (Pod/web-0): no such image\nwl_1 ready nginx",
			"GET /workloads?page=2&per_page=100&search=ngi&state=error"},
		{[]string{"status", "wl_1"}, "WORKLOAD wl_1\nstate error\nreason an image cannot be pulled (Pod/web-0): no such image\nproduct Nginx 1.0.0 (nginx) by Acme\nlicence free\nproject p1\ncluster main\n", ""},
		{[]string{"status", "wl_1", "--resources"}, "Service web 1/1 192.0.2.10", ""},
		{[]string{"revisions", "wl_1"}, "2 deployed 1.2.3 2026-11-01 10:00 Upgrade complete", ""},
		{[]string{"upgrade", "wl_1", "--accept-all", "--unset", "a.b", "--clear-secret", "c"}, "workload nginx-1 (wl_1) is upgrading", "POST /workloads/wl_1/upgrade"},
		{[]string{"rollback", "wl_1", "--revision", "2"}, "is rolling-back", "POST /workloads/wl_1/rollback"},
		{[]string{"continue", "wl_1", "--wait"}, "is ready", "POST /workloads/wl_1/continue"},
		{[]string{"uninstall", "wl_1", "--confirm", "nginx-1", "--forget"}, "is removed", "POST /workloads/wl_1/uninstall"},
		{[]string{"targets"}, "p1 eu-de yes", ""},
		{[]string{"targets", "--project", "p/1"}, "c1 main v1.29 yes Available\nc2 old - no Hibernation: asleep", ""},
		{[]string{"targets", "--project", "p1", "--cluster", "c1"}, "version v1.29.3\nnamespace web is being deleted\nstorage class csi-disk the default", ""},
		{[]string{"form", "nginx"}, "replicas number yes 2 Replicas from 1 up to 9\nsize select no - Size s l", ""},
		{[]string{"list", "--json"}, `"id": "wl_1",`, ""},
	} {
		stdout, _ := s.must(c.args...)
		if got := strings.Join(usageFields(stdout), "\n"); !strings.Contains(got, c.says) {
			t.Errorf("%v: no\n%s\nin\n%s", c.args, c.says, got)
		}
		if last := s.asked[len(s.asked)-1]; c.asked != "" && last != c.asked {
			t.Errorf("%v asks %s, want %s", c.args, last, c.asked)
		}
	}
	want := []string{`{"revision":2}`, `{"forget":true,"release":"nginx-1"}`, `"clear_secrets":["c"]`, `"values":{"a.b":null}`}
	for _, body := range want {
		if !strings.Contains(strings.Join(s.bodies, "\n"), body) {
			t.Errorf("%s was not sent", body)
		}
	}
	code, _, stderr := s.run("status", "wl_1", "--wait")
	if code != exitFailed || !strings.Contains(stderr, "is in error: an image cannot be pulled") {
		t.Errorf("waiting for one in error: exit code %d, %s", code, stderr)
	}
	s.answers["POST /workloads/wl_1/rollback"] = []string{`403 {"error":{"code":"access-ended","message":"the access has ended"}}`}
	if code, _, stderr := s.run("OS_TOKEN=canary", "rollback", "wl_1", "--revision", "1"); code != exitFailed || !strings.Contains(stderr, "hint: set OS_TOKEN to an IAM token that holds") {
		t.Errorf("exit code %d, %s", code, stderr)
	}
	s.answers["POST /workloads/wl_1/rollback"] = []string{`431 {"error":{"code":"headers_too_large","message":"too large"}}`}
	if code, _, stderr := s.run("OS_TOKEN=canary", "rollback", "wl_1", "--revision", "1"); code != exitFailed || !strings.Contains(stderr, "hint: the IAM token is larger than limits.header") {
		t.Errorf("exit code %d, %s", code, stderr)
	}
}

// TestWorkloadRefusals: what the server refuses is told with the flags that are about it, and a failed check by itself.
func TestWorkloadRefusals(t *testing.T) {
	invalid := func(code, field string) string {
		return `422 {"error":{"code":"` + code + `","message":"` + field + `: is wrong","details":[{"field":"` + field + `","message":"is wrong"}]}}`
	}
	state := func(field string) string {
		return `409 {"error":{"code":"invalid_state","message":"no","details":[` + field + `]}}`
	}
	passed := strings.Replace(fmt.Sprintf(reviewed, false), `"warned":true`, `"warned":false`, 1)
	file := inFolder(t, map[string]string{"my.key": "canary-licence"})
	for name, c := range map[string]struct {
		answer, review string
		says           string
		args           []string
	}{
		"namespace":       {invalid("invalid", "target.namespace"), "", "llmhub: target.namespace: is wrong\nhint: llmhub workload targets --project ID --cluster ID shows", nil},
		"release":         {invalid("conflict", "target.release"), "", "llmhub workload upgrade changes it\n", nil},
		"value":           {invalid("invalid", "replicas"), "", "llmhub: replicas: is wrong\nhint: llmhub workload form nginx shows what can be set", nil},
		"no licence":      {invalid("invalid", "licence"), "", "hint: --licence FILE gives it\n", nil},
		"wrong licence":   {invalid("invalid", "licence"), "", "hint: llmhub workload form nginx", []string{"--licence", file("my.key")}},
		"failed check":    {state(""), fmt.Sprintf(reviewed, true), "CHECK      STATE   REASON\nresources  warned  the nodes have less free: 1 CPU\nllmhub: this cannot be deployed: a check has failed\nhint: --dry-run", nil},
		"warning":         {state(`{"field":"confirm_warnings","message":"no"}`), fmt.Sprintf(reviewed, false), "1 CPU\nllmhub: there are warnings\nhint: deploy with --yes-warnings", nil},
		"something else":  {state(""), passed, "llmhub: no\n", nil},
		"review fails":    {state(""), `502 {"error":{"code":"unreachable","message":"gone"}}`, "llmhub: no\n", nil},
		"no token at all": {`403 {"error":{"code":"access-ended","message":"has ended"}}`, "", "llmhub: clusters of the cloud need a token of the identity service\nhint: set OS_TOKEN to one", nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScriptedAPI(t, map[string][]string{"GET /products/nginx": {product}, "POST /workloads": {c.answer}, "POST /workloads/review": {c.review}})
			code, stdout, stderr := s.run(append(append([]string{"deploy", "nginx", "--accept-all"}, onCluster...), c.args...)...)
			if code != exitFailed || stdout != "" || !strings.Contains(stderr, c.says) {
				t.Errorf("exit code %d, output %q, errors %q; want %q", code, stdout, stderr, c.says)
			}
		})
	}
}

// TestWorkloadFromStandardInput takes values from a pipe.
func TestWorkloadFromStandardInput(t *testing.T) {
	s := newScriptedAPI(t, map[string][]string{"GET /products/nginx": {product}, "POST /workloads": {workloadIn("requested", "")}})
	s.stdin = "replicas: 5\n"
	s.must(append([]string{"deploy", "nginx", "--accept-all", "--values", "-"}, onCluster...)...)
	s.must(append([]string{"deploy", "nginx", "--accept-all", "--licence", "-"}, onCluster...)...)
	sent := strings.Join(s.bodies, "\n")
	if !strings.Contains(sent, `"values":{"replicas":5}`) || !strings.Contains(sent, `"licence":"cmVwbGljYXM6IDUK"`) || strings.Contains(sent, "licence_name") {
		t.Errorf("sent\n%s", sent)
	}
	s.stdin = ""
	if code, _, stderr := s.run(append([]string{"deploy", "nginx", "--values", "-"}, onCluster...)...); code != exitFailed || !strings.Contains(stderr, "standard input is empty") {
		t.Errorf("exit code %d, %s", code, stderr)
	}
}
