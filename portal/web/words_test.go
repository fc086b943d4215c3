package web

import (
	"strings"
	"testing"

	"llmhub/deployer"
	"llmhub/portal/locale"
)

// Every word of the deployer that a page can have to show has words in every language.
func TestTheDeployersWordsAreTranslated(t *testing.T) {
	var keys []string
	add := func(prefix string, words ...string) {
		for _, w := range words {
			keys = append(keys, prefix+w)
		}
	}
	for _, code := range deployer.ReasonCodes() {
		add("reason.", string(code), string(code)+".fix")
	}
	for _, c := range []deployer.CheckName{
		deployer.CheckReachable, deployer.CheckVersion, deployer.CheckChart, deployer.CheckNamespace, deployer.CheckRelease, deployer.CheckValues, deployer.CheckScope,
		deployer.CheckRights, deployer.CheckDryRun, deployer.CheckStorageClass, deployer.CheckResources, deployer.CheckQuota,
	} {
		add("check.", string(c))
	}
	for _, s := range []deployer.CheckState{deployer.CheckPassed, deployer.CheckWarned, deployer.CheckFailed, deployer.CheckSkipped} {
		add("check.state.", string(s))
	}
	for _, s := range []deployer.WorkStep{
		deployer.WorkStarted, deployer.WorkChart, deployer.WorkNamespace, deployer.WorkLicence, deployer.WorkRendered, deployer.WorkApplied, deployer.WorkReady,
		deployer.WorkRemoved, deployer.WorkFailed, deployer.WorkResumed,
	} {
		add("step.", string(s))
	}
	for _, s := range []deployer.State{
		deployer.Requested, deployer.Preparing, deployer.Installing, deployer.Ready, deployer.Failed, deployer.Upgrading, deployer.RollingBack, deployer.Removing, deployer.Removed,
	} {
		add("workload.state.", string(s))
	}
	for _, k := range []deployer.JobKind{deployer.JobInstall, deployer.JobUpgrade, deployer.JobRollback, deployer.JobUninstall} {
		add("job.", string(k))
	}
	for _, s := range []deployer.ReleaseStatus{
		deployer.StatusDeployed, deployer.StatusFailed, deployer.StatusSuperseded, deployer.StatusUninstalled, deployer.StatusUninstalling, deployer.StatusPendingInstall,
		deployer.StatusPendingUpgrade, deployer.StatusPendingRollback,
	} {
		add("release.", string(s))
	}
	add("diff.", "added", "removed", "changed")
	for phase := range phases {
		add("phase.", phase)
	}
	texts, err := locale.Load()
	if err != nil {
		t.Fatal(err)
	}
	for _, lang := range locale.Languages {
		for _, key := range keys {
			if text := texts.In(lang).T(key); strings.Contains(text, "⟦") {
				t.Errorf("%s in %s", text, lang)
			}
		}
	}
}

// A form with a file is told by its path before any body is read.
func TestWhichPathsTakeFiles(t *testing.T) {
	for path, want := range map[string]bool{
		"/deploy/drf_1/licence": true, "/deploy//licence": false, "/deploy/drf_1/target": false, "/deploy/drf_1/licence/x": false, "/v1/deploy/x/licence": false, "/deploy/licence": false,
	} {
		if TakesFile("POST", path) != want || TakesFile("GET", path) {
			t.Errorf("%s takes a file: %v", path, !want)
		}
	}
}
