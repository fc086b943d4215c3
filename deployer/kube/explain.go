package kube

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"llmhub/deployer"
)

// crashes is from how many restarts on a container that is running again and not ready is taken for one that crashes.
const crashes = 3

// waiting are the reasons for which containers wait, that do not go away by waiting.
var waiting = map[string]deployer.ReasonCode{
	"ErrImagePull": deployer.ImagePull, "ImagePullBackOff": deployer.ImagePull, "InvalidImageName": deployer.ImagePull,
	"ErrImageNeverPull": deployer.ImagePull, "ImageInspectError": deployer.ImagePull, "RegistryUnavailable": deployer.ImagePull,
	"CrashLoopBackOff":           deployer.CrashLoop,
	"CreateContainerConfigError": deployer.PodConfig, "CreateContainerError": deployer.PodConfig, "RunContainerError": deployer.PodConfig,
	"PreCreateHookError": deployer.PodConfig, "PreStartHookError": deployer.PodConfig, "PostStartHookError": deployer.PodConfig,
}

// eventReasons are what events tell that nothing else does.
var eventReasons = map[string]deployer.ReasonCode{
	"FailedScheduling": deployer.Unschedulable,
	"FailedMount":      deployer.Volume, "FailedAttachVolume": deployer.Volume, "FailedMapVolume": deployer.Volume,
	"ProvisioningFailed": deployer.Volume, "FailedBinding": deployer.Volume,
	"FailedCreatePodSandBox": deployer.PodConfig,
	"SyncLoadBalancerFailed": deployer.Balancer, "CreatingLoadBalancerFailed": deployer.Balancer,
}

// readEvents reads the events of the family, newest first.
func (o *observation) readEvents(ctx context.Context) error {
	err := pages(maxListed, func(opts metav1.ListOptions) (string, int, error) {
		l, err := o.c.client.CoreV1().Events(o.namespace).List(ctx, opts)
		if err != nil {
			return "", 0, err
		}
		for i := range l.Items {
			if _, ok := o.family[l.Items[i].InvolvedObject.UID]; ok {
				o.events = append(o.events, l.Items[i])
			}
		}
		return l.Continue, len(l.Items), nil
	})
	if err == errTooMany || apierrors.IsForbidden(err) || apierrors.IsNotFound(err) {
		err = nil
	}
	slices.SortStableFunc(o.events, func(a, b corev1.Event) int { return happened(&b).Compare(happened(&a)) })
	return err
}

// explain finds the reasons of all that is not ready.
func (o *observation) explain() {
	o.explainRefusals()
	for i := range o.hooks {
		o.explainJob(&o.hooks[i].health, o.hooks[i].job, deployer.HookFailed)
	}
	for i := range o.rows {
		if r := &o.rows[i]; r.there && !r.ready {
			o.explainRow(r)
		}
	}
	late := map[string]bool{}
	for _, p := range o.pods {
		h := o.of(o.family[p.UID])
		if h.ready || podReady(p) || h.reason != nil && h.reason.Code == deployer.HookFailed {
			continue
		}
		late[string(p.UID)] = true
		o.explainPod(h, p)
	}
	for i := range o.events {
		o.explainEvent(&o.events[i], late)
	}
}

// explainRow says what an object itself tells.
func (o *observation) explainRow(r *row) {
	switch r.Kind {
	case "Deployment":
		if d, err := typed[appsv1.Deployment](r.u); err == nil {
			for _, c := range d.Status.Conditions {
				if c.Type == appsv1.DeploymentReplicaFailure && c.Status == corev1.ConditionTrue && r.short && !r.refused {
					o.reason(&r.health, refusal(c.Message), r.text(), c.Message)
				}
			}
		}
	case "Job":
		if j, err := typed[batchv1.Job](r.u); err == nil {
			o.explainJob(&r.health, j, deployer.CrashLoop)
		}
	case "PersistentVolumeClaim":
		if c, err := typed[corev1.PersistentVolumeClaim](r.u); err == nil && c.Status.Phase == corev1.ClaimLost {
			o.reason(&r.health, deployer.Volume, r.text(), "its volume is lost")
		}
	case "Service":
		if r.reason == nil {
			o.reason(&r.health, deployer.Balancer, r.text(), "the load balancer has no address")
		}
	}
}

// explainRefusals says why pods are not made, by the newest event on each object. The condition of a Deployment tells only
// what came first, and keeps telling it when the reason has become another.
func (o *observation) explainRefusals() {
	for i := range o.events {
		e := &o.events[i]
		m := o.family[e.InvolvedObject.UID]
		h := o.of(m)
		if e.Reason != "FailedCreate" || h.ready || !h.short || h.refused {
			continue
		}
		h.refused = true
		name := m.name
		if m.row > noRow {
			name = o.rows[m.row].text()
		}
		o.reason(h, refusal(e.Message), name, e.Message)
	}
}

// refusal tells a quota from other reasons for which pods are not made.
func refusal(message string) deployer.ReasonCode {
	if byQuota(message) {
		return deployer.Quota
	}
	return deployer.Rejected
}

