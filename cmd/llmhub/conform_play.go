package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"llmhub/proxy/conform"
	"llmhub/proxy/proxytest"
)

// conformParallel is how many cases are played at once where each has a key of its own.
const conformParallel = 8

// score is how many cases came to which outcome.
type score struct {
	Passed  int `json:"passed"`
	Failed  int `json:"failed"`
	Skipped int `json:"skipped"`
	// Audited is how many were compared with what the gateway recorded.
	Audited int              `json:"audited"`
	All     int              `json:"all"`
	Results []conform.Result `json:"results"`
}

func (s *score) add(r conform.Result) {
	s.Results = append(s.Results, r)
	if r.Audited {
		s.Audited++
	}
	switch r.Outcome {
	case conform.Passed:
		s.Passed++
	case conform.Failed:
		s.Failed++
	case conform.Skipped:
		s.Skipped++
	}
}

// play plays the cases against the target and prints the score. A case that failed is an error.
func (f *conformFlags) play(ctx context.Context, env *environment, provider *proxytest.Provider, cases []proxytest.Case) (err error) {
	runner := &conform.Runner{BaseURL: f.target, Provider: provider, Models: f.models, Parallel: 1, Timeout: f.timeout}
	if f.token != "" {
		hub, err := f.hub(ctx)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, hub.close()) }()
		runner.Keys, runner.Parallel = hub, conformParallel
		if f.usage == auditEvents {
			runner.Ledger = hub
		}
	} else {
		runner.Keys = oneKey(f.key)
	}
	if f.usage == auditUsage {
		runner.Ledger = usageLedger{f.target, f.timeout}
	}
	total := score{All: len(cases)}
	line := newConformLine(env, f.asJSON)
	err = runner.Run(ctx, cases, func(r conform.Result) {
		total.add(r)
		line.result(r, len(total.Results), total.All)
	})
	line.clear()
	if err != nil {
		return errors.New("interrupted")
	}
	if err := total.print(env.stdout, f.asJSON); err != nil {
		return err
	}
	if total.Failed > 0 {
		return fmt.Errorf("%d of %d cases failed", total.Failed, total.All)
	}
	return nil
}

func (s *score) print(w io.Writer, asJSON bool) error {
	if asJSON {
		text, err := json.Marshal(s)
		if err != nil {
			return err
		}
		return printJSON(w, text)
	}
	_, err := fmt.Fprintf(w, "score %d/%d", s.Passed, s.All)
	if s.Skipped > 0 {
		_, err = fmt.Fprintf(w, ", %d skipped", s.Skipped)
	}
	if n := s.Passed + s.Failed - s.Audited; n > 0 && err == nil {
		_, err = fmt.Fprintf(w, ", tokens of %d not audited", n)
	}
	if err == nil {
		_, err = fmt.Fprintln(w)
	}
	return err
}

// conformLine prints results, and to somebody at a terminal how far the cases are.
type conformLine struct {
	out      io.Writer // nil with --json
	terminal io.Writer // nil if standard error is none
}

func newConformLine(env *environment, asJSON bool) *conformLine {
	l := &conformLine{out: env.stdout}
	if asJSON {
		l.out = nil
	}
	if f, ok := env.stderr.(*os.File); ok {
		if info, err := f.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
			l.terminal = f
		}
	}
	return l
}

func (l *conformLine) result(r conform.Result, done, all int) {
	l.clear()
	if l.out != nil {
		sign := map[conform.Outcome]string{conform.Passed: "✓", conform.Failed: "✗", conform.Skipped: "-"}[r.Outcome]
		reason := r.About
		if r.Reason != "" {
			reason = clean(r.Reason)
		}
		fmt.Fprintf(l.out, "%s %-36s %s\n", sign, r.Case, reason)
	}
	if l.terminal != nil {
		fmt.Fprintf(l.terminal, "%d of %d cases", done, all)
	}
}

// clear removes what is said of the progress.
func (l *conformLine) clear() {
	if l.terminal != nil {
		fmt.Fprint(l.terminal, "\r\x1b[K")
	}
}

// listCases prints the cases and what they are about.
func (env *environment) listCases(cases []proxytest.Case, asJSON bool) error {
	if asJSON {
		type row struct {
			Case  string `json:"case"`
			Path  string `json:"path"`
			About string `json:"about"`
		}
		rows := make([]row, len(cases))
		for i, c := range cases {
			rows[i] = row{c.Name, c.Path, c.About}
		}
		text, err := json.Marshal(map[string]any{"data": rows})
		if err != nil {
			return err
		}
		return printJSON(env.stdout, text)
	}
	rows := make([][]string, len(cases))
	for i, c := range cases {
		rows[i] = []string{c.Name, c.Path, c.About}
	}
	return printTable(env.stdout, left("CASE", "ENDPOINT", "ABOUT"), rows)
}
