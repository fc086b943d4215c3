//go:build linux

package deploy_test

import (
	"bufio"
	"debug/elf"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"llmhub/catalog"
	"llmhub/deployer"
	"llmhub/deployer/helm"
	"llmhub/secret"
	"llmhub/store/postgres/pgtest"
)

// image is what the last stage of a container file says.
type image struct {
	copies          [][]string // source, destination and --chown=, if any
	user            string
	entrypoint, cmd []string
	env             []string
	exposed         string
}

func readContainerfile(t *testing.T) image {
	t.Helper()
	text, err := os.ReadFile("Containerfile")
	if err != nil {
		t.Fatal(err)
	}
	_, last, ok := strings.Cut(string(text), "\nFROM scratch\n")
	if !ok {
		t.Fatal("the image is not made from nothing")
	}
	var i image
	for line := range strings.Lines(last) {
		instruction, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch instruction {
		case "", "#", "VOLUME":
		case "COPY":
			i.copies = append(i.copies, strings.Fields(strings.Replace(rest, "--from=build ", "", 1)))
		case "USER":
			i.user = rest
		case "ENV":
			i.env = append(i.env, rest)
		case "EXPOSE":
			i.exposed = rest
		case "ENTRYPOINT":
			err = json.Unmarshal([]byte(rest), &i.entrypoint)
		case "CMD":
			err = json.Unmarshal([]byte(rest), &i.cmd)
		default:
			err = fmt.Errorf("the test does not know %s", instruction)
		}
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
	}
	return i
}

// lay puts into a folder what the image has, built as the first stage builds it, and the folders that a runtime mounts something at.
func (i image) lay(t *testing.T, root string, authorities []byte) {
	t.Helper()
	at := func(name string) string { return filepath.Join(root, filepath.FromSlash(name)) }
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range i.copies {
		source, to := c[len(c)-2], at(c[len(c)-1])
		must(os.MkdirAll(filepath.Dir(to), 0o755))
		switch source {
		case "/out/llmhub":
			build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-o", to, "../cmd/llmhub")
			build.Env = append(os.Environ(), "CGO_ENABLED=0")
			if out, err := build.CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
		case "/etc/ssl/certs/ca-certificates.crt":
			must(os.WriteFile(to, authorities, 0o644))
		case "/out/data":
			must(os.Mkdir(to, 0o755))
			must(os.Chown(to, i.owner(t, c), i.owner(t, c)))
		case "/out/tmp":
			must(os.Mkdir(to, 0o755))
		default:
			t.Fatalf("the test does not know where %s comes from", source)
		}
	}
	for _, name := range []string{"proc", "dev", "etc/llmhub"} {
		must(os.MkdirAll(at(name), 0o755))
	}
}

