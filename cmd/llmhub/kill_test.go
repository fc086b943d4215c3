package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"llmhub/limit"
	"llmhub/proxy/proxytest"
)

const (
	killRounds  = 5  // without LLMHUB_KILL_ROUNDS
	killClients = 96 // at once
	killKeys    = 6
)

// killLimits are the limits of further keys: their budgets hold over all kills, and are used up.
var killLimits = []limit.Rules{
	{MonthlyTokens: 20_000}, {MonthlyAmount: "0.03"}, {MonthlyTokens: 15_000, Concurrency: 8, RequestsPerMinute: 400},
}

// TestKill kills the server with SIGKILL in the middle of full load, again and again on the same data, and then counts:
// nothing that a client saw finished is lost or doubled, and what was begun is reported. The provider and the clients
// live in this process and survive. LLMHUB_KILL_ROUNDS sets the number of rounds; LLMHUB_KILL_SEED repeats the
// decisions of a former run, as far as the machine's timing allows.
func TestKill(t *testing.T) {
	rounds, seed := number(t, "LLMHUB_KILL_ROUNDS", killRounds), number(t, "LLMHUB_KILL_SEED", rand.Uint64N(1<<32))
	t.Logf("%d rounds with LLMHUB_KILL_SEED=%d", rounds, seed)
	k := newKillLoop(t, seed)
	for n := range rounds {
		k.round(int(n) + 1)
		if t.Failed() {
			return
		}
	}
	k.stopUnderLoad()
	k.report()
}

