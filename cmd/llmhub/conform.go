package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"llmhub/proxy/conform"
	"llmhub/proxy/proxytest"
)

// The ways to know what a gateway has recorded.
const (
	auditEvents = "events"
	auditUsage  = "llmhub"
	auditNone   = "none"
)

// conformFlags are those of the command.
type conformFlags struct {
	target, key, token, usage, listen string
	models                            conform.Models
	cases                             []string
	list, printConfig, asJSON         bool
	timeout                           time.Duration
}

func newConformCommand(env *environment) *cobra.Command {
	var f conformFlags
	cmd := &cobra.Command{
		Use:   "conform [--target URL --key KEY]",
		Short: "Play the conformance cases against a gateway and keep the score",
		Long: `Play what goes wrong between clients, gateways and model servers against a gateway, and compare
the bytes that reach the client, the calls at the model server, and the tokens that are recorded.

Without --target a private llmhub is started on a temporary folder. With it, the gateway must
have been given the scripted model server of this command as its model server: start it at a
fixed address with --provider-listen; with a free port its address is printed, and the command
waits for a line on standard input. --print-config prints the configuration for an llmhub.

Each case asks for a model of its own name, case-NAME. A gateway that has one model plays them
all with --model; --model-drain is one whose answers are read on when the client leaves,
--model-impatient one that gives up a silent model server. Cases that need what is not given
are skipped, and do not count as passed.

With --admin-token, that of an llmhub, each case has a key of its own, and each entry is
compared with where its counts come from. With --usage llmhub the sums of GET /v1/usage are,
one case after another. Otherwise tokens are not audited, which the score says.`,
		Example: `  llmhub conform
  llmhub conform --case usage-never --case responses-cut-mid-event
  llmhub conform --print-config --provider-listen 127.0.0.1:9100 > conform.yaml
  llmhub conform --target http://127.0.0.1:4000/v1 --key sk-1234 --model scripted --provider-listen 127.0.0.1:9100`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd.Context(), env) },
	}
	flags := cmd.Flags()
	flags.StringVar(&f.target, "target", "", "base URL of the gateway, such as http://127.0.0.1:4000/v1 (default a private llmhub)")
	flags.StringVar(&f.key, "key", "", "API key of the gateway")
	flags.StringVar(&f.token, "admin-token", "", "administrator's token of an llmhub; other users of this machine can see it, better set "+tokenVariable)
	flags.StringVar(&f.usage, "usage", "", "how tokens are audited: events, llmhub or none (default events with an administrator's token, else none)")
	flags.StringVar(&f.models.Any, "model", "", "ask for this model in all cases (default one for each case)")
	flags.StringVar(&f.models.Drain, "model-drain", "", "model whose answers are read on when the client leaves")
	flags.StringVar(&f.models.Impatient, "model-impatient", "", "model whose silence is given up after a second or less")
	flags.StringVar(&f.listen, "provider-listen", "127.0.0.1:0", "address of the scripted model server")
	flags.StringArrayVar(&f.cases, "case", nil, "play this case only; can be repeated")
	flags.DurationVar(&f.timeout, "timeout", 20*time.Second, "bound of each step of a case")
	flags.BoolVar(&f.list, "list", false, "list the cases and what they are about")
	flags.BoolVar(&f.printConfig, "print-config", false, "print the configuration of an llmhub for this command")
	flags.BoolVar(&f.asJSON, "json", false, "print results as JSON")
	cmd.MarkFlagsMutuallyExclusive("list", "print-config")
	return cmd
}

func (f *conformFlags) run(ctx context.Context, env *environment) error {
	cases, err := f.chosen()
	if err != nil {
		return err
	}
	switch {
	case f.list:
		return env.listCases(cases, f.asJSON)
	case f.printConfig:
		if strings.HasSuffix(f.listen, ":0") {
			return usagef("--print-config needs --provider-listen with a port, such as 127.0.0.1:9100")
		}
		_, err := fmt.Fprint(env.stdout, conformConfig("127.0.0.1:8080", "./conform-data", "http://"+f.listen+"/v1", cases))
		return err
	}
	if err := f.check(env); err != nil {
		return err
	}
	provider, err := proxytest.Start(proxytest.Options{Addr: f.listen, Record: true, Keep: 4 * len(proxytest.Pathologies())})
	if err != nil {
		return &hintedError{err, "choose another address with --provider-listen"}
	}
	defer provider.Close()
	if f.target == "" {
		return f.onPrivateHub(ctx, env, provider, cases)
	}
	if err := f.announce(ctx, env, provider); err != nil {
		return err
	}
	return f.play(ctx, env, provider, cases)
}

// chosen returns the cases that are named, or all.
func (f *conformFlags) chosen() ([]proxytest.Case, error) {
	all := proxytest.Pathologies()
	if len(f.cases) == 0 {
		return all, nil
	}
	byName := map[string]proxytest.Case{}
	for _, c := range all {
		byName[c.Name] = c
	}
	var chosen []proxytest.Case
	for _, name := range f.cases {
		c, ok := byName[name]
		if !ok {
			return nil, &hintedError{usagef("there is no case %q", name), "llmhub conform --list lists them"}
		}
		delete(byName, name)
		chosen = append(chosen, c)
	}
	return chosen, nil
}

// check completes the flags, and refuses what makes no sense.
func (f *conformFlags) check(env *environment) error {
	if f.timeout <= 0 {
		return usagef("--timeout must be more than 0")
	}
	if f.target == "" {
		if f.key != "" || f.token != "" || f.usage != "" || f.models != (conform.Models{}) {
			return usagef("--key, --admin-token, --usage and --model are for a gateway given by --target")
		}
		return nil
	}
	u, err := url.Parse(f.target)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return usagef("--target must be an address such as http://127.0.0.1:4000/v1")
	}
	if u.Path = strings.TrimRight(u.Path, "/"); u.Path == "" {
		u.Path = "/v1"
	}
	f.target = u.String()
	if f.token == "" && f.key == "" {
		f.token, _ = env.lookup(tokenVariable)
	}
	if f.usage == "" {
		f.usage = auditNone
		if f.token != "" {
			f.usage = auditEvents
		}
	}
	switch {
	case f.key == "" && f.token == "":
		return &hintedError{usagef("no key is given"), "use --key, or --admin-token for an llmhub"}
	case !printable(f.key) || !printable(f.token):
		return usagef("key and token may have no spaces and no characters other than ASCII")
	case f.usage != auditEvents && f.usage != auditUsage && f.usage != auditNone:
		return usagef("--usage must be events, llmhub or none")
	case f.usage == auditEvents && f.token == "":
		return usagef("--usage events needs --admin-token")
	}
	return nil
}

// announce says where the model server is. Behind a port that nobody could know before, it waits for a line.
func (f *conformFlags) announce(ctx context.Context, env *environment, provider *proxytest.Provider) error {
	fmt.Fprintf(env.stderr, "scripted model server: %s\n", provider.URL())
	if !strings.HasSuffix(f.listen, ":0") {
		return nil
	}
	fmt.Fprintln(env.stderr, "give it to the gateway as its model server, then press Enter")
	line := make(chan error, 1)
	go func() {
		_, err := fmt.Fscanln(env.stdin)
		line <- err
	}()
	select {
	case <-ctx.Done():
		return errors.New("interrupted")
	case <-line:
		return nil
	}
}
