package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"time"

	"llmhub/limit"
)

// limitsMode measures limits in place of the gateway's costs.
const limitsMode = "limits"

const limitsUsage = `Usage: go run ./bench limits [flags]

Sends requests with many keys, each of which has a limit of requests a minute and a
budget of tokens a month, to a real gateway in front of a scripted model server, and
compares what was served with the limits, by the ledger. It fails if a budget was
overspent, or a rate exceeded by more than 1 %. Before, it measures what limits cost.

Flags:
`

const (
	// maxRateOvershoot is how far rates may be exceeded in any minute.
	maxRateOvershoot = 0.01
	// costRounds is how often keys with and without limits are measured in turn.
	costRounds = 4
	// limitsWords is the output of a request, in tokens.
	limitsWords = 10
)

// limitsOptions are the command line's.
type limitsOptions struct {
	options
	keys, clients int
	// rate is in requests a second.
	rate float64
	// cost is how long each round of the comparison takes, 0 for none.
	cost time.Duration
}

// limitsBench is one run.
type limitsBench struct {
	*bench
	limitsOptions
	// free has keys without limits, far with some that nothing reaches, near with those that are held against the ledger.
	free, far, near keySet
	withoutLimits   series
	withLimits      series
	load            sample
	found           overshoot
}

func runLimits(ctx context.Context, args []string, out, log io.Writer) (err error) {
	o, err := parseLimits(args, log)
	if err == flag.ErrHelp {
		return nil
	}
	if err != nil {
		return err
	}
	o.only = []string{targetLLMHub}
	b := &limitsBench{bench: &bench{options: o.options, log: log}, limitsOptions: o}
	var remove func()
	if b.bench.dir, remove, err = folder(o.dir, log); err != nil {
		return err
	}
	defer remove()
	defer b.stop()
	if err := b.start(ctx); err != nil {
		return err
	}
	if err := b.measure(ctx); err != nil {
		return err
	}
	b.report(out)
	return b.verdict()
}

func parseLimits(args []string, log io.Writer) (limitsOptions, error) {
	o := limitsOptions{}
	f := flag.NewFlagSet("bench limits", flag.ContinueOnError)
	f.SetOutput(log)
	f.Usage = func() {
		fmt.Fprint(log, limitsUsage)
		f.PrintDefaults()
	}
	f.IntVar(&o.keys, "keys", 1000, "keys, up to 5000")
	f.IntVar(&o.clients, "clients", 64, "clients at once, each of which uses all keys")
	f.Float64Var(&o.rate, "rate", 5000, "requests a second, as far as the machine gives them")
	f.DurationVar(&o.duration, "duration", 30*time.Second, "length of the load, up to 10m")
	f.DurationVar(&o.cost, "cost", 3*time.Second, "length of each round with and without limits, 0 to leave that out")
	f.StringVar(&o.dir, "dir", "", "folder for data and logs, on a real disk; kept (default a temporary one)")
	f.StringVar(&o.llmhub, "llmhub", "", "an llmhub binary (default built from ./cmd/llmhub)")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if f.NArg() > 0 || o.keys < 2 || o.keys > 5000 || o.clients < 1 || o.clients > 1000 || o.rate < 1 || o.rate > 1e6 ||
		o.duration <= 0 || o.duration > 10*time.Minute || o.cost < 0 || o.cost > time.Minute {
		return o, errors.New("arguments out of range; see --help")
	}
	return o, nil
}

// nearLimits are the limits of a key: half of the keys have a budget for a third of the requests that would come, all a
// rate of two thirds of them.
func (o *limitsOptions) nearLimits(n int) limit.Rules {
	inMinute := o.rate * min(o.duration, time.Minute).Seconds() / float64(o.keys)
	inAll := o.rate * o.duration.Seconds() / float64(o.keys)
	tokens := float64(promptTokens + limitsWords)
	r := limit.Rules{RequestsPerMinute: max(1, int64(inMinute*2/3)), MonthlyTokens: max(1, int64(inAll*2*tokens))}
	if n%2 == 1 {
		r.MonthlyTokens = max(1, int64(inAll/3*tokens))
	}
	return r
}