// explainJob says why a Job has failed, with the exit code of its last pod if that is still there.
func (o *observation) explainJob(h *health, j *batchv1.Job, code deployer.ReasonCode) {
	c := jobIs(j, batchv1.JobFailed)
	if c == nil {
		return
	}
	detail := c.Reason + ": " + c.Message
	for _, p := range o.pods {
		for _, owner := range p.OwnerReferences {
			if end := lastEnd(p); owner.UID == j.UID && end != "" {
				detail = c.Reason + ": " + end
			}
		}
	}
	o.reason(h, code, "Job/"+j.Name, detail)
}

// lastEnd says how the first container of a pod that has failed ended.
func lastEnd(p *corev1.Pod) string {
	for _, s := range append(append([]corev1.ContainerStatus{}, p.Status.InitContainerStatuses...), p.Status.ContainerStatuses...) {
		if t := s.State.Terminated; t != nil && t.ExitCode != 0 {
			return "container " + s.Name + ": " + ended(t)
		}
	}
	return ""
}

// ended says how a container ended. What it wrote itself is left out: it may be anything.
func ended(t *corev1.ContainerStateTerminated) string {
	text := fmt.Sprintf("exit code %d", t.ExitCode)
	if t.Reason != "" && t.Reason != "Error" {
		text = t.Reason + ", " + text
	}
	return text
}

// explainPod says what keeps a pod from being ready.
func (o *observation) explainPod(h *health, p *corev1.Pod) {
	name := "Pod/" + p.Name
	for _, s := range append(append([]corev1.ContainerStatus{}, p.Status.InitContainerStatuses...), p.Status.ContainerStatuses...) {
		o.explainContainer(h, name, &s)
	}
	if p.Status.Phase == corev1.PodFailed {
		detail := p.Status.Reason
		if end := lastEnd(p); end != "" {
			detail = end
		}
		o.reason(h, deployer.CrashLoop, name, detail)
	}
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse && c.Reason == corev1.PodReasonUnschedulable {
			o.reason(h, scheduling(c.Message), name, c.Message)
		}
	}
}

// scheduling tells what is waiting for a volume from what no node has room for.
func scheduling(message string) deployer.ReasonCode {
	if strings.Contains(strings.ToLower(message), "persistentvolumeclaim") {
		return deployer.Volume
	}
	return deployer.Unschedulable
}

func (o *observation) explainContainer(h *health, pod string, s *corev1.ContainerStatus) {
	last := s.LastTerminationState.Terminated
	switch w, t := s.State.Waiting, s.State.Terminated; {
	case w != nil && waiting[w.Reason] == deployer.CrashLoop, s.State.Running != nil && !s.Ready && s.RestartCount >= crashes:
		detail := fmt.Sprintf("container %s has been restarted %d times", s.Name, s.RestartCount)
		if last != nil {
			detail += ", last " + ended(last)
		}
		o.reason(h, deployer.CrashLoop, pod, detail)
	case w != nil && waiting[w.Reason] == deployer.ImagePull:
		o.reason(h, deployer.ImagePull, pod, fmt.Sprintf("container %s: image %s: %s: %s", s.Name, s.Image, w.Reason, w.Message))
	case w != nil && waiting[w.Reason] != "":
		o.reason(h, waiting[w.Reason], pod, fmt.Sprintf("container %s: %s: %s", s.Name, w.Reason, w.Message))
	case t != nil && t.ExitCode != 0 && s.RestartCount > 0:
		o.reason(h, deployer.CrashLoop, pod, fmt.Sprintf("container %s: %s", s.Name, ended(t)))
	}
}

// explainEvent says what an event tells of an object that is not ready; late are the pods that are not.
func (o *observation) explainEvent(e *corev1.Event, late map[string]bool) {
	code, ok := eventReasons[e.Reason]
	m := o.family[e.InvolvedObject.UID]
	h := o.of(m)
	switch {
	case !ok || h.ready:
		return
	case e.InvolvedObject.Kind == "Pod":
		if !late[string(e.InvolvedObject.UID)] || code == deployer.Unschedulable && h.reason != nil {
			return
		}
		if code == deployer.Unschedulable {
			code = scheduling(e.Message)
		}
	}
	if h.reason != nil && h.reason.Code == code && tellsMore(e, code) {
		h.reason = nil
	}
	o.reason(h, code, m.name, e.Message)
}

// tellsMore says whether an event is worth more than what is known: the cloud on why there is no address, and a claim on why it
// has no volume, which its pod does not know.
func tellsMore(e *corev1.Event, code deployer.ReasonCode) bool {
	return code == deployer.Balancer || code == deployer.Volume && e.InvolvedObject.Kind == "PersistentVolumeClaim"
}

// lastEvent returns the newest event of the family.
func (o *observation) lastEvent() deployer.Event {
	if len(o.events) == 0 {
		return deployer.Event{}
	}
	last := &o.events[0]
	return deployer.Event{
		At: happened(last), Object: scrubber{}.clean(last.InvolvedObject.Kind + "/" + last.InvolvedObject.Name),
		Reason: o.scrub.clean(last.Reason), Message: o.scrub.clean(last.Message),
	}
}

// happened returns when an event happened last.
func happened(e *corev1.Event) time.Time {
	if e.Series != nil && !e.Series.LastObservedTime.IsZero() {
		return e.Series.LastObservedTime.Time
	}
	for _, t := range []time.Time{e.LastTimestamp.Time, e.EventTime.Time, e.FirstTimestamp.Time} {
		if !t.IsZero() {
			return t
		}
	}
	return e.CreationTimestamp.Time
}
