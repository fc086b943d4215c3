package main

import (
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

// report prints everything as Markdown.
func (b *bench) report(out io.Writer) {
	fmt.Fprintf(out, "## Measured\n\n")
	b.machine(out)
	for _, kind := range kinds {
		b.table(out, kind)
	}
	b.limitsTable(out)
	b.memoryTable(out)
	if b.hub != nil {
		b.ledgerLine(out)
		b.targetTable(out)
	}
}

func (b *bench) machine(out io.Writer) {
	fmt.Fprintf(out, "%s. %d cores (%s), Linux %s, %s, nginx %s with %d workers.\n", time.Now().UTC().Format("2006-01-02 15:04 UTC"),
		runtime.NumCPU(), processor(), firstLine("/proc/sys/kernel/osrelease"), runtime.Version(), nginxVersion(), b.nginxWorkers)
	fmt.Fprintf(out, "Load generator, model server and proxies share the machine. Data on %s. Authentication and durable metering are on.\n",
		fileSystem(b.dir))
	fmt.Fprintf(out, "CPU is that of the proxy's processes alone, by request. Times are medians over the rounds; \"added\" is over direct.\n\n")
}

// fileSystem names the kind of file system that a folder is on.
func fileSystem(dir string) string {
	var fs syscall.Statfs_t
	if err := syscall.Statfs(dir, &fs); err != nil {
		return "an unknown file system"
	}
	names := map[int64]string{0xef53: "ext4", 0x58465342: "xfs", 0x9123683e: "btrfs", 0x794c7630: "overlayfs", tmpfsMagic: "tmpfs (in memory)"}
	if name, ok := names[int64(fs.Type)]; ok {
		return name
	}
	return fmt.Sprintf("file system type %#x", fs.Type)
}

func (b *bench) table(out io.Writer, kind string) {
	all := slices.DeleteFunc(scenarios(b.options), func(s scenario) bool { return s.kind != kind })
	if len(all) == 0 {
		return
	}
	title := kind
	if kind == kindPaced {
		title += fmt.Sprintf(" (one each %v)", pace)
	}
	fmt.Fprintf(out, "### %s%s\n\n", string(title[0]-'a'+'A'), title[1:])
	fmt.Fprintln(out, "| clients | through | requests/s | CPU µs/request | CPU µs/event | × nginx | p50 µs | p99 µs | added p50 | added p99 | first byte p50 | p99 | added p50 | added p99 |")
	fmt.Fprintln(out, "|---:|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|")
	for _, s := range all {
		for _, t := range b.targets {
			if s.measures(t) {
				b.row(out, s, t)
			}
		}
	}
	fmt.Fprintln(out)
}

// limitsTable tells what rules on key and subscription cost: requests and tokens a minute, and budgets of tokens.
func (b *bench) limitsTable(out io.Writer) {
	if b.hub == nil || !strings.Contains(kindWhole, b.kind) {
		return
	}
	fmt.Fprintf(out, "### Limits, on key and subscription: requests and tokens a minute, tokens a month (whole answers)\n\n")
	fmt.Fprintln(out, "| clients | CPU µs/request without | with | difference |\n|---:|---:|---:|---:|")
	for _, s := range scenarios(b.options) {
		if s.kind == kindWhole {
			without, with := b.series[s][targetLLMHub].cpuPerRequest(), b.series[s][targetLimited].cpuPerRequest()
			fmt.Fprintf(out, "| %d | %.1f | %.1f | %+.1f |\n", s.clients, without, with, with-without)
		}
	}
	fmt.Fprintln(out)
}

func (b *bench) row(out io.Writer, s scenario, t *target) {
	x := b.series[s][t.name]
	cpu, event, ratio := "", "", ""
	if t.pid != 0 {
		cpu = fmt.Sprintf("%.1f", x.cpuPerRequest())
		if s.kind != kindWhole {
			event = fmt.Sprintf("%.2f", x.cpuPerRequest()/streamEvents)
		}
		if r, ok := b.ratio(s, t.name); ok {
			ratio = fmt.Sprintf("%.2f", r)
		}
	}
	added := func(of func(result) time.Duration) string {
		if d, ok := b.added(s, t.name, of); ok {
			return fmt.Sprintf("%.0f", d)
		}
		return ""
	}
	fmt.Fprintf(out, "| %d | %s | %.0f | %s | %s | %s | %.0f | %.0f | %s | %s | %.0f | %.0f | %s | %s |\n", s.clients, t.name, x.perSecond(),
		cpu, event, ratio, x.median(latencyP50), x.median(latencyP99), added(latencyP50), added(latencyP99),
		x.median(firstP50), x.median(firstP99), added(firstP50), added(firstP99))
}

// added returns what a target adds to direct, in microseconds.
func (b *bench) added(s scenario, name string, of func(result) time.Duration) (float64, bool) {
	direct, x := b.series[s][targetDirect], b.series[s][name]
	if name == targetDirect || len(direct) == 0 || len(x) == 0 {
		return 0, false
	}
	return x.median(of) - direct.median(of), true
}

// ratio returns a target's processor time in nginx's.
func (b *bench) ratio(s scenario, name string) (float64, bool) {
	nginx := b.series[s][targetNginx].cpuPerRequest()
	if name == targetNginx || nginx == 0 {
		return 0, false
	}
	return b.series[s][name].cpuPerRequest() / nginx, true
}

func (b *bench) memoryTable(out io.Writer) {
	fmt.Fprintf(out, "### Memory (resident)\n\n| process | idle MB | highest MB | KB for each of %d open streams |\n|---|---:|---:|---:|\n", b.open)
	for _, t := range b.targets {
		if t.hasMemory() {
			fmt.Fprintf(out, "| %s | %.1f | %.1f | %.1f |\n", t.name, float64(t.idle)/1e6, float64(t.peak)/1e6, float64(t.perStream)/1e3)
		}
	}
	fmt.Fprintln(out)
}

func (b *bench) ledgerLine(out io.Writer) {
	if b.ledger != nil {
		fmt.Fprintf(out, "**The ledger is wrong**: %v.\n\n", b.ledger)
		return
	}
	fmt.Fprintf(out, "The ledger equals what the model server handed out: %d requests, %d input and %d output tokens.\n\n",
		b.counted.Requests, b.counted.Input, b.counted.Output)
}

// goal is one thing that is promised.
type goal struct {
	what, unit  string
	limit, have float64
	ok          bool // there is a figure
}

// goals returns what is promised, with what was measured.
func (b *bench) goals() []goal {
	var all []goal
	for _, s := range scenarios(b.options) {
		limit := 2.0
		if s.kind == kindWhole {
			limit = 3
		}
		if s.clients >= 64 {
			r, ok := b.ratio(s, targetLLMHub)
			all = append(all, goal{fmt.Sprintf("CPU, %s, %d clients", s.kind, s.clients), "× nginx", limit, r, ok})
		}
		if s.clients == 1 && s.kind == kindWhole {
			d, ok := b.added(s, targetLLMHub, latencyP50)
			all = append(all, goal{"added p50, whole answers, 1 client", "µs", 4000, d, ok})
		}
		if s.clients == 1 && s.kind == kindStream {
			d, ok := b.added(s, targetLLMHub, firstP99)
			all = append(all, goal{"added first byte p99, streams, 1 client", "µs", 400, d, ok})
		}
	}
	for _, t := range b.targets {
		if t.name == targetLLMHub {
			all = append(all, goal{"resident memory, idle", "MB", 60, float64(t.idle) / 1e6, true},
				goal{fmt.Sprintf("memory of each of %d open streams", b.open), "KB", 60, float64(t.perStream) / 1e3, true})
		}
	}
	return all
}

func (b *bench) targetTable(out io.Writer) {
	fmt.Fprintf(out, "### Targets\n\n| target | at most | measured | |\n|---|---:|---:|---|\n")
	for _, g := range b.goals() {
		measured, verdict := "", "not measured"
		if g.ok {
			measured = fmt.Sprintf("%.2f %s", g.have, g.unit)
			verdict = fmt.Sprintf("met, %.0f %% below", 100*(1-g.have/g.limit))
			if g.have > g.limit {
				verdict = fmt.Sprintf("**missed by %.0f %%**", 100*(g.have/g.limit-1))
			}
		}
		fmt.Fprintf(out, "| %s | %.0f %s | %s | %s |\n", g.what, g.limit, g.unit, measured, verdict)
	}
	fmt.Fprintln(out)
}
