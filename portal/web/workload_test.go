package web_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"llmhub/deployer"
	"llmhub/identity"
)

func TestWorkloadsList(t *testing.T) {
	f := newFixture(t)
	tenant, _ := f.approve("D1", "owner.one")
	b := f.signIn("D1", "owner.one")
	b.get("/workloads").contains(t, "Nothing is deployed yet", "/catalog?type=cce")
	for i := range 12 {
		f.deployments.put(tenant.ID, "wl_"+string(rune('a'+i)), nil)
	}
	f.deployments.put(tenant.ID, "wl_broken", func(l *deployer.Workload) {
		l.State, l.Reason, l.Target.Release = deployer.Failed, &deployer.Reason{Code: deployer.ImagePull}, "broken"
	})
	f.deployments.put("ten_other", "wl_theirs", func(l *deployer.Workload) { l.Target.Release = "theirs" })
	page := b.get("/workloads")
	page.contains(t, "Page 1 of 2", `href="/workloads?page=2"`, `prod-1 / <span class="whole">shop</span>`, "Sample Seller", "Open Source", "21 Nov 2026", `/workloads/wl_a/agreement`, `/workloads/wl_a#guide`)
	page.lacks(t, "theirs")
	b.get("/workloads?state=error").contains(t, "broken", "An image cannot be pulled.", `<span class="count">12</span>`)
	b.get("/workloads?q=nothing").contains(t, "No workload fits “nothing”.")
	b.get("/workloads?state=removed").contains(t, "No workload is in this state")
	operator := f.operator()
	operator.get("/operator/tenants/"+tenant.ID).contains(t, "Workloads", "broken", `<span class="badge plain">13</span>`)
}

func TestWorkloadInItsStates(t *testing.T) {
	f := newFixture(t)
	tenant, _ := f.approve("D1", "owner.one")
	b := f.signIn("D1", "owner.one")
	began := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	op := deployer.Operation{
		ID: "op_1", Kind: deployer.JobInstall, ByName: "jana", RequestedAt: began, StartedAt: began,
		Steps:     []deployer.StepDone{{Name: deployer.WorkStarted, At: began}, {Name: deployer.WorkChart, At: began.Add(time.Second)}, {Name: deployer.WorkApplied, At: began.Add(5 * time.Second)}},
		ReadyPods: 1, WantedPods: 3, Event: &deployer.Event{Object: "Pod/cache-0", Reason: "Pulling", Message: "pulling it"},
	}
	f.deployments.put(tenant.ID, "wl_1", func(l *deployer.Workload) { l.State, l.Operation = deployer.Installing, &op })
	page := b.get("/workloads/wl_1")
	page.contains(t, `data-poll="2000"`, "Installing", "11:00:05", "1 of 3 pods ready", "Pod/cache-0 – Pulling: pulling it", "Wait until everything is ready", "Refresh", "/workloads/wl_1/uninstall",
		`data-announce="Installing: Objects given to the cluster, 1 of 3 pods ready"`)
	b.get("/workloads/wl_1?done=deployment-started").contains(t, "Deployment has started")
	page.lacks(t, "/workloads/wl_1/upgrade", "As the cluster reports it now")

	reason := &deployer.Reason{Code: deployer.CrashLoop, Object: "Pod/cache-0", Detail: "back-off restarting"}
	ended := op
	ended.Reason, ended.EndedAt = reason, began.Add(time.Minute)
	ended.Steps = append(ended.Steps, deployer.StepDone{Name: deployer.WorkFailed, At: began.Add(time.Minute)})
	f.deployments.observed = deployer.Observation{Resources: []deployer.Resource{
		{Object: deployer.Object{Kind: "Deployment", Name: "cache"}, Ready: 0, Wanted: 1, Reason: reason}, {Object: deployer.Object{Kind: "Service", Name: "front"}, Ready: 1, Wanted: 1, Address: "192.0.2.10"},
	}}
	f.deployments.put(tenant.ID, "wl_1", func(l *deployer.Workload) {
		l.State, l.Reason, l.History = deployer.Failed, reason, []deployer.Operation{ended}
		l.Values, l.SecretPaths = map[string]any{"persistence": map[string]any{"size": "20Gi"}, "n": 3.0}, []string{"auth.password"}
	})
	b.get("/workloads/wl_1?done=deployment-started").lacks(t, "Deployment has started")
	page = b.get("/workloads/wl_1")
	page.contains(t, "The last operation has failed", "A container ends again and again.", "Read its log.", "back-off restarting", "persistence.size", "20Gi", "auth.password", "••••••", "192.0.2.10", "0 / 1",
		"cache.shop.svc:6379", "/workloads/wl_1/upgrade", "History")
	page.lacks(t, "data-poll", "/workloads/wl_1/rollback")

	f.deployments.fail = map[string]error{"Observe": &deployer.Reason{Code: deployer.Unreachable, Detail: "no route"}}
	f.deployments.put(tenant.ID, "wl_1", func(l *deployer.Workload) { l.Revision = 3 })
	b.get("/workloads/wl_1").contains(t, "The current state is not available", "The cluster does not answer.", "no route", "/workloads/wl_1/rollback", "Ready")
	// A cluster that does not answer does not keep the page.
	f.deployments.fail = map[string]error{"Observe": context.DeadlineExceeded}
	b.get("/workloads/wl_1").contains(t, "The current state is not available", "The cluster does not answer.")
	if left := time.Until(f.deployments.deadline); left > 10*time.Second {
		t.Errorf("the page waits for %v", left)
	}
	f.deployments.put(tenant.ID, "wl_1", func(l *deployer.Workload) { l.State = deployer.Removed })
	b.get("/workloads/wl_1").lacks(t, "/workloads/wl_1/uninstall", "The current state is not available")
}

