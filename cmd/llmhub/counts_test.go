package main

import (
	"runtime"
	"strings"
	"testing"
	"time"

	"llmhub/proxy/proxytest"
	"llmhub/store"
)

// account is a key with the name under which the provider counts what is asked with it.
type account struct {
	h               *hub
	text, id, user  string
	alreadyRecorded int
}

// account makes a key whose requests must carry the given user member.
func (h *hub) account(user string) *account {
	h.t.Helper()
	text, id := h.key(user)
	return &account{h: h, text: text, id: id, user: user}
}

// settled waits for n more entries and returns them, newest first. There may be no others.
func (a *account) settled(t *testing.T, n int) []store.Event {
	t.Helper()
	a.h.idle()
	a.alreadyRecorded += n
	events := a.h.settledEvents(a.id, a.alreadyRecorded)
	if len(events) != a.alreadyRecorded {
		t.Fatalf("%d entries in the ledger, want %d", len(events), a.alreadyRecorded)
	}
	return events[:n]
}

// wantExact insists on n more entries, and that all of the account's have the provider's own figures to the token.
func (a *account) wantExact(t *testing.T, n int) {
	t.Helper()
	for _, e := range a.settled(t, n) {
		if e.Provenance != store.FromUpstream || e.Tokens.Estimated != 0 {
			t.Errorf("entry %+v does not come from the provider", e)
		}
	}
	var ledger proxytest.Usage
	for _, e := range a.h.settledEvents(a.id, a.alreadyRecorded) {
		u := usageOf(e)
		ledger.Prompt, ledger.Cached = ledger.Prompt+u.Prompt, ledger.Cached+u.Cached
		ledger.Output, ledger.Reasoning = ledger.Output+u.Output, ledger.Reasoning+u.Reasoning
	}
	counts := a.h.provider.Totals().ByUser[a.user]
	if ledger != counts.FinishedUsage {
		t.Errorf("the ledger has %+v, the provider counted %+v", ledger, counts.FinishedUsage)
	}
	if counts.Finished != int64(a.alreadyRecorded) {
		t.Errorf("the provider finished %d answers, the ledger has %d", counts.Finished, a.alreadyRecorded)
	}
	if n > 0 && ledger.Prompt == 0 {
		t.Error("nothing was counted")
	}
}

// wantPartial insists on one entry with just the output that was delivered.
func wantPartial(t *testing.T, a *account, output int64) {
	t.Helper()
	e := a.settled(t, 1)[0]
	if e.Provenance != store.FromPartial || e.Tokens.Output != output || e.Tokens.Input == 0 || e.Tokens.Estimated != e.Tokens.Total() {
		t.Errorf("entry %+v, want %d output tokens, partial and estimated", e, output)
	}
	if handed := a.h.provider.Totals().ByUser[a.user].HandedOut.Output; handed != output {
		t.Errorf("the provider handed out %d", handed)
	}
}

// wantNothing insists that nothing has been recorded and the provider has not been asked.
func (a *account) wantNothing(t *testing.T) {
	t.Helper()
	a.settled(t, 0)
	if n := a.h.provider.Totals().ByUser[a.user].Requests; n != 0 {
		t.Errorf("%d requests reached the provider", n)
	}
}

// shutDown stops the hub and its provider, and insists that none of their goroutines is left.
func (h *hub) shutDown(t *testing.T) {
	t.Helper()
	h.idle()
	h.stop()
	if err := <-h.stopped; err != nil {
		t.Errorf("hub stopped with %v", err)
	}
	h.stopped <- nil
	if err := h.provider.Close(); err != nil {
		t.Error(err)
	}
	wantNoGoroutines(t)
}

// wantNoGoroutines insists that no goroutine but the tests' own runs code of this module.
func wantNoGoroutines(t *testing.T) {
	t.Helper()
	var left []string
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if left = ownGoroutines(); len(left) == 0 {
			return
		}
	}
	t.Errorf("%d goroutines left:\n%s", len(left), strings.Join(left, "\n\n"))
}

// ownGoroutines returns the stacks of goroutines that run code of this module, but for those of tests.
func ownGoroutines() []string {
	buf := make([]byte, 1<<20)
	for {
		n := runtime.Stack(buf, true)
		if n < len(buf) {
			buf = buf[:n]
			break
		}
		buf = make([]byte, 2*len(buf))
	}
	var own []string
	for _, stack := range strings.Split(string(buf), "\n\n") {
		if strings.Contains(stack, "\nllmhub/") && !strings.Contains(stack, "testing.tRunner(") && !strings.Contains(stack, "\nmain.main()") {
			own = append(own, stack)
		}
	}
	return own
}