// measure sends the load and looks at the ledger.
func (b *limitsBench) measure(ctx context.Context) error {
	fmt.Fprintf(b.log, "making %d keys\n", 3*b.keys)
	far := limit.Rules{RequestsPerMinute: limit.MaxRule, MonthlyTokens: limit.MaxRule}
	for _, set := range []struct {
		keys *keySet
		name string
		of   func(int) limit.Rules
	}{
		{&b.free, "free", func(int) limit.Rules { return limit.Rules{} }},
		{&b.far, "far", func(int) limit.Rules { return far }},
		{&b.near, "near", b.nearLimits},
	} {
		var err error
		if *set.keys, err = b.hub.createKeys(ctx, set.name, b.keys, set.of); err != nil {
			return err
		}
	}
	if err := b.costs(ctx); err != nil {
		return err
	}
	fmt.Fprintf(b.log, "%d keys with limits, %.0f requests a second for %v\n", b.keys, b.rate, b.duration())
	var err error
	if b.load, err = b.run(ctx, b.target(), b.job(b.near, b.duration())); err != nil {
		return err
	}
	if err := b.finish(ctx); err != nil {
		return err
	}
	b.found, err = b.hub.overshoot(ctx, b.near)
	return err
}

// costs measures keys without limits, and with some that nothing reaches, in turn.
func (b *limitsBench) costs(ctx context.Context) error {
	if b.cost == 0 {
		return nil
	}
	for i := range costRounds {
		fmt.Fprintf(b.log, "without limits and with limits, round %d\n", i+1)
		for j := range 2 {
			keys, into := b.free, &b.withoutLimits
			if (i+j)%2 == 1 {
				keys, into = b.far, &b.withLimits
			}
			x, err := b.run(ctx, b.target(), b.job(keys, b.cost))
			if err != nil {
				return err
			}
			*into = append(*into, x)
		}
	}
	return nil
}

func (b *limitsBench) duration() time.Duration { return b.limitsOptions.options.duration }

func (b *limitsBench) target() *target { return b.targets[0] }

// job asks for whole answers with all keys of a set.
func (b *limitsBench) job(keys keySet, length time.Duration) job {
	j := scenario{kind: kindWhole, clients: b.clients}.job(b.target(), length)
	j.Body = body(targetLLMHub, false, fmt.Sprintf(`"tokens":%d,`, limitsWords))
	j.Rate, j.Keys = b.rate, keys.secrets()
	return j
}

// verdict fails where limits were exceeded, or where nothing has shown that they hold.
func (b *limitsBench) verdict() error {
	all := []error{b.bench.verdict()}
	f := b.found
	if f.budget > 0 {
		all = append(all, fmt.Errorf("budgets were overspent by up to %.2f %%", 100*f.budget))
	}
	if f.rate > maxRateOvershoot {
		all = append(all, fmt.Errorf("rates were exceeded by up to %.2f %%", 100*f.rate))
	}
	if f.requests != b.load.Requests {
		all = append(all, fmt.Errorf("%d requests were served, and the ledger has %d", b.load.Requests, f.requests))
	}
	if b.load.Refused == 0 || b.load.Requests == 0 {
		all = append(all, errors.New("the load did not reach the limits"))
	}
	return errors.Join(all...)
}

// report prints everything as Markdown.
func (b *limitsBench) report(out io.Writer) {
	fmt.Fprintf(out, "## Limits\n\n")
	b.machine(out)
	x := b.load
	fmt.Fprintf(out, "%d keys, %d clients, %.0f requests/s asked for over %v: %.0f requests/s, %d served, %d refused (%d errors). CPU %.1f µs/request, refused ones among them.\n\n",
		b.keys, b.clients, b.rate, b.duration(), float64(x.Requests+x.Refused)/x.Elapsed.Seconds(), x.Requests, x.Refused, x.Errors,
		microseconds(x.cpu)/float64(max(1, x.Requests+x.Refused)))
	f := b.found
	fmt.Fprintln(out, "| limit | overshoot | at most | keys that reached it | fullest key |\n|---|---:|---:|---:|---:|")
	fmt.Fprintf(out, "| requests in any 60 s | %.2f %% | %.0f %% | %d | %.1f %% |\n", 100*f.rate, 100*maxRateOvershoot, f.rates, 100*f.fullestRate)
	fmt.Fprintf(out, "| tokens a month | %.2f %% | 0 %% | %d | %.1f %% |\n\n", 100*f.budget, f.budgets, 100*f.fullestBudget)
	if len(b.withLimits) > 0 {
		without, with := b.withoutLimits.cpuPerRequest(), b.withLimits.cpuPerRequest()
		fmt.Fprintf(out, "CPU of a served request with limits on its key (requests a minute, tokens a month) %.1f µs, without %.1f µs: %+.1f µs (%d rounds of %v in turn, %.0f and %.0f requests/s).\n\n",
			with, without, with-without, costRounds, b.cost, b.withLimits.perSecond(), b.withoutLimits.perSecond())
	}
	b.ledgerLine(out)
}
