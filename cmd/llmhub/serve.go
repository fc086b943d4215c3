package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"llmhub/config"
	"llmhub/store"
)

func newServeCommand(env *environment) *cobra.Command {
	var path string
	cmd := &cobra.Command{
		Use:   "serve --config FILE",
		Short: "Run the gateway",
		Long: `Run the gateway, its management API and its ledger on one port.

SIGHUP reads the file again and puts upstreams, models and prices in force without
dropping a stream; a faulty file changes nothing. SIGTERM and SIGINT refuse new requests,
let those under way finish within shutdown.grace, and stop.`,
		Example: `  llmhub config check --config llmhub.yaml
  llmhub serve --config llmhub.yaml`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if path == "" {
				return usagef("serve needs --config FILE")
			}
			return serve(cmd.Context(), env, path)
		},
	}
	cmd.Flags().StringVar(&path, "config", "", "configuration file")
	return cmd
}

// serve runs the configuration in the file until ctx ends.
func serve(ctx context.Context, env *environment, path string) error {
	cfg, err := config.LoadEnv(path, env.lookup)
	if err != nil {
		return err
	}
	log := newLogger(env.stderr, cfg.Log.Level)
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	s, err := newServer(ctx, cfg, log)
	if err != nil {
		return explainStart(err)
	}
	ln, err := net.Listen("tcp", cfg.Listen)
	if err != nil {
		return errors.Join(err, s.close())
	}
	reloading, stop := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.reloadOn(reloading, hangup, path, env)
	}()
	err = s.run(ctx, ln)
	stop()
	<-done
	return err
}

// explainStart adds advice to an error that keeps the store from opening.
func explainStart(err error) error {
	if errors.Is(err, store.ErrDamaged) {
		return &hintedError{err, "nothing was changed; run llmhub ledger verify for details, and restore the data folder from a backup"}
	}
	return err
}

// reloadOn reads the configuration again for each signal, until ctx ends.
func (s *server) reloadOn(ctx context.Context, signals <-chan os.Signal, path string, env *environment) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-signals:
		}
		cfg, err := config.LoadEnv(path, env.lookup)
		if err == nil {
			err = s.reload(cfg)
		}
		if err != nil {
			s.log.Error("configuration not reloaded; the old one stays in force", "err", err.Error())
		}
	}
}

func newLogger(w io.Writer, level slog.Level) *slog.Logger {
	return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level}))
}
