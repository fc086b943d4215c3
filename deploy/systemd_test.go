//go:build linux

package deploy_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"llmhub/config"
)

// TestUnit has systemd's own tool judge the unit: without a fault, and exposed to no more than 2 of 10.
func TestUnit(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("there is no systemd-analyze")
	}
	text, err := os.ReadFile("llmhub.service")
	if err != nil {
		t.Fatal(err)
	}
	// It looks whether the program is there.
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	unit := filepath.Join(t.TempDir(), "llmhub.service")
	if err := os.WriteFile(unit, []byte(strings.ReplaceAll(string(text), "/usr/local/bin/llmhub", self)), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"verify", "--man=no", unit}, {"security", "--offline=yes", "--threshold=20", unit}} {
		if out, err := exec.CommandContext(t.Context(), analyze, args...).CombinedOutput(); err != nil || args[0] == "verify" && len(out) > 0 {
			t.Errorf("%s: %v\n%s", args[0], err, out)
		}
	}
	// It is given the grace period and 30 seconds to close.
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, "TimeoutStopSec="); ok {
			if d, err := time.ParseDuration(strings.TrimSpace(value)); err != nil || d != config.Default().Shutdown.Grace+30*time.Second {
				t.Errorf("it is stopped after %s, %v", d, err)
			}
			return
		}
	}
	t.Error("the unit has no TimeoutStopSec")
}
