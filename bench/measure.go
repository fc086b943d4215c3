package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"syscall"
	"time"
)

// target is something that requests are sent to.
type target struct {
	name, addr, key string
	// pid is the process whose time and memory count, 0 for direct.
	pid int
	// Resident memory in bytes: before any request, with streams held open less before them, and the highest.
	idle, perStream, peak int64
	errors                int64
	firstError            string
}

// bench is a running benchmark.
type bench struct {
	options
	dir      string
	log      io.Writer
	provider string
	load     *process
	targets  []*target
	hub      *hub
	started  []*process
	series   map[scenario]map[string]series
	// ledger is how the ledger differs from the model server's totals, nil if it does not.
	ledger  error
	counted ledger
}

// measure runs the whole benchmark and prints the report. It fails if there were errors or if the ledger is wrong;
// targets that are missed are only reported.
func measure(ctx context.Context, o options, out, log io.Writer) (err error) {
	b := &bench{options: o, log: log, series: map[scenario]map[string]series{}}
	var remove func()
	if b.dir, remove, err = folder(o.dir, log); err != nil {
		return err
	}
	defer remove()
	defer b.stop()
	if err := b.start(ctx); err != nil {
		return err
	}
	if err := b.memory(ctx); err != nil {
		return err
	}
	for _, s := range scenarios(o) {
		if err := b.scenario(ctx, s); err != nil {
			return err
		}
	}
	if err := b.finish(ctx); err != nil {
		return err
	}
	b.report(out)
	return b.verdict()
}

// verdict fails where figures cannot be trusted.
func (b *bench) verdict() error {
	all := []error{b.ledger}
	for _, t := range b.targets {
		if t.errors > 0 {
			all = append(all, fmt.Errorf("%s: %d errors, the first: %s", t.name, t.errors, t.firstError))
		}
	}
	return errors.Join(all...)
}

const tmpfsMagic = 0x01021994

// folder makes the folder for data and logs, a temporary one if none is given. Data on a disk in memory would make commits
// look free.
func folder(given string, log io.Writer) (dir string, remove func(), err error) {
	if given != "" {
		return given, func() {}, os.MkdirAll(given, 0o700)
	}
	parent := os.TempDir()
	var fs syscall.Statfs_t
	if err := syscall.Statfs(parent, &fs); err != nil || fs.Type == tmpfsMagic {
		parent = "."
	}
	if dir, err = os.MkdirTemp(parent, "llmhub-bench-"); err != nil {
		return "", nil, err
	}
	return dir, func() {
		if err := os.RemoveAll(dir); err != nil {
			fmt.Fprintln(log, "bench: left behind:", err)
		}
	}, nil
}

// start starts all processes.
func (b *bench) start(ctx context.Context) error {
	provider, err := self(providerMode, b.dir)
	if err != nil {
		return err
	}
	b.started = append(b.started, provider)
	line, err := provider.out.ReadString('\n')
	if err != nil {
		return provider.died(fmt.Errorf("the model server did not start: %w", err))
	}
	b.provider = line[:len(line)-1]
	if b.load, err = self(loadMode, b.dir); err != nil {
		return err
	}
	b.started = append(b.started, b.load)
	if slices.Contains(b.only, targetDirect) {
		b.targets = append(b.targets, &target{name: targetDirect, addr: b.provider, key: upstreamKey})
	}
	if slices.Contains(b.only, targetNginx) {
		p, addr, err := startNginx(ctx, b.dir, b.provider, b.nginxWorkers)
		if err != nil {
			return err
		}
		b.started = append(b.started, p)
		b.targets = append(b.targets, &target{name: targetNginx, addr: addr, key: upstreamKey, pid: p.cmd.Process.Pid})
	}
	if slices.Contains(b.only, targetLLMHub) {
		fmt.Fprintln(b.log, "building and starting llmhub")
		if b.hub, err = startHub(ctx, b.options, b.dir, b.provider); err != nil {
			return err
		}
		b.started = append(b.started, b.hub.process)
		pid := b.hub.cmd.Process.Pid
		b.targets = append(b.targets, &target{name: targetLLMHub, addr: b.hub.addr, key: b.hub.key, pid: pid},
			&target{name: targetLimited, addr: b.hub.addr, key: b.hub.limitedKey, pid: pid})
	}
	return nil
}

// stop stops all processes, the last started first.
func (b *bench) stop() {
	for _, p := range slices.Backward(b.started) {
		p.stop()
	}
}

