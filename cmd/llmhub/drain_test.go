package main

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"llmhub/proxy/proxytest"
)

// upstreams returns how the deployments are doing, as the process says.
func (d *daemon) upstreams() []upstreamAnswer {
	d.t.Helper()
	var list struct{ Data []upstreamAnswer }
	if err := json.Unmarshal([]byte(d.operator().cli("upstream", "list", "--json")), &list); err != nil {
		d.t.Fatal(err)
	}
	return list.Data
}

// drained returns the deployments that drain.
func (d *daemon) drained() (names []string) {
	d.t.Helper()
	for _, u := range d.upstreams() {
		if u.Draining {
			names = append(names, u.Deployment)
		}
	}
	return names
}

// awaitUpstreams waits until something is so of the deployments: another process on the database, or a reload, takes its time.
func (d *daemon) awaitUpstreams(what string, ok func() bool) {
	d.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			d.t.Fatalf("%s: not within 20 s, they are %+v", what, d.upstreams())
		}
	}
}

func (d *daemon) wantDrained(want ...string) {
	d.t.Helper()
	if got := d.drained(); !slices.Equal(got, want) {
		d.t.Errorf("draining: %v, want %v", got, want)
	}
}

// reload replaces a part of the configuration and has the process read it.
func (d *daemon) reload(before, after string) {
	d.t.Helper()
	text, err := os.ReadFile(d.config)
	if err != nil {
		d.t.Fatal(err)
	}
	changed := strings.Replace(string(text), before, after, 1)
	if changed == string(text) {
		d.t.Fatalf("%q is not in the configuration", before)
	}
	if err := os.WriteFile(d.config, []byte(changed), 0o600); err != nil {
		d.t.Fatal(err)
	}
	if err := d.proc.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		d.t.Fatal(err)
	}
}

// TestDrainHolds drains deployments by hand: they stay so over the death of the process, and over a reload that changes their upstream.
func TestDrainHolds(t *testing.T) {
	provider, err := proxytest.Start(proxytest.Options{Keep: -1})
	if err != nil {
		t.Fatal(err)
	}
	defer provider.Close()
	settings := func(connections, weight int) string {
		return fmt.Sprintf(`free_space_floor: 0B
upstreams:
  - {name: one, base_url: %q, max_connections: %d}
  - {name: two, base_url: %[1]q}
models:
  - {name: m, deployments: [{upstream: one, weight: %[3]d}, {upstream: two}]}
`, provider.URL(), connections, weight)
	}
	d := newDaemon(t, buildBinary(t), settings(100, 1))
	d.start()
	d.awaitReady()
	if got := d.operator().cli("upstream", "drain", "one/m"); !strings.Contains(got, "one/m is draining") {
		t.Errorf("the command says %q", got)
	}
	d.wantDrained("one/m")
	d.kill()
	d.start()
	d.awaitReady()
	d.wantDrained("one/m")

	d.reload(settings(100, 1), settings(7, 5))
	d.awaitUpstreams("the new weight", func() bool {
		return slices.ContainsFunc(d.upstreams(), func(u upstreamAnswer) bool { return u.Deployment == "one/m" && u.Weight == 5 })
	})
	d.wantDrained("one/m")

	d.operator().cli("upstream", "drain", "two/m")
	d.operator().cli("upstream", "resume", "one/m")
	d.kill()
	d.start()
	d.awaitReady()
	d.wantDrained("two/m")
	if code, _, stderr := command(t, d.url, testToken, "upstream", "drain", "two/other"); code == exitOK || !strings.Contains(stderr, "no such deployment") {
		t.Errorf("a deployment that does not exist: exit code %d, %s", code, stderr)
	}

	// A deployment leaves the configuration, and its drain can be ended nevertheless.
	d.reload(", {upstream: two}]", "]")
	d.awaitUpstreams("one is left", func() bool { return len(d.upstreams()) == 1 })
	if got := d.operator().cli("upstream", "resume", "two/m"); !strings.Contains(got, "two/m takes requests") {
		t.Errorf("the command says %q", got)
	}
	d.reload("{upstream: one, weight: 5}]", "{upstream: one, weight: 5}, {upstream: two}]")
	d.awaitUpstreams("two are back", func() bool { return len(d.upstreams()) == 2 })
	d.wantDrained()
	d.terminate()
	if code, words := d.exit(); code != exitOK {
		t.Errorf("exit code %d: %s", code, words)
	}
}

// TestDrainReachesReplicas drains at one replica, whose word holds at the other one, and ends that there.
func TestDrainReachesReplicas(t *testing.T) {
	r := newReplicaLoopOf(t, 2, 2)
	a, b := r.replicas[0], r.replicas[1]
	all := a.upstreams()
	if len(all) == 0 {
		t.Fatal("no deployments")
	}
	name := all[0].Deployment
	drains := func() bool { return slices.Contains(b.drained(), name) }
	a.operator().cli("upstream", "drain", name)
	b.awaitUpstreams("drained where the hint arrives", drains)
	b.hints.cut()
	a.operator().cli("upstream", "resume", name)
	b.awaitUpstreams("resumed where the hint is lost", func() bool { return !drains() })
	b.operator().cli("upstream", "drain", name)
	b.wantDrained(name)
	a.kill()
	a.start()
	a.awaitReady()
	a.wantDrained(name)
}
