package helm_test

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"llmhub/deployer"
	"llmhub/deployer/helm"
)

// endless is a template that never ends, and needs no memory for it.
const endless = `{{ range 2000000000 }}{{ range 2000000000 }}{{ end }}{{ end }}`

// TestRenderOfHostileCharts renders what would stop or fill a process.
func TestRenderOfHostileCharts(t *testing.T) {
	bomb := "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n"
	for i := 1; i < 12; i++ {
		bomb += fmt.Sprintf("a%d: &a%d [%s]\n", i, i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d,", i-1), 10), ","))
	}
	for _, c := range []struct {
		name string
		c    deployer.Chart
		want []deployer.ReasonCode
	}{
		{"endless", chartOf("templates/a.yaml", endless), []deployer.ReasonCode{deployer.RenderLimit}},
		{"a long list", chartOf("templates/a.yaml", `{{ range until 2000000000 }}a{{ end }}`), []deployer.ReasonCode{deployer.RenderLimit}},
		{"recursion", chartOf("templates/a.yaml", `{{ define "a" }}{{ template "a" . }}{{ end }}{{ template "a" . }}`), []deployer.ReasonCode{deployer.RenderFailed, deployer.RenderLimit}},
		{"recursion by include", chartOf("templates/a.yaml", `{{ define "a" }}{{ include "a" . }}{{ end }}{{ include "a" . }}`), []deployer.ReasonCode{deployer.RenderFailed}},
		{"recursion by tpl", chartOf("values.yaml", "t: '{{ tpl .Values.t . }}'\n", "templates/a.yaml", `{{ tpl .Values.t . }}`), []deployer.ReasonCode{deployer.RenderFailed, deployer.RenderLimit}},
		{"much output", chartOf("templates/a.yaml", `a: {{ repeat 50000000 "x" }}`), []deployer.ReasonCode{deployer.RenderLimit}},
		{"more output than is taken", chartOf("templates/a.yaml", `a: {{ repeat 9000000 "x" }}`), []deployer.ReasonCode{deployer.RenderLimit}},
		{"more output than memory", chartOf("templates/a.yaml", `{{ range until 1000 }}a: {{ repeat 50000000 "x" }}{{ "\n" }}{{ end }}`), []deployer.ReasonCode{deployer.RenderLimit}},
		{"YAML bomb in values.yaml", chartOf("values.yaml", bomb, "templates/a.yaml", configMap), []deployer.ReasonCode{deployer.ChartInvalid, deployer.RenderLimit}},
		{"YAML bomb in Chart.yaml", chartOf("Chart.yaml", chartYAML+bomb, "templates/a.yaml", configMap), []deployer.ReasonCode{deployer.ChartInvalid, deployer.RenderLimit}},
		{"YAML bomb in a template", chartOf("templates/a.yaml", "kind: A\n"+bomb), []deployer.ReasonCode{deployer.RenderFailed, deployer.RenderLimit}},
		{"deep YAML", chartOf("values.yaml", "a: "+strings.Repeat("[", 1_000_000), "templates/a.yaml", configMap), []deployer.ReasonCode{deployer.ChartInvalid, deployer.RenderLimit}},
		{"deep schema", chartOf("values.schema.json", strings.Repeat(`{"not":`, 100_000)+"{}"+strings.Repeat("}", 100_000), "templates/a.yaml", configMap), []deployer.ReasonCode{deployer.ChartInvalid}},
		{"name of another host", chartOf("templates/a.yaml", `kind: {{ getHostByName "localhost" }}x`), nil},
		{"a file of this machine", chartOf("templates/a.yaml", `kind: "{{ .Files.Get "/etc/passwd" }}"`), nil},
		{"the environment", chartOf("templates/a.yaml", `kind: "{{ env "PATH" }}"`), []deployer.ReasonCode{deployer.RenderFailed}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := newReleases(t, func(o *helm.Options) { o.RenderTimeout = 3 * time.Second })
			out, err := r.Render(t.Context(), renderOf(c.c, "{}"))
			if c.want == nil {
				if err != nil || strings.Contains(string(out), "root") || strings.Contains(string(out), "127.0.0.1") {
					t.Errorf("got %s, %v", out, err)
				}
				return
			}
			got := reasonOf(t, err)
			for _, want := range c.want {
				if got.Code == want {
					return
				}
			}
			t.Errorf("got %v, want one of %v", got, c.want)
		})
	}
}