// do sends a job to the load generator and reads one answer.
func (b *bench) do(ctx context.Context, j job) (result, error) {
	if err := json.NewEncoder(b.load.in).Encode(j); err != nil {
		return result{}, b.load.died(err)
	}
	return b.answer(ctx)
}

func (b *bench) answer(ctx context.Context) (result, error) {
	// A signal must not wait for the job's end: closing the input and killing the process ends the read.
	stop := context.AfterFunc(ctx, func() { _ = b.load.cmd.Process.Kill() })
	defer stop()
	line, err := b.load.out.ReadBytes('\n')
	if ctx.Err() != nil {
		return result{}, ctx.Err()
	}
	if err != nil {
		return result{}, b.load.died(fmt.Errorf("load generator: %w", err))
	}
	var r result
	return r, json.Unmarshal(line, &r)
}

// run does a job against a target and takes its errors and its processor time.
func (b *bench) run(ctx context.Context, t *target, j job) (sample, error) {
	before, err := t.cpu()
	if err != nil {
		return sample{}, err
	}
	r, err := b.do(ctx, j)
	if err != nil {
		return sample{}, err
	}
	t.note(r)
	after, err := t.cpu()
	return sample{result: r, cpu: after - before}, err
}

func (t *target) cpu() (time.Duration, error) {
	if t.pid == 0 {
		return 0, nil
	}
	return cpuTime(t.pid)
}

// hasMemory says whether the target is a process whose memory is measured, and not one that is measured under another name.
func (t *target) hasMemory() bool { return t.pid != 0 && t.name != targetLimited }

func (t *target) note(r result) {
	t.errors += r.Errors
	if t.firstError == "" {
		t.firstError = r.FirstError
	}
}

// scenario measures all targets in turn, round by round, each time beginning with another one.
func (b *bench) scenario(ctx context.Context, s scenario) error {
	fmt.Fprintf(b.log, "%s, %d clients\n", s.kind, s.clients)
	b.series[s] = map[string]series{}
	for round := range s.rounds {
		for i := range b.targets {
			t := b.targets[(i+round)%len(b.targets)]
			if !s.measures(t) {
				continue
			}
			if s.kind != kindPaced && round == 0 {
				r, err := b.do(ctx, s.job(t, 300*time.Millisecond))
				if err != nil {
					return err
				}
				t.note(r)
			}
			x, err := b.run(ctx, t, s.job(t, s.length))
			if err != nil {
				return err
			}
			b.series[s][t.name] = append(b.series[s][t.name], x)
		}
	}
	return nil
}

// memory measures memory of fresh processes: idle, and with many streams open.
func (b *bench) memory(ctx context.Context) error {
	for _, t := range b.targets {
		if !t.hasMemory() {
			continue
		}
		fmt.Fprintf(b.log, "memory of %s: idle, and with %d open streams\n", t.name, b.open)
		var err error
		if t.idle, _, err = memory(t.pid); err != nil {
			return err
		}
		warm := scenario{kind: kindStream, clients: 8}
		if _, err := b.run(ctx, t, warm.job(t, 100*time.Millisecond)); err != nil {
			return err
		}
		before, _, err := memory(t.pid)
		if err != nil {
			return err
		}
		j := job{Addr: t.addr, Path: chatPath, Key: t.key, Clients: b.open, Events: 16, End: chatEnd, Hold: true, Spread: time.Second,
			Body: body(t.user(), true, `"tokens":12,"pace_ms":300,`)}
		if _, err := b.run(ctx, t, j); err != nil {
			return err
		}
		open, _, err := memory(t.pid)
		if err != nil {
			return err
		}
		t.perStream = (open - before) / int64(b.open)
		r, err := b.answer(ctx)
		if err != nil {
			return err
		}
		t.note(r)
	}
	return nil
}

// finish takes the highest memory and compares the ledger.
func (b *bench) finish(ctx context.Context) error {
	for _, t := range b.targets {
		if t.hasMemory() {
			var err error
			if _, t.peak, err = memory(t.pid); err != nil {
				return err
			}
		}
	}
	if b.hub == nil {
		return nil
	}
	var err error
	if b.counted, err = b.hub.recorded(ctx); err != nil {
		return err
	}
	handedOut, err := totals(b.provider, targetLLMHub)
	if err != nil {
		return err
	}
	b.ledger = compare(b.counted, handedOut)
	return nil
}
