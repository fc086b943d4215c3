package main

import (
	"errors"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestMain lets the scripts run this binary as llmhub.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == helmWorker {
		main() // a server within a test starts the program that it is in
	}
	testscript.Main(m, map[string]func(){"llmhub": main})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{Dir: "testdata/script", RequireExplicitExec: true, Cmds: map[string]func(*testscript.TestScript, bool, []string){"wrong": wrong}})
}

// wrong PATTERN COMMAND ... runs a command line that must be refused as wrong usage: exit code 2, a message that matches the
// pattern, a hint, nothing on standard output.
func wrong(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: wrong PATTERN COMMAND ...")
	}
	err := ts.Exec(args[1], args[2:]...)
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != exitUsage {
		ts.Fatalf("%v ends with %v, want exit code %d", args[1:], err, exitUsage)
	}
	stderr := ts.ReadFile("stderr")
	if matched, err := regexp.MatchString(args[0], stderr); err != nil || !matched {
		ts.Fatalf("no %q in %q", args[0], stderr)
	}
	if !strings.Contains(stderr, "\nhint: ") {
		ts.Fatalf("no hint in %q", stderr)
	}
	if out := ts.ReadFile("stdout"); out != "" {
		ts.Fatalf("unexpected output %q", out)
	}
}
