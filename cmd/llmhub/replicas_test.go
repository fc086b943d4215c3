package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"testing"
	"time"

	"llmhub/limit"
	"llmhub/proxy/proxytest"
	"llmhub/store/postgres/pgtest"
)

const (
	replicaCount   = 3
	replicaClients = 24 // at each replica
	// replicasFor is how long the replicas are under load, without LLMHUB_REPLICAS.
	replicasFor = 3 * time.Minute
	// settledWithin is how long it may take until the requests of a process that died are settled by another one.
	settledWithin = 90 * time.Second
)

// TestReplicas has three replicas under load on one database, while they are killed, the database is killed and started
// again, its primary killed and the synchronous standby promoted, and the network between a replica and the database cut
// and slow. Then it counts as TestKill does: nothing that a client saw finished is lost or doubled, what was begun is
// recorded, and no budget is overspent. LLMHUB_REPLICAS sets how long, LLMHUB_KILL_SEED repeats the decisions of a run.
func TestReplicas(t *testing.T) {
	length := replicasFor
	if text := os.Getenv("LLMHUB_REPLICAS"); text != "" {
		var err error
		if length, err = time.ParseDuration(text); err != nil {
			t.Fatalf("LLMHUB_REPLICAS: %v", err)
		}
	}
	r := newReplicaLoopOf(t, number(t, "LLMHUB_KILL_SEED", rand.Uint64N(1<<32)), replicaCount)
	r.makeKeys()
	t.Logf("%v with LLMHUB_KILL_SEED=%d", length, r.seed)
	rounds := []func(){r.killReplica, r.killDatabase, r.cutNetwork, r.slowNetwork, r.promoteStandby}
	for n, end := 0, time.Now().Add(length); (n < len(rounds) || time.Now().Before(end)) && !t.Failed(); n++ {
		r.number++
		round := rounds[n%len(rounds)]
		if n >= len(rounds) && n%len(rounds) == len(rounds)-1 {
			round = r.killReplica // there is one standby
		}
		round()
	}
	r.report()
}

// replicaLoop is the state between the rounds.
type replicaLoop struct {
	t        *testing.T
	provider *proxytest.Provider
	primary  *pgtest.Server
	standby  *pgtest.Server
	replicas []*replicaUnderTest
	keys     []*loadKey
	sights   []*sight
	seed     uint64
	number   int // of the round
	rng      *rand.Rand
	faults   map[string]int
}

// replicaUnderTest is a process, with its wires to both servers of the database.
type replicaUnderTest struct {
	*daemon
	toPrimary, toStandby *wire
	hints                *wire // to the primary, for LISTEN alone
}

// newReplicaLoopOf starts n replicas on a primary and its standby.
func newReplicaLoopOf(t *testing.T, seed uint64, n int) *replicaLoop {
	t.Helper()
	r := &replicaLoop{t: t, seed: seed, rng: rand.New(rand.NewPCG(seed, 0)), faults: map[string]int{}}
	var err error
	if r.provider, err = proxytest.Start(proxytest.Options{Keep: -1}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.provider.Close() })
	if r.primary, err = pgtest.New(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { removeServer(t, r.primary) })
	database, _, err := r.primary.Database()
	if err != nil {
		t.Fatal(err)
	}
	if r.standby, err = r.primary.Standby(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { removeServer(t, r.standby) })
	binary := buildBinary(t)
	for range n {
		r.replicas = append(r.replicas, r.newReplica(binary, database))
	}
	for _, x := range r.replicas {
		x.awaitReady()
	}
	return r
}

func removeServer(t *testing.T, s *pgtest.Server) {
	if err := s.Remove(); err != nil {
		t.Error(err)
	}
}

