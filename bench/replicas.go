package main

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"llmhub/store/postgres/pgtest"
)

// replicasMode measures several processes on one database in place of the gateway's costs.
const replicasMode = "replicas"

const replicasUsage = `Usage: go run ./bench replicas [flags]

Measures llmhub with its data folder, and 1, 2 and 3 processes of it on a private
PostgreSQL that syncs to disk, and prints Markdown. All of them, the load generator
and the model server share the machine. It needs PostgreSQL (apt-get install postgresql).

Flags:
`

const (
	targetFolder = "data folder"
	maxReplicas  = 3
	// ledgerWithin is how long the entries of the last answers may take.
	ledgerWithin = 10 * time.Second
)

const sharedStore = `store:
  postgres:
    url: {env: LLMHUB_DATABASE_URL}
    keys: {pepper: {env: LLMHUB_SHARED_KEY}, responses: {env: LLMHUB_SHARED_KEY}, seal: {env: LLMHUB_SHARED_KEY}}`

// replicasBench is one run.
type replicasBench struct {
	*bench
	database *pgtest.Server
	clusters []*cluster
	// inDatabase is the processor time of PostgreSQL.
	inDatabase map[scenario]map[string]time.Duration
}

// cluster is a number of processes with the same data, which are started for each round.
type cluster struct {
	*target
	hubs   []*hub
	shared bool
	// counted is what its ledger had last.
	counted ledger
}

func runReplicas(ctx context.Context, args []string, out, log io.Writer) (err error) {
	o, err := parseReplicas(args, log)
	if err == flag.ErrHelp {
		return nil
	}
	if err != nil {
		return err
	}
	b := &replicasBench{bench: &bench{options: o, log: log, series: map[scenario]map[string]series{}},
		inDatabase: map[scenario]map[string]time.Duration{}}
	var remove func()
	if b.dir, remove, err = folder(o.dir, log); err != nil {
		return err
	}
	defer remove()
	defer b.stop()
	if err := b.start(ctx); err != nil {
		return err
	}
	if b.database, err = pgtest.New(pgtest.With("fsync", "on")); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.database.Remove()) }()
	if err := b.newClusters(ctx); err != nil {
		return err
	}
	for round := range b.rounds {
		fmt.Fprintf(log, "round %d of %d\n", round+1, b.rounds)
		if err := b.round(ctx, round); err != nil {
			return err
		}
	}
	b.report(out)
	return b.verdict()
}

func parseReplicas(args []string, log io.Writer) (options, error) {
	o := options{only: []string{targetDirect}}
	f := flag.NewFlagSet("bench replicas", flag.ContinueOnError)
	f.SetOutput(log)
	f.Usage = func() {
		fmt.Fprint(log, replicasUsage)
		f.PrintDefaults()
	}
	f.BoolVar(&o.quick, "quick", false, "half a minute instead of three: one round, shorter")
	f.IntVar(&o.rounds, "rounds", 0, "rounds of each measurement (default 3, quick 1)")
	f.DurationVar(&o.duration, "duration", 0, "length of one measurement (default 2s, quick 1s)")
	f.StringVar(&o.dir, "dir", "", "folder for data and logs, on a real disk; kept (default a temporary one)")
	f.StringVar(&o.llmhub, "llmhub", "", "an llmhub binary (default built from ./cmd/llmhub)")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if f.NArg() > 0 || o.rounds < 0 || o.duration < 0 {
		return o, errors.New("arguments out of range; see --help")
	}
	rounds, duration := 3, 2*time.Second
	if o.quick {
		rounds, duration = 1, time.Second
	}
	if o.rounds == 0 {
		o.rounds = rounds
	}
	if o.duration == 0 {
		o.duration = duration
	}
	return o, nil
}

// scenarios are those of this run, in the order of the report.
func (b *replicasBench) scenarios() (all []scenario) {
	for _, kind := range []string{kindWhole, kindStream} {
		for _, clients := range []int{1, 64} {
			all = append(all, scenario{kind, clients, b.duration, b.rounds})
		}
	}
	return all
}

