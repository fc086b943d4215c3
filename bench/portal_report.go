package main

import (
	"fmt"
	"io"
	"runtime"
	"time"
)

// report prints everything as Markdown.
func (b *portalBench) report(out io.Writer) {
	fmt.Fprintf(out, "%s. %d cores (%s), Linux %s, %s. Demo of size %s on %s; one client on the same machine.\n",
		time.Now().UTC().Format("2006-01-02 15:04 UTC"), runtime.NumCPU(), processor(), firstLine("/proc/sys/kernel/osrelease"), runtime.Version(),
		b.size, fileSystem(b.dir))
	fmt.Fprintf(out, "Times are the server's own in milliseconds, from the request's arrival to the whole page. \"First\" is what an address takes that\n"+
		"nobody has asked for before, \"again\" what the same addresses take in %d further rounds. CPU is the server's processor time a visit, on average.\n\n", b.again)
	fmt.Fprintln(out, "| page | addresses | first p50 | p95 | p99 | CPU | again p50 | p95 | p99 | CPU | KB | p95 at most | |")
	fmt.Fprintln(out, "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---|")
	missed := 0
	for _, r := range b.results {
		if !r.met() {
			missed++
		}
		r.row(out)
	}
	fmt.Fprintf(out, "\n%d of %d pages miss their target.\n\n", missed, len(b.results))
	fmt.Fprintf(out, "Making the demo took %.0f s. The server held %.0f MB (resident) when it began to serve, %.0f MB once it had come to rest and %.0f MB after all visits.\n",
		b.made.Seconds(), float64(b.serving)/1e6, float64(b.idle)/1e6, float64(b.last)/1e6)
}

// met says whether neither visits for the first time nor repeated ones exceed the limit in more than one of twenty.
func (r pageResult) met() bool {
	return r.limit == 0 || max(quantilesOf(r.first).P95, quantilesOf(r.again).P95) <= r.limit
}

func (r pageResult) row(out io.Writer) {
	first, again := quantilesOf(r.first), quantilesOf(r.again)
	limit, verdict := "", "a file"
	if r.limit > 0 {
		limit, verdict = fmt.Sprint(r.limit.Milliseconds()), "met"
	}
	if len(r.first) == 0 {
		verdict = "nothing links to one"
	}
	if !r.met() {
		verdict = "**missed**"
	}
	fmt.Fprintf(out, "| %s | %d | %s | %s | %s | %s | %s | %s | %s | %s | %.0f | %s | %s |\n", r.path, len(r.first),
		ms(first.P50), ms(first.P95), ms(first.P99), ms(r.firstCPU), ms(again.P50), ms(again.P95), ms(again.P99), ms(r.againCPU), float64(r.bytes)/1e3, limit, verdict)
}

func ms(d time.Duration) string { return fmt.Sprintf("%.1f", float64(d)/float64(time.Millisecond)) }
