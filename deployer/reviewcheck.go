package deployer

import (
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/Masterminds/semver/v3"
)

// checkNames are all checks, in the order in which they are shown.
var checkNames = []CheckName{
	CheckReachable, CheckVersion, CheckChart, CheckNamespace, CheckRelease, CheckValues, CheckScope, CheckRights, CheckDryRun,
	CheckStorageClass, CheckResources, CheckQuota,
}

// checkStates are the states from the best to the worst; a check that has been noted several times has the worst.
var checkStates = []CheckState{CheckSkipped, CheckPassed, CheckWarned, CheckFailed}

// findings gathers the outcome of checks. It may be used concurrently.
type findings struct {
	mu     sync.Mutex
	checks map[CheckName]*Check
}

// note keeps an outcome of a check.
func (f *findings) note(name CheckName, state CheckState, reasons ...Reason) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.checks == nil {
		f.checks = map[CheckName]*Check{}
	}
	c := f.checks[name]
	if c == nil {
		c = &Check{Name: name, State: CheckSkipped}
		f.checks[name] = c
	}
	if slices.Index(checkStates, state) > slices.Index(checkStates, c.State) {
		c.State = state
	}
	c.Reasons = append(c.Reasons, reasons...)
}

// failed says whether one of the checks has.
func (f *findings) failed(names ...CheckName) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.ContainsFunc(names, func(n CheckName) bool { c := f.checks[n]; return c != nil && c.State == CheckFailed })
}

// outcome returns all checks in order, those that nothing was noted of as skipped.
func (f *findings) outcome() (all []Check, blocked, warned bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, name := range checkNames {
		c := Check{Name: name, State: CheckSkipped}
		if noted := f.checks[name]; noted != nil {
			c = *noted
		}
		blocked = blocked || c.State == CheckFailed
		warned = warned || c.State == CheckWarned
		all = append(all, c)
	}
	return all, blocked, warned
}

// checkOf returns the check that a reason belongs to, or else another one.
func checkOf(r Reason, other CheckName) CheckName {
	switch r.Code {
	case Unreachable, AccessEnded, ClusterGone:
		return CheckReachable
	case KubeVersion:
		return CheckVersion
	case ChartMissing, ChartDigest, ChartInvalid:
		return CheckChart
	case NamespaceGone:
		return CheckNamespace
	case ReleaseExists, ReleaseGone:
		if strings.HasPrefix(r.Object, "Namespace/") {
			return CheckNamespace
		}
		return CheckRelease
	case ValuesInvalid, RenderFailed, RenderLimit:
		return CheckValues
	case ClusterScoped, HostAccess, OtherNamespace:
		return CheckScope
	case AccessDenied:
		return CheckRights
	case Rejected:
		return CheckDryRun
	case StorageClassMissing:
		return CheckStorageClass
	case Resources:
		return CheckResources
	case Quota:
		return CheckQuota
	}
	return other
}

// kubeVersionForm finds the numbers of a version of Kubernetes. What vendors put behind them, as in v1.29.1-r4, makes no
// earlier version of it, which semantic versions would have it; Helm ignores it, too.
var kubeVersionForm = regexp.MustCompile(`^v?(\d+\.\d+(\.\d+)?)`)

// runsOn says whether a version of Kubernetes is in a range such as ">=1.27", in the syntax of Helm's kubeVersion; an empty
// range holds all.
func runsOn(versions, version string) bool {
	if versions == "" {
		return true
	}
	numbers := kubeVersionForm.FindStringSubmatch(version)
	constraint, err := semver.NewConstraint(versions)
	if numbers == nil || err != nil {
		return false
	}
	v, err := semver.NewVersion(numbers[1])
	return err == nil && constraint.Check(v)
}