func (r *replicaLoop) newReplica(binary, database string) *replicaUnderTest {
	r.t.Helper()
	at := func(s *pgtest.Server) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.Port())) }
	x := &replicaUnderTest{toPrimary: newWire(r.t, at(r.primary)), toStandby: newWire(r.t, at(r.standby)), hints: newWire(r.t, at(r.primary))}
	u, err := url.Parse(r.primary.URL("127.0.0.1", x.toPrimary.port(), database))
	if err != nil {
		r.t.Fatal(err)
	}
	listen := x.listenURL(u)
	u.Host += ",127.0.0.1:" + strconv.Itoa(x.toStandby.port())
	key := base64.StdEncoding.EncodeToString(make([]byte, 32))
	x.daemon = newDaemon(r.t, binary, fmt.Sprintf(`store:
  postgres:
    url: {env: LLMHUB_DATABASE_URL}
    listen_url: {env: LLMHUB_LISTEN_URL}
    keys: {pepper: {env: SHARED_KEY}, responses: {env: SHARED_KEY}, seal: {env: SHARED_KEY}}
upstreams:
  - {name: cancel, base_url: %q, on_disconnect: cancel}
  - {name: drain, base_url: %q, on_disconnect: drain}
models:
  - {name: cancel, deployments: [{upstream: cancel}], prices: [{from: 2020-01-01, input_per_million: "1", output_per_million: "2"}]}
  - {name: drain, deployments: [{upstream: drain}], prices: [{from: 2020-01-01, input_per_million: "1", output_per_million: "2"}]}
log: {level: warn}
`, r.provider.URL(), r.provider.URL()), "LLMHUB_DATABASE_URL="+u.String(), "LLMHUB_LISTEN_URL="+listen, "SHARED_KEY="+key)
	x.start()
	return x
}

// makeKeys makes keys at one replica, and waits until all replicas know them.
func (r *replicaLoop) makeKeys() {
	r.t.Helper()
	first := r.replicas[0].operator()
	sub := first.cli("subscription", "create", "--tenant", first.cli("tenant", "create", "--name", "Replicas"))
	for i, rules := range append(make([]limit.Rules, killKeys), limit.Rules{MonthlyTokens: 200_000}, limit.Rules{MonthlyAmount: "0.30"}) {
		name := "key-" + strconv.Itoa(i)
		key := r.addKey(sub, name, "--monthly-amount", rules.MonthlyAmount, "--monthly-tokens", strconv.FormatInt(rules.MonthlyTokens, 10))
		key.limits = rules
		r.keys = append(r.keys, key)
	}
	for _, x := range r.replicas {
		for _, key := range r.keys {
			r.awaitKey(x.url, key)
		}
	}
}

// addKey makes a key at the first replica.
func (r *replicaLoop) addKey(sub, name string, flags ...string) *loadKey {
	r.t.Helper()
	var key keyAnswer
	text := r.replicas[0].operator().cli(append([]string{"key", "create", "--subscription", sub, "--name", name, "--json"}, flags...)...)
	if err := json.Unmarshal([]byte(text), &key); err != nil {
		r.t.Fatal(err)
	}
	return &loadKey{name: name, id: key.ID, secret: key.Key}
}

func (r *replicaLoop) awaitKey(url string, key *loadKey) {
	r.t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		ask, err := http.NewRequestWithContext(r.t.Context(), http.MethodGet, url+"/v1/models", nil)
		if err != nil {
			r.t.Fatal(err)
		}
		ask.Header.Set("Authorization", "Bearer "+key.secret)
		answer, err := http.DefaultClient.Do(ask)
		if err == nil {
			answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				return
			}
		}
		if time.Now().After(deadline) {
			r.t.Fatalf("a replica does not know the key %s: %v", key.name, err)
		}
	}
}

// under runs a fault while all replicas are under load; some of them may fail from then on. They serve again at the end.
func (r *replicaLoop) under(name string, mayFail []*replicaUnderTest, fault func()) {
	r.t.Helper()
	loads := map[*replicaUnderTest]*load{}
	for i, x := range r.replicas {
		l := &load{url: x.url, keys: r.keys, seed: r.seed + uint64(r.number)<<32 + uint64(i)<<16, storm: r.number%3 == 0}
		l.begin(replicaClients)
		loads[x] = l
	}
	time.Sleep(time.Duration(500+r.rng.IntN(1500)) * time.Millisecond) // the random moment
	for _, x := range mayFail {
		loads[x].ending.Store(true)
	}
	begun := time.Now()
	fault()
	time.Sleep(time.Duration(300+r.rng.IntN(700)) * time.Millisecond) // of load behind it
	finished := 0
	for _, x := range r.replicas {
		l := loads[x]
		l.end()
		r.sights = append(r.sights, l.sights...)
		for _, f := range l.failures[:min(len(l.failures), 5)] {
			r.t.Errorf("%s: a replica that nothing happened to failed: %s", name, f)
		}
		for _, s := range l.sights {
			if s.finished {
				finished++
			}
		}
		x.awaitReady()
	}
	r.faults[name]++
	if finished == 0 {
		r.t.Errorf("%s: no client saw anything finished: there was no load", name)
	}
	r.t.Logf("round %d: %s: %d finished, over after %v; budgets used to %d ‰", r.number, name, finished,
		time.Since(begun).Round(time.Millisecond), r.checkBudgets())
}

