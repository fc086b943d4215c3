package main

import (
	"bytes"
	"testing"
	"time"

	"github.com/spf13/cobra"
)

func testEnvironment() *environment {
	none := func(string) (string, bool) { return "", false }
	return &environment{lookup: none, stdout: new(bytes.Buffer), stderr: new(bytes.Buffer), now: time.Now}
}

// TestEveryCommandExplainsItself makes forgetting a text, an example or --json fail.
func TestEveryCommandExplainsItself(t *testing.T) {
	seen := 0
	var check func(*cobra.Command)
	check = func(cmd *cobra.Command) {
		for _, sub := range cmd.Commands() {
			check(sub)
		}
		if cmd.Short == "" {
			t.Errorf("%s: no short text", cmd.CommandPath())
		}
		if cmd.HasSubCommands() || cmd.Hidden { // a hidden one is for programs
			return
		}
		seen++
		if cmd.Example == "" {
			t.Errorf("%s: no example", cmd.CommandPath())
		}
		if cmd.Name() != "serve" && cmd.Name() != "demo" && cmd.Flags().Lookup("json") == nil {
			t.Errorf("%s: no --json", cmd.CommandPath())
		}
	}
	check(newRootCommand(testEnvironment()))
	if seen < 35 {
		t.Errorf("only %d commands seen", seen)
	}
}

func TestThousands(t *testing.T) {
	for in, want := range map[string]string{
		"0": "0", "999": "999", "1000": "1,000", "1234567": "1,234,567", "-1234.5678": "-1,234.5678", "0.00012345": "0.00012345",
		"100000000000.5": "100,000,000,000.5",
	} {
		if got := thousands(in); got != want {
			t.Errorf("thousands(%s) = %s, want %s", in, got, want)
		}
	}
}

func TestTableIsAlignedAndCannotSteerTheTerminal(t *testing.T) {
	var out bytes.Buffer
	err := printTable(&out, []column{{title: "NAME"}, {title: "N", right: true}, {title: "END"}},
		[][]string{{"Zoë", "1", ""}, {"a\x1b[31mb\nc", "1,000", "x"}})
	if err != nil {
		t.Fatal(err)
	}
	want := "NAME           N  END\nZoë            1\na\uFFFD[31mb\uFFFDc  1,000  x\n"
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
}

func TestExpiry(t *testing.T) {
	now := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	for in, want := range map[string]time.Time{
		"2027-01-01T00:00:00+01:00": time.Date(2026, 12, 31, 23, 0, 0, 0, time.UTC),
		"30d":                       time.Date(2026, 12, 30, 12, 0, 0, 0, time.UTC),
		"12h30m":                    time.Date(2026, 12, 1, 0, 30, 0, 0, time.UTC),
	} {
		got, err := parseExpiry(in, now)
		if err != nil || !got.Equal(want) {
			t.Errorf("%s: %v %v, want %v", in, got, err, want)
		}
	}
	for _, in := range []string{"2027-01-01", "d", "0d", "-3d", "0s", "soon", "99999999d"} {
		if got, err := parseExpiry(in, now); err == nil {
			t.Errorf("%s is taken as %v", in, got)
		}
	}
}
