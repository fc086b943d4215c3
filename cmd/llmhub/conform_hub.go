package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"

	"llmhub/config"
	"llmhub/proxy/proxytest"
)

// conformConfig returns the configuration of an llmhub that has the model server at providerURL for its model server: once
// for each way in which an upstream can be set up that the cases ask for.
func conformConfig(listen, data, providerURL string, cases []proxytest.Case) string {
	var b strings.Builder
	fmt.Fprintf(&b, `# For llmhub conform: three upstreams that are one scripted model server, and a model for each case.
listen: %s
data: %q
free_space_floor: 0B
admin:
  token: {env: %s}
stream:
  heartbeat: 1s
upstreams:
  - {name: cancel, base_url: %[4]s}
  - {name: drain, base_url: %[4]s, on_disconnect: drain}
  - {name: impatient, base_url: %[4]s, first_byte_timeout: 300ms, idle_timeout: 300ms}
models:
`, listen, data, tokenVariable, providerURL)
	for _, c := range cases {
		upstream := "cancel"
		switch {
		case c.Drain:
			upstream = "drain"
		case c.ShortIdle:
			upstream = "impatient"
		}
		fmt.Fprintf(&b, "  - {name: %s, deployments: [{upstream: %s}]}\n", c.Model, upstream)
	}
	return b.String()
}

// onPrivateHub plays the cases against an llmhub of its own, in a folder that is removed at the end.
func (f *conformFlags) onPrivateHub(ctx context.Context, env *environment, provider *proxytest.Provider, cases []proxytest.Case) (err error) {
	dir, err := os.MkdirTemp("", "llmhub-conform-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer ln.Close()
	f.token, f.usage, f.target = rand.Text(), auditEvents, "http://"+ln.Addr().String()+"/v1"
	path := filepath.Join(dir, "llmhub.yaml")
	text := conformConfig(ln.Addr().String(), filepath.Join(dir, "data"), provider.URL(), cases)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		return err
	}
	cfg, err := config.LoadEnv(path, func(name string) (string, bool) { return f.token, name == tokenVariable })
	if err != nil {
		return err
	}
	// What the model server is made to do is no news to anybody.
	hub, stop := context.WithCancel(context.Background())
	defer stop()
	s, err := newServer(hub, cfg, newLogger(env.stderr, slog.LevelError+1))
	if err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- s.run(hub, ln) }()
	err = f.play(ctx, env, provider, cases)
	stop()
	return errors.Join(err, <-ended)
}