func (r *replicaLoop) any() *replicaUnderTest { return r.replicas[r.rng.IntN(len(r.replicas))] }

func (r *replicaLoop) killReplica() {
	x := r.any()
	r.under("replica killed", []*replicaUnderTest{x}, func() {
		x.kill()
		x.start()
	})
}

// killDatabase kills the server as a crash does, and starts it again.
func (r *replicaLoop) killDatabase() {
	r.under("database killed", r.replicas, func() {
		r.primary.Kill()
		if err := r.primary.Start(); err != nil {
			r.t.Fatal(err)
		}
	})
}

// cutNetwork takes the database away from one replica, at the first time for longer than its lease lasts.
func (r *replicaLoop) cutNetwork() {
	x, long := r.any(), time.Duration(1+r.rng.IntN(4))*time.Second
	if r.faults["network cut"] == 0 {
		long = 45 * time.Second
	}
	r.under("network cut", []*replicaUnderTest{x}, func() {
		for _, w := range []*wire{x.toPrimary, x.toStandby} {
			w.cut()
		}
		time.Sleep(long) // of the fault
		for _, w := range []*wire{x.toPrimary, x.toStandby} {
			w.heal()
		}
	})
}

func (r *replicaLoop) slowNetwork() {
	x := r.any()
	r.under("network slow", nil, func() {
		x.toPrimary.slow(50 * time.Millisecond)
		x.toStandby.slow(50 * time.Millisecond)
		time.Sleep(2 * time.Second) // of the fault
		x.toPrimary.slow(0)
		x.toStandby.slow(0)
	})
}

// promoteStandby kills the primary for good; the standby takes its place.
func (r *replicaLoop) promoteStandby() {
	r.under("standby promoted", r.replicas, func() {
		r.primary.Kill()
		if err := r.standby.Promote(); err != nil {
			r.t.Fatal(err)
		}
	})
	r.primary, r.standby = r.standby, r.primary
	for _, x := range r.replicas {
		x.toPrimary, x.toStandby = x.toStandby, x.toPrimary
	}
}

// checkBudgets compares what the ledger has of the limited keys with their budgets, and returns it in permille of them.
func (r *replicaLoop) checkBudgets() (used []int64) {
	r.t.Helper()
	return checkBudgets(r.t, r.any().operator(), r.keys)
}

// report waits until what the dead have left is settled, and compares everything.
func (r *replicaLoop) report() {
	r.t.Helper()
	var o *outcome
	for deadline := time.Now().Add(settledWithin); ; time.Sleep(time.Second) {
		if r.provider.Active() == 0 {
			o = r.any().operator().check(r.keys, r.sights, r.provider.Totals())
			if len(o.violations) == 0 || time.Now().After(deadline) {
				break
			}
		}
		if time.Now().After(deadline) {
			r.t.Fatal("the provider is still answering")
		}
	}
	r.checkBudgets()
	r.t.Logf("total: %s; faults: %v", o, r.faults)
	for _, v := range o.violations {
		r.t.Error(v)
	}
	if o.lost+o.begunLost+o.doubled > 0 {
		r.t.Errorf("lost %d, begun lost %d, doubled %d", o.lost, o.begunLost, o.doubled)
	}
	if o.begun == 0 || o.recovered == 0 {
		r.t.Errorf("%d streams cut, %d recovered: the faults hit nothing", o.begun, o.recovered)
	}
	for _, x := range r.replicas {
		x.terminate()
		if code, words := x.exit(); code != exitOK {
			r.t.Errorf("exit code %d after SIGTERM:\n%s", code, words)
		}
	}
}