// TestRenderReasons is what a seller's or customer's mistake is answered with. No secret is in it, in whatever form.
func TestRenderReasons(t *testing.T) {
	const schema = `{"properties":{"replicas":{"type":"integer","minimum":1},"password":{"pattern":"^[a-z]*$","minLength":50},"mode":{"enum":["a","b"]},"mail":{"type":"string"},"nested":{"required":["x"]}},"required":["image"]}`
	templated := func(text string) deployer.Chart { return chartOf("templates/a.yaml", text) }
	for _, c := range []struct {
		name   string
		c      deployer.Chart
		values string
		want   deployer.ReasonCode
		detail string
	}{
		{"schema", chartOf("values.schema.json", schema, "templates/a.yaml", configMap), `{"replicas":"many","mode":"canaryMode","nested":{}}`, deployer.ValuesInvalid, "replicas: got string, want integer"},
		{"schema, missing", chartOf("values.schema.json", schema, "templates/a.yaml", configMap), `{}`, deployer.ValuesInvalid, "missing property 'image'"},
		{"schema, nested", chartOf("values.schema.json", schema, "templates/a.yaml", configMap), `{"nested":{}}`, deployer.ValuesInvalid, "nested: missing property 'x'"},
		{"schema, secret", chartOf("values.schema.json", schema, "templates/a.yaml", configMap), `{"image":"a"}`, deployer.ValuesInvalid, "password: does not match pattern"},
		{"schema, length", chartOf("values.schema.json", schema, "templates/a.yaml", configMap), `{"image":"a"}`, deployer.ValuesInvalid, "password: minLength 50"},
		{"fail", templated(`{{ fail (printf "no: %s" .Values.password) }}`), `{}`, deployer.RenderFailed, "no: •••"},
		{"fail, in quotes", templated(`{{ fail (printf "no: %q" .Values.password) }}`), `{}`, deployer.RenderFailed, "•••"},
		{"fail, in base64", templated(`{{ fail (printf "no: %s" (b64enc .Values.password)) }}`), `{}`, deployer.RenderFailed, "•••"},
		{"fail, within base64", templated(`{{ fail (printf "no: %s" (printf "user:%s" .Values.password | b64enc)) }}`), `{}`, deployer.RenderFailed, "•••"},
		{"fail, in JSON", templated(`{{ fail (toJson .Values) }}`), `{}`, deployer.RenderFailed, "•••"},
		{"required", templated(`{{ required "say which" .Values.nothing }}`), `{}`, deployer.RenderFailed, "say which"},
		{"no such function", templated(`{{ nothing }}`), `{}`, deployer.RenderFailed, `function "nothing" not defined`},
		{"no such field", templated(`{{ .Values.a.b.c }}`), `{}`, deployer.RenderFailed, "templates/a.yaml:1"},
		{"not YAML", templated("kind: - : {{ .Values.password }}"), `{}`, deployer.RenderFailed, "YAML parse error"},
		{"kubeVersion", chartOf("Chart.yaml", chartYAML+"kubeVersion: \">=1.99\"\n"), `{}`, deployer.KubeVersion, "1.31.4"},
		{"long", templated(`{{ fail (repeat 5000 "ä") }}`), `{}`, deployer.RenderFailed, "ä…"},
		{"not an object", templated("a: b"), `[]`, deployer.ValuesInvalid, "not a JSON object"},
		{"values of another kind", templated("a: {{ .Values.password }}"), `"`, deployer.ValuesInvalid, "not a JSON object"},
	} {
		t.Run(c.name, func(t *testing.T) {
			vals := c.values
			if strings.HasPrefix(vals, "{") {
				vals = strings.TrimSuffix(`{"password":`+quoted(canary)+","+vals[1:], ",}")
				if !strings.HasSuffix(vals, "}") {
					vals += "}"
				}
			}
			_, err := newReleases(t, nil).Render(t.Context(), renderOf(c.c, vals))
			r := reasonOf(t, err)
			if r.Code != c.want || !strings.Contains(r.Detail, c.detail) || len([]rune(r.Detail)) > 1000 {
				t.Errorf("got %v, want %s, %q", r, c.want, c.detail)
			}
			for _, form := range []string{"vogel", "canaryMode", base64.StdEncoding.EncodeToString([]byte(canary))[:12], base64.StdEncoding.EncodeToString([]byte("user:" + canary))[8:20]} {
				if strings.Contains(r.Error(), form) {
					t.Errorf("%q is told in %v", form, r)
				}
			}
		})
	}
}

func quoted(s string) string {
	b, _ := json.Marshal(s)
	return string(b)
}

