package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// output gathers what a process prints, and can be searched meanwhile.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// binary is a run of the real binary.
type binary struct {
	t              *testing.T
	cmd            *exec.Cmd
	stdout, stderr output
	url            string
	ended          chan error
}

// startBinary runs llmhub, as built by script_test.go, with only the given environment.
func startBinary(t *testing.T, env []string, args ...string) *binary {
	t.Helper()
	b := &binary{t: t, ended: make(chan error, 1)}
	b.cmd = exec.Command("llmhub", args...)
	b.cmd.Env = append(env, "HOME="+t.TempDir(), "TMPDIR="+t.TempDir())
	b.cmd.Stdout, b.cmd.Stderr = &b.stdout, &b.stderr
	if err := b.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { b.ended <- b.cmd.Wait() }()
	t.Cleanup(func() {
		select {
		case <-b.ended:
		default:
			if err := b.cmd.Process.Kill(); err != nil {
				t.Error(err)
			}
			<-b.ended
		}
	})
	return b
}

// await waits until the output matches and returns the first group of the match.
func (b *binary) await(o *output, pattern string) string {
	b.t.Helper()
	re := regexp.MustCompile(pattern)
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(2 * time.Millisecond) {
		if m := re.FindStringSubmatch(o.String()); m != nil {
			return m[len(m)-1]
		}
		select {
		case err := <-b.ended:
			b.ended <- err
			b.t.Fatalf("ended with %v before %q: %s%s", err, pattern, b.stdout.String(), b.stderr.String())
		default:
		}
	}
	b.t.Fatalf("no %q in %s%s", pattern, b.stdout.String(), b.stderr.String())
	return ""
}

func (b *binary) signal(s syscall.Signal) {
	b.t.Helper()
	if err := b.cmd.Process.Signal(s); err != nil {
		b.t.Fatal(err)
	}
}

// wait waits for the end of the process and insists on exit code 0.
func (b *binary) wait() {
	b.t.Helper()
	select {
	case err := <-b.ended:
		b.ended <- nil
		if err != nil {
			b.t.Errorf("ended with %v: %s", err, b.stderr.String())
		}
	case <-time.After(30 * time.Second):
		b.t.Fatalf("does not end: %s", b.stderr.String())
	}
}

// restarted is a folder in which llmhub serve is started again and again.
type restarted struct {
	*binary
	t       *testing.T
	file    string
	env     []string
	allLogs []*output
}

// serve starts llmhub serve and waits until it listens.
func (g *restarted) serve() {
	g.t.Helper()
	g.binary = startBinary(g.t, g.env, "serve", "--config", g.file)
	g.allLogs = append(g.allLogs, &g.stderr, &g.stdout)
	g.url = "http://" + g.await(&g.stderr, `"msg":"listening","address":"([^"]+)"`)
}

// configure writes the configuration.
func (g *restarted) configure(text string) {
	g.t.Helper()
	if err := os.WriteFile(g.file, []byte(text), 0o600); err != nil {
		g.t.Fatal(err)
	}
}

func newGateway(t *testing.T, env ...string) *restarted {
	t.Helper()
	return &restarted{t: t, file: filepath.Join(t.TempDir(), "llmhub.yaml"), env: env}
}

// must runs a command line against the gateway and returns its output.
func (g *restarted) must(args ...string) string {
	g.t.Helper()
	code, stdout, stderr := command(g.t, g.url, testToken, args...)
	if code != exitOK {
		g.t.Fatalf("%v: exit code %d: %s", args, code, stderr)
	}
	return strings.TrimSpace(stdout)
}

// total returns the last row of a usage report in JSON.
func (g *restarted) total(args ...string) map[string]any {
	g.t.Helper()
	var report struct{ Data []map[string]any }
	text := g.must(append([]string{"usage", "--json"}, args...)...)
	if err := json.Unmarshal([]byte(text), &report); err != nil || len(report.Data) == 0 {
		g.t.Fatalf("usage %s: %v", text, err)
	}
	return report.Data[len(report.Data)-1]
}

// logs returns all that was printed, and insists that it is one JSON object a line.
func (g *restarted) logs() string {
	var all strings.Builder
	for _, o := range g.allLogs {
		text := o.String()
		all.WriteString(text)
		for lines := bufio.NewScanner(strings.NewReader(text)); lines.Scan(); {
			if !json.Valid(lines.Bytes()) {
				g.t.Errorf("log line %q is not JSON", lines.Text())
			}
		}
	}
	return all.String()
}