// A cluster's address fills in the guide; a text that is none does not.
func TestGuideIsFilledIn(t *testing.T) {
	f := newFixture(t)
	tenant, _ := f.approve("D1", "owner.one")
	b := f.signIn("D1", "owner.one")
	f.deployments.put(tenant.ID, "wl_1", func(l *deployer.Workload) { l.Target.Namespace = "[x](javascript:alert(1))" })
	page := b.get("/workloads/wl_1")
	page.contains(t, "cache.NAMESPACE.svc")
	page.lacks(t, `href="javascript`)
}

func TestWorkloadActions(t *testing.T) {
	f := newFixture(t)
	tenant, owner := f.approve("D1", "owner.one")
	b := f.signIn("D1", "owner.one")
	f.deployments.releases = []deployer.Release{
		{Revision: 3, Status: deployer.StatusDeployed, ChartName: "valkey", ChartVersion: "1.0.1"}, {Revision: 2, Status: deployer.StatusFailed}, {Revision: 1, Status: deployer.StatusSuperseded, ChartName: "valkey", ChartVersion: "1.0.0"},
	}
	put := func(change func(*deployer.Workload)) {
		f.deployments.put(tenant.ID, "wl_1", func(l *deployer.Workload) {
			l.Revision = 3
			if change != nil {
				change(l)
			}
		})
	}
	put(nil)
	t.Run("upgrade", func(t *testing.T) {
		draft := b.post("/workloads/wl_1/upgrade").leads(t, "/deploy/")
		page := b.get(draft)
		page.contains(t, "Change Valkey", "prod-1 / shop")
		page.lacks(t, strings.TrimSuffix(draft, "/configuration")+"/target")
		b.get(strings.TrimSuffix(draft, "/configuration")+"/target").leads(t, draft)
	})
	t.Run("roll back", func(t *testing.T) {
		page := b.get("/workloads/wl_1/rollback")
		page.contains(t, "/workloads/wl_1/rollback?revision=1")
		page.lacks(t, "revision=2", "revision=3")
		b.get("/workloads/wl_1/rollback?revision=1").contains(t, "Roll Valkey back to revision 1?", "not rolled back", `action="/workloads/wl_1/rollback?revision=1"`)
		f.deployments.fail = map[string]error{"Rollback": &deployer.Reason{Code: deployer.AccessDenied}}
		b.post("/workloads/wl_1/rollback?revision=1").contains(t, "You may not do this on the cluster.")
		f.deployments.fail = nil
		b.post("/workloads/wl_1/rollback?revision=1").leads(t, "/workloads/wl_1?done=rollback-started")
	})
	put(nil)
	t.Run("uninstall", func(t *testing.T) {
		b.get("/workloads/wl_1/uninstall").contains(t, "Uninstall Valkey?", "Type the release name cache to confirm", "/workloads/wl_1/forget", "StatefulSets stay")
		wrong := b.post("/workloads/wl_1/uninstall", "typed", "something")
		if wrong.contains(t, `id="typed-error"`, `value="something"`); wrong.status != http.StatusUnprocessableEntity {
			t.Errorf("status %d", wrong.status)
		}
		f.deployments.fail = map[string]error{"Uninstall": &deployer.Reason{Code: deployer.AccessEnded}}
		b.post("/workloads/wl_1/uninstall", "typed", "cache").contains(t, "Sign in again", `name="next" value="/workloads/wl_1/uninstall"`)
		f.deployments.fail = nil
		b.post("/workloads/wl_1/uninstall", "typed", "cache").leads(t, "/workloads/wl_1?done=uninstall-started")
	})
	put(nil)
	t.Run("forget", func(t *testing.T) {
		b.get("/workloads/wl_1/forget").contains(t, "Nothing is removed from the cluster.")
		b.post("/workloads/wl_1/forget", "typed", "cache").leads(t, "/workloads?done=workload-forgotten")
		b.get("/workloads/wl_1/uninstall").leads(t, "/workloads/wl_1")
	})
	put(func(l *deployer.Workload) {
		l.State, l.Reason, l.Operation = deployer.Installing, &deployer.Reason{Code: deployer.AccessEnded}, &deployer.Operation{Kind: deployer.JobInstall}
	})
	t.Run("continue", func(t *testing.T) {
		b.get("/workloads/wl_1").contains(t, "Waiting for you", `action="/workloads/wl_1/continue"`, "Sign in again")
		f.deployments.fail = map[string]error{"Continue": &deployer.Reason{Code: deployer.AccessEnded}}
		if a := b.post("/workloads/wl_1/continue"); a.status != http.StatusConflict {
			t.Errorf("status %d", a.status)
		}
		f.deployments.fail = nil
		b.post("/workloads/wl_1/continue").leads(t, "/workloads/wl_1?done=workload-continued")
	})
	put(nil)
	t.Run("without the right", func(t *testing.T) {
		helper := f.signIn("D1", "helper")
		_, u := f.tenantOf("D1", "helper")
		if _, err := f.options.Users.Give(t.Context(), owner.Actor(tenant), u.ID, []identity.Right{identity.Reports}); err != nil {
			t.Fatal(err)
		}
		page := helper.get("/workloads/wl_1")
		page.contains(t, "You may look at this workload.")
		page.lacks(t, "/workloads/wl_1/uninstall", "/workloads/wl_1/upgrade", "/workloads/wl_1/rollback")
		for _, path := range []string{"/workloads/wl_1/uninstall", "/workloads/wl_1/forget", "/workloads/wl_1/rollback"} {
			if a := helper.get(path); a.status != http.StatusForbidden {
				t.Errorf("%s: %d", path, a.status)
			}
		}
		for _, path := range []string{"/workloads/wl_1/uninstall", "/workloads/wl_1/forget", "/workloads/wl_1/rollback?revision=1", "/workloads/wl_1/upgrade", "/workloads/wl_1/continue", "/catalog/valkey/deploy"} {
			if a := helper.post(path, "typed", "cache"); a.status != http.StatusForbidden {
				t.Errorf("POST %s: %d", path, a.status)
			}
		}
	})
}

func TestAgreementOfAWorkload(t *testing.T) {
	f := newFixture(t)
	tenant, _ := f.approve("D1", "owner.one")
	b := f.signIn("D1", "owner.one")
	p, _ := f.options.Catalog().Product("valkey")
	d := p.Consents()[0]
	f.deployments.put(tenant.ID, "wl_1", func(l *deployer.Workload) {
		l.Consents = []identity.Consent{{DocumentID: d.ID, Title: d.Title.In("en"), Version: d.Version, Digest: d.Digest, ByName: "jana.weber", ByID: "usr_1"}}
	})
	b.get("/workloads/wl_1/agreement").contains(t, d.Title.In("en"), d.Digest, "jana.weber", "/catalog/valkey/documents/"+d.ID)
	b.lang = "de"
	b.get("/workloads/wl_1").lacks(t, "⟦")
}