// Without SecretPaths, all values are secrets.
func TestRenderHidesAll(t *testing.T) {
	in := renderOf(chartOf("templates/a.yaml", `{{ fail (printf "%v" .Values) }}`), `{"a":{"b":["first-text","x"],"n":12345}}`)
	in.SecretPaths = nil
	_, err := newReleases(t, nil).Render(t.Context(), in)
	if r := reasonOf(t, err); strings.Contains(r.Detail, "first-text") || strings.Contains(r.Detail, "12345") || !strings.Contains(r.Detail, "•••") {
		t.Errorf("got %v", r)
	}
	in.SecretPaths = []string{}
	_, err = newReleases(t, nil).Render(t.Context(), in)
	if r := reasonOf(t, err); !strings.Contains(r.Detail, "first-text") {
		t.Errorf("got %v", r)
	}
}

// alive says whether a process is there, and is no zombie.
func alive(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && !strings.Contains(string(stat), ") Z ")
}

// No worker is left, nor a goroutine that waited for it, when nobody wants its answer any more.
func TestCancelledRender(t *testing.T) {
	before := runtime.NumGoroutine()
	tune, pid := traced(t)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		pid()
		cancel()
	}()
	_, err := newReleases(t, tune).Render(ctx, renderOf(chartOf("templates/a.yaml", endless), "{}"))
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if alive(pid()) {
		t.Error("the worker is left")
	}
	for deadline := time.Now().Add(5 * time.Second); runtime.NumGoroutine() > before; runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatalf("%d goroutines, %d before", runtime.NumGoroutine(), before)
		}
	}
}

func TestWorkerThatIsNone(t *testing.T) {
	for name, command := range map[string][]string{
		"not there": {"/no/such/executable"}, "ends at once": {"/bin/true"}, "says nonsense": {"/bin/sh", "-c", "echo nonsense"},
		"says too much": {"/bin/sh", "-c", "yes '{}'"},
	} {
		r := newReleases(t, func(o *helm.Options) { o.Command = command })
		_, err := r.Render(t.Context(), renderOf(chartOf("templates/a.yaml", configMap), "{}"))
		if c := reasonOf(t, err).Code; c != deployer.Internal && c != deployer.RenderLimit {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The end of its input ends a worker, whatever it does.
func TestWorkerEndsWithItsInput(t *testing.T) {
	self, _ := os.Executable()
	cmd := exec.CommandContext(t.Context(), self, workerArg)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	request := map[string]any{"Render": map[string]any{"Chart": chartOf("templates/a.yaml", endless), "Release": "a", "KubeVersion": "1.30"}}
	if err := json.NewEncoder(in).Encode(request); err != nil {
		t.Fatal(err)
	}
	if err := in.Close(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case err := <-ended:
		if err == nil {
			t.Error("it says that all is well")
		}
	case <-time.After(20 * time.Second):
		t.Error("it goes on")
	}
}

// parentArg makes the tests' executable a process that renders without end. The worker opens a pipe whose name follows.
const parentArg = "helm-parent"

func parent(pipe string) {
	self, _ := os.Executable()
	r := helm.New(helm.Options{Command: []string{"/bin/sh", "-c", `exec 3> "$0"; echo $$ >&3; exec "$@"`, pipe, self, workerArg}, RenderTimeout: time.Hour})
	_, _ = r.Render(context.Background(), renderOf(chartOf("templates/a.yaml", endless), "{}"))
}

// A parent that is killed takes its worker with it.
func TestKilledParent(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	self, _ := os.Executable()
	cmd := exec.CommandContext(t.Context(), self, parentArg, pipe)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(pipe)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	in := bufio.NewReader(f)
	if line, err := in.ReadString('\n'); err != nil {
		t.Fatalf("there is no worker: %q, %v", line, err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	// The worker holds the pipe, which ends with it.
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = in.ReadString(0)
	}()
	select {
	case <-ended:
	case <-time.After(10 * time.Second):
		t.Error("the worker is left")
	}
}

// What a worker is asked for holds secrets: neither its arguments nor its environment may tell them.
func TestWorkerTellsNoSecret(t *testing.T) {
	t.Setenv("LLMHUB_SECRET", canary)
	tune, pid := traced(t)
	ctx, cancel := context.WithCancel(t.Context())
	var told string
	go func() {
		defer cancel()
		id := pid()
		for deadline := time.Now().Add(10 * time.Second); !strings.HasPrefix(told, os.Args[0]) && time.Now().Before(deadline); runtime.Gosched() {
			args, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", id))
			env, _ := os.ReadFile(fmt.Sprintf("/proc/%d/environ", id))
			told = string(args) + string(env)
		}
	}()
	_, _ = newReleases(t, tune).Render(ctx, renderOf(chartOf("templates/a.yaml", endless), `{"password":`+quoted(canary)+`}`))
	if want := os.Args[0] + "\x00" + workerArg + "\x00"; !strings.HasPrefix(told, want) || strings.Contains(told, "vogel") || strings.Contains(told, "LLMHUB") {
		t.Errorf("arguments and environment are %q", told)
	}
}
