package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"llmhub/proxy/proxytest"
)

const hubConfig = `listen: %s
%s
admin: {token: {env: LLMHUB_ADMIN_TOKEN}}
log: {level: warn}
upstreams:
  - {name: bench, kind: openai, base_url: "http://%s/v1", api_key: {env: UPSTREAM_KEY}, on_disconnect: cancel}
models:
  - name: ` + modelName + `
    deployments: [{upstream: bench, model: ` + modelName + `}]
    prices: [{from: 2026-01-01, input_per_million: "0.15", cached_input_per_million: "0.075", output_per_million: "0.60"}]
`

// hub is llmhub, running with authentication and durable metering, with a key, and one with limits that are never reached.
type hub struct {
	*process
	binary, addr, key, limitedKey string
	file, log                     string
	secrets                       []string // what its configuration takes from the environment, beyond env
}

// farLimits are the limits of the second key and of its subscription.
var farLimits = []string{"--requests-per-minute", "1000000000", "--input-tokens-per-minute", "1000000000000",
	"--output-tokens-per-minute", "1000000000000", "--monthly-tokens", "1000000000000"}

// build returns the llmhub binary to measure.
func build(ctx context.Context, o options, dir string) (string, error) {
	if o.llmhub != "" {
		return filepath.Abs(o.llmhub)
	}
	built, path := filepath.Join(dir, "llmhub-built"), filepath.Join(dir, "llmhub")
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", built, "llmhub/cmd/llmhub")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build llmhub: %w\n%s", err, out)
	}
	return path, install(built, path)
}

// install copies a binary, as it is where it is used. Of one that the linker has just written, the kernel maps much more
// than is touched, which counts as resident: 40 MB in place of 7.
func install(built, path string) error {
	from, err := os.Open(built)
	if err != nil {
		return err
	}
	defer from.Close()
	to, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o700)
	if err != nil {
		return err
	}
	_, err = io.Copy(to, from)
	return errors.Join(err, to.Close())
}

// newHub writes the configuration of a process, which has its data where the section store says.
func newHub(binary, dir, name, store, upstream string, secrets ...string) (*hub, error) {
	h := &hub{binary: binary, file: filepath.Join(dir, name+".yaml"), log: filepath.Join(dir, name+".log"), secrets: secrets}
	var err error
	if h.addr, err = freeAddr(); err != nil {
		return nil, err
	}
	return h, os.WriteFile(h.file, fmt.Appendf(nil, hubConfig, h.addr, store, upstream), 0o600)
}

// start starts the process and waits until it serves.
func (h *hub) start(ctx context.Context) error {
	cmd := exec.Command(h.binary, "serve", "--config", h.file)
	cmd.Env = h.env()
	var err error
	if h.process, err = startProcess(cmd, h.log, false); err != nil {
		return err
	}
	if err := h.waitFor(ctx, "http://"+h.addr+"/readyz"); err != nil {
		h.stop()
		return err
	}
	return nil
}

// startHub starts llmhub and makes a tenant, a subscription and a key through its command line.
func startHub(ctx context.Context, o options, dir, upstream string) (*hub, error) {
	binary, err := build(ctx, o, dir)
	if err != nil {
		return nil, err
	}
	h, err := newHub(binary, dir, "llmhub", "data: "+filepath.Join(dir, "data"), upstream)
	if err != nil {
		return nil, err
	}
	if err := h.start(ctx); err != nil {
		return nil, err
	}
	if err := h.setUp(ctx); err != nil {
		h.stop()
		return nil, err
	}
	return h, nil
}

func (h *hub) setUp(ctx context.Context) error {
	tenant, err := h.command(ctx, "tenant", "create", "--name", "bench")
	if err != nil {
		return err
	}
	for _, k := range []struct {
		key    *string
		name   string
		limits []string
	}{{&h.key, "free", nil}, {&h.limitedKey, "limited", farLimits}} {
		subscription, err := h.command(ctx, "subscription", "create", "--tenant", tenant, "--product", "llm-hub")
		if err != nil {
			return err
		}
		if len(k.limits) > 0 {
			if _, err := h.command(ctx, append([]string{"subscription", "limits", subscription}, k.limits...)...); err != nil {
				return err
			}
		}
		*k.key, err = h.command(ctx, append([]string{"key", "create", "--subscription", subscription, "--name", k.name}, k.limits...)...)
		if err != nil {
			return err
		}
	}
	return nil
}

func (h *hub) env() []string {
	own := []string{"LLMHUB_ADMIN_TOKEN=" + adminToken, "UPSTREAM_KEY=" + upstreamKey, "LLMHUB_SERVER=http://" + h.addr}
	return slices.Concat(os.Environ(), own, h.secrets)
}

// command runs llmhub's command line and returns what it prints.
func (h *hub) command(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, h.binary, args...)
	cmd.Env = h.env()
	var log bytes.Buffer
	cmd.Stderr = &log
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("llmhub %s: %w: %s", strings.Join(args[:2], " "), err, log.String())
	}
	return strings.TrimSpace(string(out)), nil
}

// ledger is what llmhub has recorded in all.
type ledger struct {
	Requests  int64 `json:"requests"`
	Input     int64 `json:"input_tokens"`
	Cached    int64 `json:"cached_input_tokens"`
	Output    int64 `json:"output_tokens"`
	Reasoning int64 `json:"reasoning_tokens"`
	Estimated int64 `json:"estimated_tokens"`
}

// recorded asks llmhub for the sums of its ledger.
func (h *hub) recorded(ctx context.Context) (ledger, error) {
	text, err := h.command(ctx, "usage", "--by", "", "--json")
	if err != nil {
		return ledger{}, err
	}
	var list struct{ Data []ledger }
	if err := json.Unmarshal([]byte(text), &list); err != nil {
		return ledger{}, fmt.Errorf("usage: %w", err)
	}
	if len(list.Data) == 0 {
		return ledger{}, fmt.Errorf("usage has no rows: %s", text)
	}
	return list.Data[len(list.Data)-1], nil
}

// compare says whether the ledger has exactly what the model server handed out.
func compare(l ledger, c proxytest.Counts) error {
	want := ledger{Requests: c.Finished, Input: c.FinishedUsage.Prompt, Cached: c.FinishedUsage.Cached,
		Output: c.FinishedUsage.Output, Reasoning: c.FinishedUsage.Reasoning}
	if l != want || c.Requests != c.Finished || c.HandedOut != c.FinishedUsage {
		return fmt.Errorf("the ledger has %+v, the model server %+v", l, c)
	}
	return nil
}
