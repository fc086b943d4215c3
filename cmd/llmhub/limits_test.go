package main

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"llmhub/proxy/proxytest"
)

// TestLimitsByCommand sets limits as an administrator does at a terminal, and sees what has been used of them.
func TestLimitsByCommand(t *testing.T) {
	h := startHub(t, []string{"m", "other"}, nil)
	does := func(want int, args ...string) (stdout, stderr string) {
		t.Helper()
		code, stdout, stderr := command(t, h.url, "test-admin-token", args...)
		if code != want {
			t.Errorf("%v: exit code %d\n%s%s", args, code, stdout, stderr)
		}
		return stdout, stderr
	}
	shows := func(stdout string, lines ...string) {
		t.Helper()
		var got []string
		for line := range strings.Lines(stdout) {
			got = append(got, strings.Join(strings.Fields(line), " "))
		}
		if strings.Join(got, "\n") != strings.Join(lines, "\n") {
			t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(lines, "\n"))
		}
	}
	const head = "FOR LIMIT VALUE USED RESERVED RENEWS (UTC) DRY RUN"
	key, stderr := does(exitOK, "key", "create", "--subscription", h.sub.ID, "--name", "k", "--monthly-tokens", "50000", "--requests-per-minute", "60", "--dry-run-limits")
	_, id, _ := strings.Cut(stderr, "(")
	id, _, _ = strings.Cut(id, ")")
	h.provider.Script("m", proxytest.Script{Words: 10})
	resp, err := h.client().Do(h.request(t.Context(), strings.TrimSpace(key), "/v1/chat/completions", strings.NewReader(`{"model":"m","messages":[{"role":"user","content":"x"}]}`)))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, resp.Body); err != nil || resp.StatusCode != http.StatusOK {
		t.Fatal(resp.StatusCode, err)
	}
	resp.Body.Close()
	used := count(h.settledEvents(id, 1)[0].Tokens.Total())
	stdout, _ := does(exitOK, "key", "limits", id)
	renews := ""
	if i := strings.Index(stdout, "20"); i >= 0 {
		renews = stdout[i : i+len("2026-12-01 00:00")]
	}
	shows(stdout, head, "key requests a minute 60 - - - yes", "key tokens a month 50,000 "+used+" 0 "+renews+" yes")
	stdout, _ = does(exitOK, "key", "limits", id, "--requests-per-minute", "0", "--concurrency", "4", "--dry-run-limits=false")
	shows(stdout, head, "key requests at once 4 - - - no", "key tokens a month 50,000 "+used+" 0 "+renews+" no")
	if stdout, _ = does(exitOK, "key", "limits", id, "--json"); !strings.Contains(stdout, `"monthly_tokens": 50000`) {
		t.Error(stdout)
	}
	stdout, _ = does(exitOK, "key", "limits", id, "--none")
	shows(stdout, "no limits")

	sub := []string{"subscription", "limits", h.sub.ID}
	does(exitOK, append(sub, "--monthly-amount", "25.5")...)
	stdout, _ = does(exitOK, append(sub, "--model", "m", "--output-tokens-per-minute", "1000")...)
	shows(stdout, head, "m output tokens a minute 1,000 - - - no")
	stdout, _ = does(exitOK, sub...)
	shows(stdout, head, "all models EUR a month 25.50 0.00 0.00 "+renews+" no", "m output tokens a minute 1,000 - - - no")
	stdout, _ = does(exitOK, append(sub, "--model", "m", "--none")...)
	shows(stdout, "no limits")

	for want, args := range map[string][]string{
		"monthly_amount: must be an amount such as 25.00": append(sub, "--monthly-amount", "1e9"),
		"must be a whole number from 1 to 1000000000000":  {"key", "limits", id, "--concurrency", "-1"},
	} {
		if _, stderr := does(exitFailed, args...); !strings.Contains(stderr, want) {
			t.Errorf("%v: %s", args, stderr)
		}
	}
	does(exitNotFound, "key", "limits", "key_none")
	does(exitNotFound, "subscription", "limits", "sub_none", "--none")
}
