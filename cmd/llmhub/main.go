// Command llmhub is an OpenAI-compatible gateway that counts every token, and the command line to manage it.
//
// main turns signals into a context; run does the rest and can be called by tests. The package wires the others
// together and is the only one that knows which storage engine is in use. Nothing imports it.
package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"
	_ "time/tzdata" // the billing time zone must not depend on what the system has installed
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// A second signal ends the process at once.
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, os.Args[1:], os.LookupEnv, os.Stdin, os.Stdout, os.Stderr))
}

// environment is what commands know of the world outside.
type environment struct {
	lookup func(name string) (string, bool)
	stdin  io.Reader
	stdout io.Writer
	stderr io.Writer
	now    func() time.Time
}

// run executes one command line and returns the exit code.
func run(ctx context.Context, args []string, lookup func(string) (string, bool), stdin io.Reader, stdout, stderr io.Writer) int {
	env := &environment{lookup: lookup, stdin: stdin, stdout: stdout, stderr: stderr, now: time.Now}
	root := newRootCommand(env)
	root.SetArgs(append([]string{}, args...)) // never nil: cobra would take the process's own
	return env.report(root.ExecuteContext(ctx))
}