// owner returns who a copy belongs to: root without --chown.
func (i image) owner(t *testing.T, copied []string) int {
	t.Helper()
	owner, ok := strings.CutPrefix(copied[0], "--chown=")
	if !ok {
		return 0
	}
	user, _, _ := strings.Cut(owner, ":")
	id, err := strconv.Atoi(user)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// contain runs what follows it as a runtime would: in the folder as a read-only root, with /proc, /dev and a writable /tmp and volume,
// as a numeric user without any capability.
const contain = `set -e
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
root=$1 user=$2; shift 2
mount --bind "$root" "$root"
mount --bind "$root/var/lib/llmhub" "$root/var/lib/llmhub"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
mount -t proc proc "$root/proc"
mount -t tmpfs tmpfs "$root/dev"
: >"$root/dev/null"; mount --bind /dev/null "$root/dev/null"
mount -o remount,bind,ro "$root"
exec setpriv --no-new-privs --inh-caps=-all chroot --userspec="$user" --groups= "$root" "$@"
`

// TestContainer runs the binary with nothing but what the container file copies, as the chart runs it, and has it serve.
func TestContainer(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can make a root folder of its own")
	}
	i := readContainerfile(t)
	provider := httptest.NewTLSServer(http.HandlerFunc(answer))
	defer provider.Close()
	// A provider is trusted because of what the image has where certificate authorities are looked for.
	authorities := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: provider.Certificate().Raw})
	root := t.TempDir()
	for dir := root; dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	i.lay(t, root, authorities)
	binary := filepath.Join(root, filepath.FromSlash(i.entrypoint[0]))
	isStatic(t, binary)
	unshare, err := exec.LookPath("unshare")
	if err != nil {
		t.Fatal(err)
	}
	contained := append([]string{unshare, "--mount", "--propagation", "private", "/bin/sh", "-c", contain, "sh", root, i.user}, i.entrypoint...)
	settings := fmt.Sprintf(`config:
  free_space_floor: 0B
  billing: {time_zone: America/Argentina/Buenos_Aires}
  upstreams: [{name: provider, base_url: %q}]
  models: [{name: m, deployments: [{upstream: provider}]}]
`, provider.URL+"/v1")
	// begin starts what the chart runs in its pod, but for the port.
	begin := func(t *testing.T, found objects) (*exec.Cmd, hubClient) {
		t.Helper()
		text := found["ConfigMap/hub-llmhub"].(*corev1.ConfigMap).Data["llmhub.yaml"]
		if strings.Count(text, "listen: :8080\n") != 1 {
			t.Fatalf("the port is not in\n%s", text)
		}
		text = strings.Replace(text, "listen: :8080\n", "listen: 127.0.0.1:0\n", 1)
		if err := os.WriteFile(filepath.Join(root, "etc/llmhub/llmhub.yaml"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		template, _ := found.pod(t)
		cmd := exec.Command(contained[0], append(slices.Clip(contained[1:]), template.Spec.Containers[0].Args...)...)
		cmd.Env = slices.Clone(i.env)
		for name, text := range found["Secret/hub-llmhub"].(*corev1.Secret).StringData {
			cmd.Env = append(cmd.Env, name+"="+text)
		}
		return cmd, hubClient{t, binary, start(t, cmd)}
	}
	// leftNothing expects that nothing has been written outside of the volume.
	leftNothing := func(t *testing.T, folders ...string) {
		t.Helper()
		for _, name := range append(folders, "tmp", "etc/llmhub", "usr/local/bin") {
			entries, err := os.ReadDir(filepath.Join(root, name))
			if err != nil || len(entries) > 1 || len(entries) == 1 && slices.Contains(folders, name) {
				t.Errorf("%s has %v, %v", name, entries, err)
			}
		}
	}

	t.Run("replicas", func(t *testing.T) {
		database := newDatabase(t)
		found := mustRender(t, values(t, settings, usePostgres, fmt.Sprintf("secrets: {LLMHUB_DATABASE_URL: %q}\n", database)))
		one, first := begin(t, found)
		two, second := begin(t, found)
		key := first.key()
		for asked := time.Now(); !strings.Contains(second.ask(key), "from the provider"); time.Sleep(20 * time.Millisecond) {
			if time.Since(asked) > 30*time.Second {
				t.Fatalf("the other replica does not know the key: %s", second.ask(key))
			}
		}
		if got := first.run("usage", "--by", "model"); !strings.Contains(got, "7") {
			t.Errorf("the usage at the first is %s", got)
		}
		stop(t, one)
		stop(t, two)
		leftNothing(t, "var/lib/llmhub")
	})
	t.Run("serve", func(t *testing.T) {
		cmd, client := begin(t, mustRender(t, values(t, settings)))
		if got := client.ask(client.key()); !strings.Contains(got, "from the provider") {
			t.Errorf("the answer is %s", got)
		}
		if usage := client.run("usage", "--by", "model"); !strings.Contains(usage, "7") {
			t.Errorf("the usage is %s", usage)
		}
		stop(t, cmd)
		leftNothing(t)
		if info, err := os.Stat(filepath.Join(root, "var/lib/llmhub/data")); err != nil || fmt.Sprint(info.Sys().(*syscall.Stat_t).Uid) != strings.Split(i.user, ":")[0] {
			t.Errorf("the data folder is %+v, %v", info, err)
		}
	})
	t.Run("render", func(t *testing.T) {
		c, err := catalog.Default()
		if err != nil {
			t.Fatal(err)
		}
		p, _ := c.Product("valkey")
		got, err := helm.New(helm.Options{Command: append(slices.Clip(contained), "helm-worker")}).Render(t.Context(), deployer.RenderInput{
			Chart: deployer.Chart{Name: "valkey", Version: "1.0.0", Files: p.CCE.Chart.Files()}, Namespace: "here", Release: "cache", KubeVersion: "v1.32.0",
			Values: secret.New(`{"auth":{"password":"correct-horse-battery"}}`), SecretPaths: []string{"auth.password"},
		})
		if err != nil || !strings.Contains(string(got), "kind: StatefulSet") {
			t.Errorf("rendered %.200s, %v", got, err)
		}
	})
}

// newDatabase starts a PostgreSQL of the test's own and returns the URL of an empty database.
func newDatabase(t *testing.T) (url string) {
	t.Helper()
	server, err := pgtest.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Remove(); err != nil {
			t.Error(err)
		}
	})
	_, url, err = server.Database()
	if err != nil {
		t.Fatal(err)
	}
	return url
}

