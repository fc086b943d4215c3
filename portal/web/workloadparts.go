package web

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	"llmhub/deployer"
)

// progressView is how an operation goes.
type progressView struct {
	Heading string
	// Running says that it is under way, so that the page asks again.
	Running bool
	// Alone says that it goes on by itself.
	Alone             bool
	Steps             []progressStep
	ReadyPods, Wanted int
	Event, Announce   string
	Deadline          time.Time
	// Hindrance is what keeps it from being ready, as long as it runs.
	Hindrance *reasonNote
}

// progressStep is a step with what has become of it: done, current, failed or later.
type progressStep struct {
	Text, Class string
	At          time.Time
}

// progress shows the operation that is under way, or the last one where it has failed; nil otherwise.
func (v *visit) progress(l deployer.Workload) *progressView {
	switch {
	case l.State.Pending() && l.Operation == nil:
		state := v.t("workload.state." + string(l.State))
		return &progressView{Heading: state, Running: true, Alone: l.Reason == nil, Announce: state}
	case l.State.Pending():
		p := v.operationProgress(l, *l.Operation)
		p.Running, p.Alone = true, l.Reason == nil
		p.Hindrance = v.reason(l.Operation.Reason)
		p.Steps = append(p.Steps, v.stepsToCome(l, *l.Operation)...)
		return p
	case l.State == deployer.Failed && len(l.History) > 0:
		return v.operationProgress(l, l.History[0])
	}
	return nil
}

func (v *visit) operationProgress(l deployer.Workload, o deployer.Operation) *progressView {
	p := &progressView{
		Heading: v.t("job." + string(o.Kind)), ReadyPods: o.ReadyPods, Wanted: o.WantedPods, Event: eventText(o.Event), Deadline: o.Deadline,
		Announce: v.t("workload.state." + string(l.State)),
	}
	for _, s := range o.Steps {
		step := progressStep{Text: v.t("step." + string(s.Name)), Class: "done", At: s.At}
		if s.Name == deployer.WorkFailed {
			step.Class = "failed"
		}
		p.Steps = append(p.Steps, step)
		p.Announce = v.t("workload.state."+string(l.State)) + ": " + step.Text
	}
	if o.WantedPods > 0 {
		p.Announce += ", " + v.t("workload.pods", "Ready", o.ReadyPods, "Wanted", o.WantedPods)
	}
	return p
}

// stepsToCome are the steps that an operation has still before it; the first is the one that it is at.
func (v *visit) stepsToCome(l deployer.Workload, o deployer.Operation) []progressStep {
	expected := []deployer.WorkStep{deployer.WorkStarted, deployer.WorkChart, deployer.WorkRendered, deployer.WorkApplied, deployer.WorkReady}
	switch o.Kind {
	case deployer.JobRollback:
		expected = []deployer.WorkStep{deployer.WorkStarted, deployer.WorkApplied, deployer.WorkReady}
	case deployer.JobUninstall:
		expected = []deployer.WorkStep{deployer.WorkStarted, deployer.WorkRemoved}
	}
	last := -1
	for _, s := range o.Steps {
		last = max(last, slices.Index(expected, s.Name))
	}
	var steps []progressStep
	for i, name := range expected[last+1:] {
		class := "later"
		if i == 0 && l.Reason == nil {
			class = "current"
		}
		steps = append(steps, progressStep{Text: v.t("step.coming." + string(name)), Class: class})
	}
	return steps
}

// operationRow is an operation that has ended.
type operationRow struct {
	Kind, By, Version string
	At, Ended         time.Time
	Revision          int
	Reason            *reasonNote
}

func (v *visit) operationRows(list []deployer.Operation) []operationRow {
	rows := make([]operationRow, len(list))
	for i, o := range list {
		rows[i] = operationRow{
			Kind: v.t("job." + string(o.Kind)), By: o.ByName, Version: o.ProductVersion, At: o.RequestedAt, Ended: o.EndedAt,
			Revision: o.Made, Reason: v.reason(o.Reason),
		}
		if o.Kind == deployer.JobRollback {
			rows[i].Kind += ", " + v.t("workload.revision", "Revision", o.Revision)
		}
	}
	return rows
}

// maxValueRows and maxValueBytes bound what is shown of a workload's values.
const (
	maxValueRows  = 500
	maxValueBytes = 500
)

// valueRow is a value that a workload was deployed with.
type valueRow struct {
	Path, Value string
	Secret      bool
}

// valueRows returns the values in order of their paths; of secrets there is the path only.
func valueRows(values map[string]any, secrets []string) []valueRow {
	var rows []valueRow
	var walk func(prefix string, value any)
	walk = func(prefix string, value any) {
		if m, ok := value.(map[string]any); ok && len(m) > 0 {
			for k, inner := range m {
				walk(strings.TrimPrefix(prefix+"."+k, "."), inner)
			}
			return
		}
		if !slices.Contains(secrets, prefix) {
			rows = append(rows, valueRow{Path: prefix, Value: valueText(value)})
		}
	}
	if len(values) > 0 {
		walk("", values)
	}
	for _, path := range secrets {
		rows = append(rows, valueRow{Path: path, Secret: true})
	}
	slices.SortFunc(rows, func(a, b valueRow) int { return strings.Compare(a.Path, b.Path) })
	return rows[:min(len(rows), maxValueRows)]
}

func valueText(value any) string {
	text, ok := value.(string)
	if !ok {
		b, err := json.Marshal(value)
		if err != nil {
			return unknown
		}
		text = string(b)
	}
	if len(text) > maxValueBytes {
		text = strings.ToValidUTF8(text[:maxValueBytes], "") + "…"
	}
	return text
}
