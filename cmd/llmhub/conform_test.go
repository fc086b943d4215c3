package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"llmhub/config"
	"llmhub/proxy/conform"
	"llmhub/proxy/proxytest"
)

// TestConform plays all cases against a private llmhub, as somebody at a terminal would: the score is all of them.
func TestConform(t *testing.T) {
	var stdout, stderr bytes.Buffer
	none := func(string) (string, bool) { return "", false }
	code := run(t.Context(), []string{"conform", "--json"}, none, nil, &stdout, &stderr)
	var got score
	if err := json.Unmarshal(stdout.Bytes(), &got); err != nil {
		t.Fatalf("%v; %s%s", err, &stdout, &stderr)
	}
	for _, r := range got.Results {
		if r.Outcome != conform.Passed || !r.Audited {
			t.Errorf("%s: %s: %s", r.Case, r.Outcome, r.Reason)
		}
	}
	if all := len(proxytest.Pathologies()); code != exitOK || got.Passed != all || got.All != all || got.Audited != all {
		t.Errorf("exit code %d, %d of %d passed, %d audited; %s", code, got.Passed, all, got.Audited, &stderr)
	}
}

// rewrite is what a gateway does to answers that it should not do: it is given the whole body.
type rewrite func(body []byte) []byte

// gatewayBefore returns a gateway in front of the hub. With a rewrite it reads answers whole; without it is faithful.
func gatewayBefore(t *testing.T, h *hub, change rewrite) string {
	t.Helper()
	to, err := url.Parse(h.url)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{DisableCompression: true}
	t.Cleanup(transport.CloseIdleConnections)
	p := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(to)
		// Whole, as the server closes the body of a request once its answer has begun, which would be an error of sending it.
		body, _ := io.ReadAll(r.In.Body)
		r.Out.Body = io.NopCloser(bytes.NewReader(body))
	}, FlushInterval: -1, Transport: transport,
		ModifyResponse: func(r *http.Response) error {
			if change == nil || !strings.HasPrefix(r.Request.URL.Path, "/v1/") || r.StatusCode != http.StatusOK {
				return nil
			}
			body, _ := io.ReadAll(r.Body) // what came before a cut is the answer of such a gateway
			body = change(body)
			r.Body.Close()
			r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
			r.Header.Set("Content-Length", strconv.Itoa(len(body)))
			return nil
		}}
	p.ErrorLog = log.New(io.Discard, "", 0)
	s := httptest.NewServer(p)
	t.Cleanup(s.Close)
	return s.URL
}

// conformHubWith starts a hub with a model for each case.
func conformHubWith(t *testing.T, cases []proxytest.Case) *hub {
	return startHub(t, nil, func(cfg *config.Config) {
		cfg.Models = caseModels(cases)
		for name, upstream := range map[string]string{"any": "cancel", "any-drain": "drain", "any-impatient": "impatient"} {
			cfg.Models = append(cfg.Models, model(name, upstream))
		}
	})
}

// playOn plays cases against an address and returns what failed and what is said of it.
func playOn(t *testing.T, h *hub, f conformFlags, cases []proxytest.Case) (failed []string, out string) {
	t.Helper()
	var stdout bytes.Buffer
	env := &environment{lookup: func(string) (string, bool) { return "", false }, stdout: &stdout, stderr: io.Discard, now: time.Now}
	f.timeout = 6 * time.Second
	if err := f.check(env); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithTimeout(t.Context(), 2*time.Minute)
	defer stop()
	err := f.play(ctx, env, h.provider, cases)
	for line := range strings.Lines(stdout.String()) {
		if name, ok := strings.CutPrefix(line, "✗ "); ok {
			name, _, _ = strings.Cut(name, " ")
			failed = append(failed, name)
		}
	}
	if (err != nil) != (len(failed) > 0) {
		t.Errorf("error %v, failed %v", err, failed)
	}
	return failed, stdout.String()
}

// TestConformCanFail puts gateways in front of the hub that do what bad ones do. A faithful one keeps the whole score.
func TestConformCanFail(t *testing.T) {
	var cases []proxytest.Case
	for _, c := range proxytest.Pathologies() {
		if strings.HasSuffix(c.Path, "completions") {
			cases = append(cases, c)
		}
	}
	h := conformHubWith(t, cases)
	for _, g := range []struct {
		name   string
		change rewrite
		// fails are cases that must fail, among others.
		fails []string
	}{
		{"faithful", nil, nil},
		{"reads answers whole", func(b []byte) []byte { return b }, []string{"leave-midstream-cancel", "revoked-midstream"}},
		{"loses a byte", func(b []byte) []byte { return b[:max(0, len(b)-1)] }, []string{"whole", "usage-asked", "split-1"}},
		{"makes up [DONE]", func(b []byte) []byte {
			if bytes.HasPrefix(b, []byte("data:")) && !bytes.HasSuffix(b, []byte("[DONE]\n\n")) {
				b = append(b, "data: [DONE]\n\n"...)
			}
			return b
		}, []string{"cut-between", "cut-mid-event", "done-missing", "error-event"}},
		{"hides usage", func(b []byte) []byte { return bytes.ReplaceAll(b, []byte(`"usage":`), []byte(`"used":`)) },
			[]string{"usage-asked", "usage-in-finish-asked", "whole"}},
	} {
		t.Run(g.name, func(t *testing.T) {
			f := conformFlags{target: gatewayBefore(t, h, g.change), token: "test-admin-token"}
			failed, out := playOn(t, h, f, cases)
			if g.fails == nil && len(failed) > 0 {
				t.Errorf("a faithful gateway fails:\n%s", out)
			}
			for _, name := range g.fails {
				if !strings.Contains(" "+strings.Join(failed, " ")+" ", " "+name+" ") {
					t.Errorf("%s does not fail", name)
				}
			}
			if g.fails != nil && strings.Contains(out, "score "+strconv.Itoa(len(cases))+"/") {
				t.Error("the score is full")
			}
		})
	}
}

