package main

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// TestReplicasAreMeasured runs the short form with real processes on a real database; it fails where a ledger is wrong.
func TestReplicasAreMeasured(t *testing.T) {
	var out, log bytes.Buffer
	args := []string{"replicas", "--quick", "--duration", "200ms", "--dir", t.TempDir()}
	if err := run(t.Context(), args, nil, &out, &log); err != nil {
		t.Fatalf("%v\n%s\n%s", err, out.String(), log.String())
	}
	for _, want := range []string{"| whole answers | 64 | data folder |", "| streams of 100 events | 1 | direct |",
		"| streams of 100 events | 64 | 3 replicas |", "Each ledger equals", "- 3 replicas: "} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the report lacks %q:\n%s", want, out.String())
		}
	}
	for _, line := range strings.Split(out.String(), "\n") {
		// Columns 5 and 6 are the processor time of llmhub and of the database.
		if f := strings.Split(line, " | "); len(f) == 10 && strings.Contains(f[2], "replica") && (f[4] == "0.0" || f[5] == "0.0") {
			t.Errorf("no processor time: %s", line)
		}
	}
}

func TestBadArgumentsOfReplicas(t *testing.T) {
	for _, args := range [][]string{{"--rounds", "-1"}, {"--duration", "-1s"}, {"more"}} {
		if err := runReplicas(t.Context(), args, io.Discard, io.Discard); err == nil {
			t.Errorf("%q is accepted", args)
		}
	}
}

func TestClientsAreSpreadOverReplicas(t *testing.T) {
	j := job{Addr: "a", Replicas: []string{"a", "b", "c"}}
	for client, want := range []string{"a", "b", "c", "a"} {
		if got := j.addr(client); got != want {
			t.Errorf("client %d uses %s, want %s", client, got, want)
		}
	}
	j.Replicas = nil
	if got := j.addr(1); got != "a" {
		t.Errorf("without replicas a client uses %s", got)
	}
}

// TestTimeOfEndedChildrenCounts has a child that works for a while and ends.
func TestTimeOfEndedChildrenCounts(t *testing.T) {
	before, err := postgresTime(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	ended, err := endedTime(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if err := exec.Command("sh", "-c", "i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done").Run(); err != nil {
		t.Fatal(err)
	}
	endedAfter, err := endedTime(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	after, err := postgresTime(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if child := endedAfter - ended; child < 10*time.Millisecond || after-before < child {
		t.Errorf("the child took %v, the sum grew by %v", child, after-before)
	}
}
