package main

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"llmhub/proxy/proxytest"
)

// entry is a ledger entry as the management API shows it.
type entry struct {
	RequestID  string `json:"request_id"`
	Provenance string `json:"provenance"`
	Recovered  bool   `json:"recovered"`
	Input      int64  `json:"input_tokens"`
	Cached     int64  `json:"cached_input_tokens"`
	Output     int64  `json:"output_tokens"`
	Reasoning  int64  `json:"reasoning_tokens"`
	Estimated  int64  `json:"estimated_tokens"`
}

func (e *entry) usage() proxytest.Usage {
	return proxytest.Usage{Prompt: e.Input, Cached: e.Cached, Output: e.Output, Reasoning: e.Reasoning}
}

// reported says whether the entry claims to be what the provider said.
func (e *entry) reported() bool { return e.Provenance == "upstream" || e.Provenance == "drained" }

// outcome is what became of everything that the clients have seen.
type outcome struct {
	requests   int // that clients have sent
	finished   int // that a client saw finished
	replayed   int // of these, answers of a request before, under its Idempotency-Key
	begun      int // streams of which a client saw content, and that a kill cut
	recovered  int // entries settled from marks
	partial    int // entries of answers broken off, recovered ones included
	entries    int
	lost       int // finished, without an entry or with another usage
	begunLost  int // begun, without an entry
	doubled    int // entries of a request that has another one
	violations []string
}

func (o *outcome) fault(format string, args ...any) {
	if len(o.violations) < 50 {
		o.violations = append(o.violations, fmt.Sprintf(format, args...))
	}
}

func (o *outcome) String() string {
	return fmt.Sprintf("requests %d, finished %d (%d of them again), begun and cut %d; entries %d, of them partial %d, recovered %d; lost %d, begun lost %d, doubled %d",
		o.requests, o.finished, o.replayed, o.begun, o.entries, o.partial, o.recovered, o.lost, o.begunLost, o.doubled)
}

// operator asks a running server about its ledger, by command line and management API.
type operator struct {
	t          *testing.T
	url, token string
}

// cli runs a command line, which must succeed, and returns its output.
func (p *operator) cli(args ...string) string {
	p.t.Helper()
	code, stdout, stderr := command(p.t, p.url, p.token, args...)
	if code != exitOK {
		p.t.Fatalf("%v: exit code %d: %s", args, code, stderr)
	}
	return strings.TrimSpace(stdout)
}

// check compares the ledger with what the clients saw and with what the provider handed out. The server must be
// running and the provider idle.
func (p *operator) check(keys []*loadKey, sights []*sight, totals proxytest.Totals) *outcome {
	o := &outcome{requests: len(sights)}
	seen := map[string]*sight{}
	finished := map[string]proxytest.Usage{}
	counted := map[string]bool{} // in finished: an answer that several have seen was handed out once
	for _, s := range sights {
		if s.id != "" {
			if other := seen[s.id]; other != nil && !other.replayed && !s.replayed {
				o.fault("two requests have the ID %s", s.id)
			}
			if seen[s.id] == nil || !s.replayed {
				seen[s.id] = s
			}
		}
		if s.finished {
			o.finished++
			if s.replayed {
				o.replayed++
			}
			if !counted[s.id] {
				counted[s.id] = true
				finished[s.key.name] = plus(finished[s.key.name], s.plan.usage())
			}
		}
	}
	byID := map[string]*entry{}
	sums := p.sums()
	for _, k := range keys {
		entries := p.entries(k.id)
		sum, asked := proxytest.Usage{}, int64(0)
		for i := range entries {
			e := &entries[i]
			sum = plus(sum, e.usage())
			// A request may be killed between its mark and the model server.
			if !e.Recovered || e.usage() != (proxytest.Usage{}) {
				asked++
			}
			if byID[e.RequestID] != nil {
				o.doubled++
				o.fault("request %s has two entries", e.RequestID)
			}
			byID[e.RequestID] = e
			o.count(e, k, seen[e.RequestID])
		}
		o.entries += len(entries)
		given := totals.ByUser[k.name]
		if !within(finished[k.name], sum) || !within(sum, given.HandedOut) || asked > given.Requests {
			o.fault("key %s: clients saw finished %+v, the ledger has %+v in %d entries, the provider handed out %+v to %d requests",
				k.name, finished[k.name], sum, len(entries), given.HandedOut, given.Requests)
		}
		row := sums[k.id]
		if got := (proxytest.Usage{Prompt: row.InputTokens, Cached: row.CachedInputTokens, Output: row.OutputTokens, Reasoning: row.ReasoningTokens}); got != sum || row.Requests != int64(len(entries)) {
			o.fault("key %s: sums say %+v in %d requests, its entries %+v in %d", k.name, got, row.Requests, sum, len(entries))
		}
	}
	for _, s := range sights {
		o.judge(s, byID[s.id])
	}
	return o
}