// TestContainerIsBuiltAsTheTestBuilds compares the first stage with go.mod, and with what the test runs in its place.
func TestContainerIsBuiltAsTheTestBuilds(t *testing.T) {
	text, err := os.ReadFile("Containerfile")
	if err != nil {
		t.Fatal(err)
	}
	module, err := os.ReadFile("../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	language := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindSubmatch(module)
	for _, want := range []string{
		fmt.Sprintf("/golang:%s AS build\n", language[1]), "\nRUN CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH go build -trimpath -o /out/llmhub ./cmd/llmhub\n",
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("the container file has no %q", want)
		}
	}
}

// TestContainerIsWhatTheChartRuns compares the two.
func TestContainerIsWhatTheChartRuns(t *testing.T) {
	i := readContainerfile(t)
	template, _ := mustRender(t, values(t)).pod(t)
	c, security := template.Spec.Containers[0], template.Spec.SecurityContext
	if user := fmt.Sprintf("%d:%d", *security.RunAsUser, *security.RunAsGroup); user != i.user || *security.FSGroup != *security.RunAsGroup {
		t.Errorf("the chart runs it as %s, the image as %s", user, i.user)
	}
	if !slices.Equal(c.Args, i.cmd) || c.Command != nil || strconv.Itoa(int(c.Ports[0].ContainerPort)) != i.exposed {
		t.Errorf("the chart runs %v %v on %v, the image %v on %s", c.Command, c.Args, c.Ports, i.cmd, i.exposed)
	}
	for _, m := range c.VolumeMounts {
		if m.Name == "data" && !slices.ContainsFunc(i.copies, func(copied []string) bool { return copied[len(copied)-1] == m.MountPath }) {
			t.Errorf("the image has no %s", m.MountPath)
		}
	}
}

func isStatic(t *testing.T, binary string) {
	t.Helper()
	f, err := elf.Open(binary)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if libraries, err := f.ImportedLibraries(); err != nil || len(libraries) > 0 || slices.ContainsFunc(f.Progs, func(p *elf.Prog) bool { return p.Type == elf.PT_INTERP }) {
		t.Errorf("the binary needs %v, %v", libraries, err)
	}
}

// answer is a model server that always says the same.
func answer(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, `{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"finish_reason":"stop",
"message":{"role":"assistant","content":"from the provider"}}],"usage":{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7}}`)
}

// start starts a server and returns where it listens. It is killed at the end of the test.
func start(t *testing.T, cmd *exec.Cmd) (url string) {
	t.Helper()
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	stderr, err := cmd.StderrPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if cmd.ProcessState == nil {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}
	})
	var said []string
	for lines := bufio.NewScanner(stderr); lines.Scan(); {
		said = append(said, lines.Text())
		var line struct{ Msg, Address string }
		if json.Unmarshal(lines.Bytes(), &line) == nil && line.Msg == "listening" {
			go func() { _, _ = io.Copy(io.Discard, stderr) }()
			return "http://" + line.Address
		}
	}
	t.Fatalf("it does not listen:\n%s", strings.Join(said, "\n"))
	return ""
}

// stop ends a server as a runtime does.
func stop(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("it ended with %v", err)
	}
}

// hubClient is the command line, run outside.
type hubClient struct {
	t           *testing.T
	binary, url string
}

func (c hubClient) run(args ...string) string {
	c.t.Helper()
	cmd := exec.CommandContext(c.t.Context(), c.binary, args...)
	cmd.Env = []string{"LLMHUB_SERVER=" + c.url, "LLMHUB_ADMIN_TOKEN=" + adminToken}
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		c.t.Fatalf("%v: %v: %s", args, err, errs.String())
	}
	return strings.TrimSpace(string(out))
}

// key makes a customer with a key.
func (c hubClient) key() string {
	c.t.Helper()
	tenant := c.run("tenant", "create", "--name", "Example")
	subscription := c.run("subscription", "create", "--tenant", tenant, "--product", "llm-hub")
	return c.run("key", "create", "--subscription", subscription, "--name", "k")
}

func (c hubClient) ask(key string) string {
	c.t.Helper()
	r, err := http.NewRequestWithContext(c.t.Context(), http.MethodPost, c.url+"/v1/chat/completions", strings.NewReader(`{"model":"m","messages":[{"role":"user","content":"hi"}]}`))
	if err != nil {
		c.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+key)
	r.Header.Set("Content-Type", "application/json")
	resp, err := (&http.Client{Timeout: time.Minute}).Do(r)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return string(text)
}
