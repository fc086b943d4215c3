// Command bench measures what llmhub costs beside doing without it and beside nginx as a plain proxy.
//
// It starts a scripted model server, nginx and llmhub as processes of their own on 127.0.0.1, drives each from one load
// generator, and prints CPU time, latency and memory as Markdown, with the targets and by how much they are met. In the
// end llmhub's ledger must equal what the model server says it handed out. It refuses to leave anything running, and it
// measures nothing over a network.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"
)

const usage = `Usage: go run ./bench [flags]
       go run ./bench portal [flags]
       go run ./bench limits [flags]
       go run ./bench replicas [flags]

Measures llmhub beside direct calls and beside nginx as a plain proxy, and prints
Markdown. Run it from the repository's root on a machine that does nothing else.
It builds llmhub and needs nginx (apt-get install nginx-light).

Flags:
`

// options are the command line's.
type options struct {
	quick        bool
	only         []string
	kind         string
	rounds       int
	duration     time.Duration
	nginxWorkers int
	dir          string
	llmhub       string
	open         int
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		stop()
		os.Exit(1)
	}
}

// run runs the benchmark, or one of the parts that it starts as processes of their own.
func run(ctx context.Context, args []string, in io.Reader, out, log io.Writer) error {
	if len(args) == 1 && args[0] == providerMode {
		return runProvider(in, out)
	}
	if len(args) == 1 && args[0] == loadMode {
		return runLoad(in, out)
	}
	if len(args) > 0 && args[0] == portalMode {
		return runPortal(ctx, args[1:], out, log)
	}
	if len(args) > 0 && args[0] == limitsMode {
		return runLimits(ctx, args[1:], out, log)
	}
	if len(args) > 0 && args[0] == replicasMode {
		return runReplicas(ctx, args[1:], out, log)
	}
	o, err := parse(args, log)
	if err == flag.ErrHelp {
		return nil
	}
	if err != nil {
		return err
	}
	return measure(ctx, o, out, log)
}

func parse(args []string, log io.Writer) (options, error) {
	o := options{}
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.SetOutput(log)
	f.Usage = func() {
		fmt.Fprint(log, usage)
		f.PrintDefaults()
	}
	only := f.String("only", "direct,nginx,llmhub", "what to measure; direct is the base of what is added")
	f.BoolVar(&o.quick, "quick", false, "a minute and a half instead of seven: fewer clients, fewer and shorter rounds")
	f.StringVar(&o.kind, "kind", "", "measure only kinds of answers whose name contains this")
	f.IntVar(&o.rounds, "rounds", 0, "rounds of each measurement (default 3, quick 2; paced streams one less)")
	f.DurationVar(&o.duration, "duration", 0, "length of one measurement (default 2s, quick 1s)")
	f.IntVar(&o.nginxWorkers, "nginx-workers", 2, "nginx's worker processes")
	f.StringVar(&o.dir, "dir", "", "folder for data and logs, on a real disk; kept (default a temporary one)")
	f.StringVar(&o.llmhub, "llmhub", "", "an llmhub binary (default built from ./cmd/llmhub)")
	f.IntVar(&o.open, "open", 1000, "streams held open for the memory of each")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	o.only = strings.Split(*only, ",")
	for _, name := range o.only {
		if !slices.Contains([]string{targetDirect, targetNginx, targetLLMHub}, name) {
			return o, fmt.Errorf("--only: %q is none of direct, nginx, llmhub", name)
		}
	}
	if f.NArg() > 0 || o.rounds < 0 || o.duration < 0 || o.nginxWorkers < 1 || o.open < 1 || o.open > 5000 {
		return o, fmt.Errorf("arguments out of range; see --help")
	}
	return o, nil
}