// replicasName is the name of so many processes on one database.
func replicasName(n int) string {
	if n == 1 {
		return "1 replica"
	}
	return fmt.Sprintf("%d replicas", n)
}

// newClusters makes the data folder, databases and keys of all that is measured, and starts nothing that stays.
func (b *replicasBench) newClusters(ctx context.Context) error {
	binary, err := build(ctx, b.options, b.dir)
	if err != nil {
		return err
	}
	for n := range maxReplicas + 1 {
		c := &cluster{target: &target{name: targetFolder}, shared: n > 0}
		store, secrets := "data: "+filepath.Join(b.dir, "data"), []string(nil)
		if c.shared {
			c.name = replicasName(n)
			_, url, err := b.database.Database()
			if err != nil {
				return err
			}
			key := make([]byte, 32)
			rand.Read(key)
			store, secrets = sharedStore, []string{"LLMHUB_DATABASE_URL=" + url, "LLMHUB_SHARED_KEY=" + base64.StdEncoding.EncodeToString(key)}
		}
		for i := range max(1, n) {
			h, err := newHub(binary, b.dir, fmt.Sprintf("llmhub-%d-%d", n, i), store, b.provider, secrets...)
			if err != nil {
				return err
			}
			c.hubs = append(c.hubs, h)
		}
		first := c.hubs[0]
		if err := first.start(ctx); err != nil {
			return err
		}
		err := first.setUp(ctx)
		first.stop()
		if err != nil {
			return err
		}
		c.addr, c.key = first.addr, first.key
		b.clusters, b.targets = append(b.clusters, c), append(b.targets, c.target)
	}
	return nil
}

// round measures everything once, each round beginning with another one. Nothing but what is measured runs.
func (b *replicasBench) round(ctx context.Context, round int) error {
	all := append([]*cluster{{target: b.targets[0]}}, b.clusters...)
	for i := range all {
		if err := b.cluster(ctx, all[(i+round)%len(all)]); err != nil {
			return err
		}
	}
	return nil
}

// cluster starts the processes of one, measures all scenarios, compares the ledger and stops them.
func (b *replicasBench) cluster(ctx context.Context, c *cluster) error {
	for _, h := range c.hubs {
		if err := h.start(ctx); err != nil {
			return err
		}
		defer h.stop()
	}
	for _, s := range b.scenarios() {
		if err := b.one(ctx, c, s); err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
	}
	if len(c.hubs) == 0 {
		return nil
	}
	return b.compare(ctx, c)
}

// one measures a scenario, once it has run for a while without being measured.
func (b *replicasBench) one(ctx context.Context, c *cluster, s scenario) error {
	warm, j := s.job(c.target, 300*time.Millisecond), s.job(c.target, s.length)
	for _, h := range c.hubs {
		warm.Replicas, j.Replicas = append(warm.Replicas, h.addr), append(j.Replicas, h.addr)
	}
	r, err := b.do(ctx, warm)
	if err != nil {
		return err
	}
	c.note(r)
	hubs, database, err := b.cpu(c)
	if err != nil {
		return err
	}
	if r, err = b.do(ctx, j); err != nil {
		return err
	}
	c.note(r)
	hubsAfter, databaseAfter, err := b.cpu(c)
	if err != nil {
		return err
	}
	if b.series[s] == nil {
		b.series[s], b.inDatabase[s] = map[string]series{}, map[string]time.Duration{}
	}
	b.series[s][c.name] = append(b.series[s][c.name], sample{result: r, cpu: hubsAfter - hubs})
	b.inDatabase[s][c.name] += databaseAfter - database
	return nil
}