// number reads a number from the environment.
func number(t *testing.T, name string, otherwise uint64) uint64 {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

// killLoop is the state between the rounds.
type killLoop struct {
	*daemon
	provider *proxytest.Provider
	seed     uint64
	rng      *rand.Rand
	keys     []*loadKey
	sights   []*sight
	// again lives on over the kills: what was served before one is served, and charged, anew.
	again remembered
}

func newKillLoop(t *testing.T, seed uint64) *killLoop {
	t.Helper()
	provider, err := proxytest.Start(proxytest.Options{Keep: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { provider.Close() })
	k := &killLoop{provider: provider, seed: seed, rng: rand.New(rand.NewPCG(seed, 0))}
	k.daemon = newDaemon(t, buildBinary(t), fmt.Sprintf(`free_space_floor: 0B
upstreams:
  - {name: cancel, base_url: %q, on_disconnect: cancel}
  - {name: drain, base_url: %q, on_disconnect: drain}
models:
  - {name: cancel, deployments: [{upstream: cancel}], prices: [{from: 2020-01-01, input_per_million: "1", output_per_million: "2"}]}
  - {name: drain, deployments: [{upstream: drain}], prices: [{from: 2020-01-01, input_per_million: "1", output_per_million: "2"}]}
  - {name: again, idempotent: true, deployments: [{upstream: cancel}], prices: [{from: 2020-01-01, input_per_million: "1", output_per_million: "2"}]}
log: {level: warn}
`, provider.URL(), provider.URL()))
	k.start()
	k.awaitReady()
	tenant := k.operator().cli("tenant", "create", "--name", "Kill")
	sub := k.operator().cli("subscription", "create", "--tenant", tenant)
	for i := range killKeys {
		k.addKey(sub, "key-"+strconv.Itoa(i), limit.Rules{})
	}
	for i, rules := range killLimits {
		k.addKey(sub, "limited-"+strconv.Itoa(i), rules)
	}
	return k
}

func (k *killLoop) addKey(sub, name string, rules limit.Rules) {
	k.t.Helper()
	args := []string{"key", "create", "--subscription", sub, "--name", name, "--json", "--monthly-amount", rules.MonthlyAmount}
	for _, n := range rules.Numbers() {
		args = append(args, "--"+limitNames[n.Name].flag, strconv.FormatInt(*n.Value, 10))
	}
	var key keyAnswer
	if err := json.Unmarshal([]byte(k.operator().cli(args...)), &key); err != nil {
		k.t.Fatal(err)
	}
	k.keys = append(k.keys, &loadKey{name: name, id: key.ID, secret: key.Key, limits: rules})
}

// checkBudgets compares what the ledger has of the limited keys with their budgets, and returns it in permille of them.
func (k *killLoop) checkBudgets() (used []int64) {
	k.t.Helper()
	return checkBudgets(k.t, k.operator(), k.keys)
}

func checkBudgets(t *testing.T, o *operator, keys []*loadKey) (used []int64) {
	t.Helper()
	sums := o.sums()
	for _, key := range keys {
		if !key.limits.HasBudget() {
			continue
		}
		row := sums[key.id]
		if b := key.limits.MonthlyTokens; b > 0 {
			tokens := row.InputTokens + row.OutputTokens
			if used = append(used, tokens*1000/b); tokens > b {
				t.Errorf("key %s: %d tokens in the ledger, of a budget of %d", key.name, tokens, b)
			}
			continue
		}
		spent, err := strconv.ParseFloat(row.Amount, 64)
		budget, _ := strconv.ParseFloat(key.limits.MonthlyAmount, 64)
		if used = append(used, int64(spent/budget*1000)); err != nil && row.Requests > 0 || spent > budget {
			t.Errorf("key %s: %q spent, of a budget of %s", key.name, row.Amount, key.limits.MonthlyAmount)
		}
	}
	return used
}

// newLoad begins a load; number tells those of a run apart.
func (k *killLoop) newLoad(number int, storm bool) *load {
	l := &load{url: k.url, keys: k.keys, seed: k.seed + uint64(number)<<32, storm: storm, again: &k.again}
	l.begin(killClients)
	return l
}

// round kills the server under load, perhaps again while it starts, and starts it.
func (k *killLoop) round(number int) {
	k.t.Helper()
	storm := number%3 == 0
	l := k.newLoad(number, storm)
	after := time.Duration(300+k.rng.IntN(1200)) * time.Millisecond
	time.Sleep(after) // the random moment
	l.ending.Store(true)
	k.kill()
	l.end()
	k.take(l)
	how := k.startAndKill(k.rng.IntN(4))
	k.start()
	k.awaitReady()
	used := k.checkBudgets()
	kind := "mixed"
	if storm {
		kind = "storm"
	}
	finished, cut := 0, 0
	for _, s := range l.sights {
		switch {
		case s.finished:
			finished++
		case s.cut():
			cut++
		}
	}
	k.t.Logf("round %d: %s load, killed after %v: %d requests, %d finished, %d begun and cut; started in %v%s; budgets used to %d ‰",
		number, kind, after, len(l.sights), finished, cut, k.startUp.Round(time.Millisecond), how, used)
}

// startAndKill starts the server n times and kills it before it serves: at a random moment, or while it settles what
// the last kill has left.
func (k *killLoop) startAndKill(n int) (how string) {
	k.t.Helper()
	for range n {
		k.start()
		if k.rng.IntN(2) == 0 {
			after := time.Duration(k.rng.Int64N(int64(k.startUp) + 1))
			time.Sleep(after) // the random moment
			how += fmt.Sprintf(", killed %v after a start", after.Round(time.Millisecond))
		} else {
			nth := 1 + k.rng.IntN(killClients)
			how += k.killWhileSettling(nth)
		}
		k.kill()
	}
	return how
}

// killWhileSettling waits until the server has announced to settle n requests of dead processes, or fewer if there are
// not so many.
func (k *killLoop) killWhileSettling(n int) string {
	for i := range n {
		select {
		case <-k.proc.settled:
		case <-k.proc.ended:
			return ", ended by itself"
		case <-time.After(k.startUp + 20*time.Millisecond):
			return fmt.Sprintf(", killed in recovery at %d", i)
		}
	}
	return fmt.Sprintf(", killed in recovery at %d", n)
}

// take keeps what the clients of a load saw. Before its end nothing may fail.
func (k *killLoop) take(l *load) {
	k.t.Helper()
	k.sights = append(k.sights, l.sights...)
	for _, f := range l.failures[:min(len(l.failures), 10)] {
		k.t.Errorf("failed before the kill: %s", f)
	}
	if len(l.failures) > 0 {
		k.t.Logf("llmhub said:\n%s", k.proc.log())
	}
	if !slices.ContainsFunc(l.sights, func(s *sight) bool { return s.finished }) {
		k.t.Error("no client saw anything finished: there was no load")
	}
}

// stopUnderLoad stops the server politely: what it has begun it finishes. Then it starts again.
func (k *killLoop) stopUnderLoad() {
	k.t.Helper()
	l := k.newLoad(0, false)
	time.Sleep(500 * time.Millisecond) // of load
	l.ending.Store(true)
	k.terminate()
	code, words := k.exit()
	l.end()
	k.take(l)
	if code != exitOK {
		k.t.Errorf("exit code %d after SIGTERM:\n%s", code, words)
	}
	for _, s := range l.sights {
		if s.cut() {
			k.t.Errorf("the stream %s of key %s was not finished before the stop: %d events, %s", s.id, s.key.name, s.content, s.plan.summary())
		}
	}
	k.verify()
	k.start()
	k.awaitReady()
}

// report compares everything, and fails the test for what is lost or doubled.
func (k *killLoop) report() {
	k.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); k.provider.Active() > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			k.t.Fatal("the provider is still answering")
		}
	}
	used := k.checkBudgets()
	for i, key := range k.keys[killKeys:] {
		refused := slices.ContainsFunc(k.sights, func(s *sight) bool { return s.key == key && s.refused })
		if refused && key.limits.Concurrency == 0 && used[i] < 900 {
			k.t.Errorf("key %s has used %d ‰ of its budget and was refused: for nothing", key.name, used[i])
		}
	}
	o := k.operator().check(k.keys, k.sights, k.provider.Totals())
	k.t.Logf("total: %s", o)
	for _, v := range o.violations {
		k.t.Error(v)
	}
	if o.lost+o.begunLost+o.doubled > 0 {
		k.t.Errorf("lost %d, begun lost %d, doubled %d", o.lost, o.begunLost, o.doubled)
	}
	if o.replayed == 0 {
		k.t.Error("no answer was given again under its Idempotency-Key")
	}
	if o.begun == 0 || o.recovered == 0 {
		k.t.Errorf("%d streams cut, %d recovered: the kills hit nothing", o.begun, o.recovered)
	}
	k.terminate()
	if code, words := k.exit(); code != exitOK {
		k.t.Errorf("exit code %d after SIGTERM:\n%s", code, words)
	}
	k.verify()
}