// TestConformFindsWrongRecords gives the kit a ledger that counts wrong.
func TestConformFindsWrongRecords(t *testing.T) {
	var cases []proxytest.Case
	for _, c := range proxytest.Pathologies() {
		if c.Name == "whole" || c.Name == "status-400" {
			cases = append(cases, c)
		}
	}
	for name, wrong := range map[string]conform.Record{
		"an entry too many": {Requests: 2, Usage: cases[0].Want.Least},
		"a token too many":  {Requests: 1, Usage: cases[0].Want.Least.Plus(proxytest.Usage{Output: 1})},
		"estimated":         {Requests: 1, Usage: cases[0].Want.Least, Provenance: "estimated"},
	} {
		t.Run(name, func(t *testing.T) {
			h := conformHubWith(t, cases)
			key, _ := h.key("k")
			ledger := &wrongLedger{Record: wrong}
			r := conform.Runner{BaseURL: h.url + "/v1", Provider: h.provider, Keys: oneKey(key), Ledger: ledger, Timeout: 10 * time.Second}
			if err := r.Run(t.Context(), cases, func(r conform.Result) {
				if r.Outcome != conform.Failed {
					t.Errorf("%s: %s", r.Case, r.Outcome)
				}
			}); err != nil {
				t.Error(err)
			}
		})
	}
}

// wrongLedger says the same whenever it is asked, but for the first time of each case.
type wrongLedger struct {
	conform.Record
	reads int
}

func (l *wrongLedger) Read(context.Context, conform.Key) (conform.Record, error) {
	if l.reads++; l.reads == 1 {
		return conform.Record{}, nil
	}
	r := l.Record
	l.Record.Requests++ // also where no entry is wanted
	return r, nil
}

// TestConformWithOneModelAndKey plays as against a gateway that has one model, one key, and tells its sums.
func TestConformWithOneModelAndKey(t *testing.T) {
	var cases []proxytest.Case
	for _, c := range proxytest.Pathologies() {
		if strings.HasSuffix(c.Path, "completions") && !strings.Contains(c.Name, "usage-rejected") && !strings.HasPrefix(c.Name, "status-") {
			cases = append(cases, c)
		}
	}
	h := conformHubWith(t, nil)
	key, _ := h.key("k")
	f := conformFlags{target: h.url, key: key, usage: auditUsage, models: conform.Models{Any: "any", Drain: "any-drain", Impatient: "any-impatient"}}
	failed, out := playOn(t, h, f, cases)
	if len(failed) > 0 || !strings.Contains(out, "2 skipped") || strings.Contains(out, "not audited") {
		t.Errorf("failed %v; %s", failed, out)
	}
	f.usage, f.models = auditNone, conform.Models{Any: "any"}
	if failed, out := playOn(t, h, f, cases[:20]); len(failed) > 0 || !strings.Contains(out, "not audited") || !strings.Contains(out, "needs a model whose") {
		t.Errorf("failed %v; %s", failed, out)
	}
}

// TestConformConfig reads what --print-config prints.
func TestConformConfig(t *testing.T) {
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"--print-config", "--provider-listen", "127.0.0.1:9100", "--case", "whole"}, exitOK, "- {name: case-whole, deployments: [{upstream: cancel}]}"},
		{[]string{"--print-config"}, exitUsage, "--provider-listen"},
		{[]string{"--list", "--case", "stall"}, exitOK, "/chat/completions"},
		{[]string{"--case", "nothing"}, exitUsage, "--list"},
		{[]string{"--target", "http://127.0.0.1:1"}, exitUsage, "no key"},
		{[]string{"--target", "nowhere", "--key", "k"}, exitUsage, "--target must be"},
		{[]string{"--key", "k"}, exitUsage, "--target"},
		{[]string{"--target", "http://127.0.0.1:1", "--key", "k", "--usage", "events"}, exitUsage, "--admin-token"},
	} {
		var out bytes.Buffer
		none := func(string) (string, bool) { return "", false }
		if code := run(t.Context(), append([]string{"conform"}, c.args...), none, nil, &out, &out); code != c.code || !strings.Contains(out.String(), c.says) {
			t.Errorf("%v: code %d, %s", c.args, code, &out)
		}
	}
}