// cpu returns the processor time of a cluster's processes and of the database server that it uses.
func (b *replicasBench) cpu(c *cluster) (hubs, database time.Duration, err error) {
	for _, h := range c.hubs {
		d, err := cpuTime(h.cmd.Process.Pid)
		if err != nil {
			return 0, 0, err
		}
		hubs += d
	}
	if !c.shared {
		return hubs, 0, nil
	}
	database, err = postgresTime(b.database.PID())
	return hubs, database, err
}

// postgresTime returns the processor time of a server whose children come and go, those that have ended among them.
func postgresTime(pid int) (time.Duration, error) {
	for tries := 0; ; tries++ {
		ended, err := endedTime(pid)
		if err != nil {
			return 0, err
		}
		running, err := cpuTime(pid)
		if err == nil {
			var still time.Duration
			if still, err = endedTime(pid); err == nil && still == ended {
				return ended + running, nil
			}
		}
		if tries == 100 {
			return 0, errors.Join(errors.New("the server's processes do not come to rest"), err)
		}
	}
}

// compare looks whether the ledger has what the model server handed out, once the last entries are there. What it finds is
// part of the verdict.
func (b *replicasBench) compare(ctx context.Context, c *cluster) error {
	for end := time.Now().Add(ledgerWithin); ; {
		var err error
		if c.counted, err = c.hubs[0].recorded(ctx); err != nil {
			return err
		}
		handedOut, err := totals(b.provider, c.name)
		if err != nil {
			return err
		}
		wrong := compare(c.counted, handedOut)
		if wrong == nil {
			return nil
		}
		if time.Now().After(end) {
			b.ledger = errors.Join(b.ledger, fmt.Errorf("%s: %w", c.name, wrong))
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// report prints everything as Markdown.
func (b *replicasBench) report(out io.Writer) {
	fmt.Fprintf(out, "## Several replicas\n\n")
	b.machine(out)
	fmt.Fprintf(out, "PostgreSQL runs on the same machine, with fsync, its data on %s; its CPU is that of all its processes. Clients are spread over the replicas, one client uses one of them. Rounds in turn: %d, %v each.\n\n",
		fileSystem(os.TempDir()), b.rounds, b.duration)
	fmt.Fprintln(out, "| answers | clients | through | requests/s | llmhub CPU µs/request | PostgreSQL CPU µs/request | p50 µs | p99 µs | added first byte p50 | p99 |")
	fmt.Fprintln(out, "|---|---:|---|---:|---:|---:|---:|---:|---:|---:|")
	for _, s := range b.scenarios() {
		for _, t := range b.targets {
			b.row(out, s, t)
		}
	}
	fmt.Fprintln(out)
	if b.ledger != nil {
		fmt.Fprintf(out, "**A ledger is wrong**: %v.\n", b.ledger)
		return
	}
	fmt.Fprintln(out, "Each ledger equals what the model server handed out:")
	fmt.Fprintln(out)
	for _, c := range b.clusters {
		fmt.Fprintf(out, "- %s: %d requests, %d input and %d output tokens\n", c.name, c.counted.Requests, c.counted.Input, c.counted.Output)
	}
}

func (b *replicasBench) row(out io.Writer, s scenario, t *target) {
	x, hub, database, first50, first99 := b.series[s][t.name], "", "", "", ""
	if t.name != targetDirect {
		hub = fmt.Sprintf("%.1f", x.cpuPerRequest())
		if t.name != targetFolder {
			database = fmt.Sprintf("%.1f", microseconds(b.inDatabase[s][t.name])/float64(max(1, x.requests())))
		}
		p50, _ := b.added(s, t.name, firstP50)
		p99, _ := b.added(s, t.name, firstP99)
		first50, first99 = fmt.Sprintf("%.0f", p50), fmt.Sprintf("%.0f", p99)
	}
	fmt.Fprintf(out, "| %s | %d | %s | %.0f | %s | %s | %.0f | %.0f | %s | %s |\n", s.kind, s.clients, t.name, x.perSecond(), hub, database,
		x.median(latencyP50), x.median(latencyP99), first50, first99)
}