// count notes an entry and checks it by itself.
func (o *outcome) count(e *entry, k *loadKey, s *sight) {
	switch {
	case e.Recovered:
		o.recovered++
		o.partial++
		if e.Provenance != "partial" || e.Estimated != e.Input+e.Output {
			o.fault("recovered entry %+v is not labelled as an estimate", *e)
		}
	case e.Provenance == "partial":
		o.partial++
	case !e.reported():
		o.fault("entry %+v: the provider has reported usage", *e)
	}
	if s == nil {
		return
	}
	if s.key != k {
		o.fault("request %s of key %s is in the ledger of %s", e.RequestID, s.key.name, k.name)
	}
	if s.refused {
		o.fault("request %s was refused and is in the ledger", e.RequestID)
	}
	if want := s.plan.usage(); !within(e.usage(), want) || e.reported() && e.usage() != want {
		o.fault("entry %+v, want %+v (%s)", *e, want, s.plan.summary())
	}
}

// judge looks for the entry of what a client saw.
func (o *outcome) judge(s *sight, e *entry) {
	switch {
	case s.finished:
		if e == nil || !e.reported() || e.usage() != s.plan.usage() {
			o.lost++
			o.fault("lost: a client saw %s of key %s finished, with %+v; its entry is %+v", s.id, s.key.name, s.plan.usage(), e)
		}
	case s.cut():
		o.begun++
		fallthrough
	case s.content > 0:
		// Entries are no less than what a mark says that is written before the first content leaves.
		if e == nil || e.Output < 1 {
			o.begunLost++
			o.fault("begun lost: a client saw %d events of %s of key %s; its entry is %+v", s.content, s.id, s.key.name, e)
		}
	}
}

func plus(a, b proxytest.Usage) proxytest.Usage {
	return proxytest.Usage{Prompt: a.Prompt + b.Prompt, Cached: a.Cached + b.Cached, Output: a.Output + b.Output, Reasoning: a.Reasoning + b.Reasoning}
}

// within says whether no count of a is more than that of b.
func within(a, b proxytest.Usage) bool {
	return a.Prompt <= b.Prompt && a.Cached <= b.Cached && a.Output <= b.Output && a.Reasoning <= b.Reasoning
}

// sums asks for the usage by key.
func (p *operator) sums() map[string]usageRow {
	p.t.Helper()
	day := func(n int) string { return time.Now().AddDate(0, 0, n).Format(time.DateOnly) }
	var answer usageAnswer
	text := p.cli("usage", "--json", "--by", "key", "--from", day(-2), "--to", day(2))
	if err := json.Unmarshal([]byte(text), &answer); err != nil {
		p.t.Fatal(err)
	}
	rows := map[string]usageRow{}
	for _, r := range answer.Data {
		rows[r.KeyID] = r
	}
	return rows
}

// entries reads all single requests of a key.
func (p *operator) entries(key string) []entry {
	p.t.Helper()
	api := &apiFlags{server: p.url, token: p.token, env: &environment{lookup: func(string) (string, bool) { return "", false }}}
	c, err := api.client()
	if err != nil {
		p.t.Fatal(err)
	}
	var all []entry
	for cursor := ""; ; {
		query := url.Values{"limit": {listPageElements}}
		if cursor != "" {
			query.Set("cursor", cursor)
		}
		text, err := c.get(p.t.Context(), "/keys/"+key+"/events", query)
		var page struct {
			Data []entry
			Next string
		}
		if err == nil {
			err = json.Unmarshal(text, &page)
		}
		if err != nil {
			p.t.Fatal(err)
		}
		all = append(all, page.Data...)
		if cursor = page.Next; cursor == "" {
			return all
		}
	}
}

// verify has the data folder of the stopped server read as a whole.
func (d *daemon) verify() {
	d.t.Helper()
	code, stdout, stderr := command(d.t, "", testToken, "ledger", "verify", "--config", d.config)
	if code != exitOK || !strings.Contains(stdout, "ok") {
		d.t.Errorf("ledger verify: exit code %d\n%s%s", code, stdout, stderr)
	}
}
