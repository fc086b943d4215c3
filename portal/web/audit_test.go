package web

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"llmhub/deployer"
)

// actionInSource finds the actions by which the domain audits its changes.
var actionInSource = regexp.MustCompile(`(?:Action: |Action = |by, |hookAudit\(by, |(?:Ready|Failed|Removed): )"([a-z_]+\.[a-z_]+)"`)

// Every kind of change that the domain audits can be chosen on the page, whose words the messages' own tests look after.
func TestAuditKnowsEveryAction(t *testing.T) {
	used := []string{"workload." + string(deployer.JobRollback), "workload." + string(deployer.JobUninstall)} // put together there
	for _, dir := range []string{"../../identity", "../../subscription", "../../deployer", "../../alert", "../../drain", ".."} {
		files, err := filepath.Glob(filepath.Join(dir, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			text, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			if strings.HasSuffix(f, "_test.go") {
				continue
			}
			for _, m := range actionInSource.FindAllStringSubmatch(string(text), -1) {
				used = append(used, m[1])
			}
		}
	}
	slices.Sort(used)
	known := slices.Sorted(slices.Values(auditActions))
	if used = slices.Compact(used); !slices.Equal(used, known) {
		t.Errorf("the domain has %q,\nthe page %q", used, known)
	}
}
