package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

// TestDemo does what a newcomer does: it starts the demo, and pastes the two lines that it prints into a shell.
func TestDemo(t *testing.T) {
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("curl is not installed")
	}
	b := startBinary(t, os.Environ(), "demo", "--listen", "127.0.0.1:0")
	ask := b.await(&b.stdout, `(?m)^  (curl .*)$`)
	usage := b.await(&b.stdout, `(?m)^  (\S+=\S+ .*usage.*)$`)
	shell := func(line string) string {
		t.Helper()
		out, err := exec.Command("sh", "-c", line).Output()
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		return string(out)
	}
	answer := shell(ask)
	deltas := len(regexp.MustCompile(`"delta":\{"content":"[^"]`).FindAllString(answer, -1))
	if deltas < 50 || !strings.HasSuffix(answer, "data: [DONE]\n\n") {
		t.Fatalf("answer %.300s", answer)
	}
	var report struct {
		Data []struct {
			Requests     int64 `json:"requests"`
			InputTokens  int64 `json:"input_tokens"`
			OutputTokens int64 `json:"output_tokens"`
			Total        bool  `json:"total"`
		}
	}
	table := shell(usage)
	if err := json.Unmarshal([]byte(shell(usage+" --json")), &report); err != nil || len(report.Data) != 2 {
		t.Fatalf("report %+v, %v", report, err)
	}
	row := report.Data[0]
	if row.Requests != 1 || row.OutputTokens != int64(deltas) || row.InputTokens == 0 {
		t.Errorf("row %+v, want one request with the %d tokens that were streamed", row, deltas)
	}
	if !strings.Contains(table, demoModel) || !strings.Contains(table, "demo") {
		t.Errorf("table\n%s", table)
	}
	b.signal(syscall.SIGINT)
	b.wait()
	if log := b.stderr.String(); log != "" {
		t.Errorf("the demo complains: %s", log)
	}
}

// TestClusterDemoTerminal pastes the lines of a demo that has a control plane into a shell, and looks at what is deployed there.
func TestClusterDemoTerminal(t *testing.T) {
	kubeconfig := os.Getenv("LLMHUB_TEST_KUBECONFIG")
	if kubeconfig == "" {
		t.Skip("LLMHUB_TEST_KUBECONFIG is not set")
	}
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("curl is not installed")
	}
	b := startBinary(t, os.Environ(), "demo", "--listen", "127.0.0.1:0", "--kubeconfig", kubeconfig)
	lines := b.await(&b.stdout, `(?ms)^  (export LLMHUB_SERVER=.* workload targets)$`)
	out, err := exec.Command("sh", "-c", lines).CombinedOutput()
	if err != nil || !strings.Contains(string(out), " eu-de ") {
		t.Errorf("%s: %v", out, err)
	}
	b.signal(syscall.SIGINT)
	b.wait()
}
