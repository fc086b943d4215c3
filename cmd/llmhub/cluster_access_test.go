package main

import (
	"net/http"
	"net/url"
	"testing"

	"llmhub/deployer/cce/ccetest"
)

// accessEnds takes the token from deployments in the middle, and the whole cluster.
func accessEnds(t *testing.T, binary string) {
	w := newClusterWorld(t, binary, 1, 1)
	u := w.people[0]
	if ok := t.Run("token", u.tokenEnds) && t.Run("logout", u.signsOut) && t.Run("unreachable", u.comesBack); !ok {
		return
	}
	t.Run("stays unreachable", u.staysAway)
	w.proveSecrecy(t)
}

// atGate returns a deployment that waits for a gate.
func (u *clusterUser) atGate(t *testing.T) (d *deployment, gate string) {
	t.Helper()
	gate = newName("gate")
	d = u.deployment(t, 0, map[string]any{"gate": gate}).begin(t)
	d.waitsFor(t, "unschedulable")
	return d, gate
}

// tokenEnds ends all tokens while deployments wait for their pods: they go on with another one.
func (u *clusterUser) tokenEnds(t *testing.T) {
	byAPI, gate := u.atGate(t)
	byCLI, other := u.atGate(t)
	u.w.iam.Expire()
	u.w.cce.Expire()
	byAPI.waitsFor(t, "access-ended")
	byCLI.waitsFor(t, "access-ended")
	if a := u.api(t, http.MethodPost, "/workloads/"+byAPI.id+"/continue", nil); a.status/100 == 2 {
		t.Errorf("goes on with a token that does not hold: %s", a)
	}
	u.iamToken = u.newIAMToken(t)
	u.w.openGate(t, gate)
	u.w.openGate(t, other)
	byAPI.change(t, "continue", nil)
	u.mustCLI(t, "workload", "continue", byCLI.id, "--wait")
	for _, d := range []*deployment{byAPI, byCLI} {
		d.ends(t, "ready", "")
		d.isTrue(t)
	}
	u.signIn(t)
}

// signsOut ends the session, and with it its token, while what was begun in it waits.
func (u *clusterUser) signsOut(t *testing.T) {
	gate := newName("gate")
	d := u.deployment(t, 0, map[string]any{"gate": gate})
	d.id = u.inSession(t, http.MethodPost, "/workloads", d.body())["id"].(string)
	d.waitsFor(t, "unschedulable")
	if resp := u.post(t, "/workloads/"+d.id, "/logout", url.Values{}); resp.StatusCode != http.StatusSeeOther {
		t.Fatalf("sign-out: status %d", resp.StatusCode)
	}
	if a := u.send(t, u.browser, "", "", http.MethodGet, "/me", nil); a.status != http.StatusUnauthorized {
		t.Fatalf("still signed in: %s", a)
	}
	u.w.openGate(t, gate)
	d.ends(t, "ready", "")
	d.isTrue(t)
	u.signIn(t)
}

// comesBack takes the cluster away in the middle of an installation, and gives it back.
func (u *clusterUser) comesBack(t *testing.T) {
	d, gate := u.atGate(t)
	u.w.cce.Set(ccetest.Gateway, ccetest.Away)
	before := len(u.w.cce.Requests())
	eventually(t, "tries to reach the cluster", func() bool { return len(u.w.cce.Requests()) > before+5 })
	u.w.cce.Set(ccetest.Gateway, ccetest.Well)
	u.w.openGate(t, gate)
	d.ends(t, "ready", "")
	d.isTrue(t)
}

// staysAway takes the cluster away for good, as far as the deployment's time limit is concerned. Then the worker goes on with others.
func (u *clusterUser) staysAway(t *testing.T) {
	d, gate := u.atGate(t)
	u.w.cce.Set(ccetest.Gateway, ccetest.Away)
	d.ends(t, "error", "unreachable")
	u.w.cce.Set(ccetest.Gateway, ccetest.Well)
	u.w.openGate(t, gate)
	d.upgrade(t, map[string]any{"image": "nginx:2"})
	d.ends(t, "ready", "")
	d.isTrue(t)
	u.deployment(t, 0, nil).begin(t).ends(t, "ready", "")
}
