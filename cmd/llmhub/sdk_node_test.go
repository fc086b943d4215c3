package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"llmhub/config"
	"llmhub/identity"
	"llmhub/proxy/proxytest"
	"llmhub/subscription"
)

// TestNodeClients runs the vendors' own SDKs for Node against every endpoint, and a receiver of webhooks; the tests themselves are in clients/.
func TestNodeClients(t *testing.T) {
	folder, err := filepath.Abs("../../clients")
	if err != nil {
		t.Fatal(err)
	}
	installNodeModules(t, folder)
	h := startHub(t, []string{"all", "tools", "structured", "cut", "broken", "slow", "idempotent"}, func(cfg *config.Config) {
		cfg.Webhooks.AllowPrivate = true
		u := cfg.Upstreams[0]
		u.Name, u.Kind = "anthropic", config.KindAnthropic
		cfg.Upstreams = append(cfg.Upstreams, u)
		for _, m := range []string{"claude", "claude-tools", "claude-cut"} {
			cfg.Models = append(cfg.Models, model(m, "anthropic"))
		}
		for i := range cfg.Models {
			cfg.Models[i].Idempotent = cfg.Models[i].Name == "idempotent"
		}
	})
	scripts := map[string]proxytest.Script{
		"tools":      {Deltas: proxytest.Call(0, "call_1", "weather", 5, `{"city":`, `"Bonn"}`)},
		"structured": {Deltas: proxytest.Say(`{"answer"`, `:42}`)},
		"cut":        {Cut: proxytest.Cut{At: proxytest.CutBetween, After: 3}},
		"broken":     {Status: 500},
		"slow":       {Words: 400, Pace: 10 * time.Millisecond},
	}
	for name, s := range scripts {
		h.provider.Script(name, s)
		h.provider.Script("claude-"+name, s)
	}
	key, _ := h.key("node")
	env := append(os.Environ(), "LLMHUB_URL="+h.url, "LLMHUB_KEY="+key, "LLMHUB_OTHER_KEY="+h.strangersKey(),
		"LLMHUB_ADMIN_TOKEN=test-admin-token", "LLMHUB_TENANT="+h.sub.TenantID)
	for _, file := range []string{"openai.test.js", "anthropic.test.js", "webhook.test.js"} {
		// One after the other: each test compares what the key has used before and after it.
		cmd := exec.CommandContext(t.Context(), "node", "--test", "--test-reporter=tap", file)
		cmd.Dir, cmd.Env = folder, env
		out, err := cmd.CombinedOutput()
		if err != nil || !bytes.Contains(out, []byte("\n# fail 0\n")) || bytes.Contains(out, []byte("\n# pass 0\n")) {
			t.Errorf("%s: %v\n%s", file, err, failuresOf(out))
		}
		t.Logf("%s: %s", file, out[max(0, bytes.LastIndex(out, []byte("\n# tests"))):])
	}
	h.idle()
	h.eventually("requests left at the provider", func() bool { return h.provider.Active() == 0 })
}

// installNodeModules installs what package-lock.json says, unless it is there.
func installNodeModules(t *testing.T, folder string) {
	t.Helper()
	lock, err := os.Stat(filepath.Join(folder, "package-lock.json"))
	if err != nil {
		t.Fatal(err)
	}
	if done, err := os.Stat(filepath.Join(folder, "node_modules", ".package-lock.json")); err == nil && done.ModTime().After(lock.ModTime()) {
		return
	}
	if _, err := exec.LookPath("npm"); err != nil {
		t.Fatal("the tests of the vendors' SDKs need Node 20 and npm: install the Debian packages nodejs and npm")
	}
	cmd := exec.CommandContext(t.Context(), "npm", "ci", "--silent")
	cmd.Dir = folder
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("npm ci in clients: %v\n%s", err, out)
	}
}

// failuresOf returns the lines of a TAP report from the first failure on.
func failuresOf(report []byte) []byte {
	if i := bytes.Index(report, []byte("not ok")); i >= 0 {
		report = report[i:]
	}
	return report[:min(len(report), 16<<10)]
}

// strangersKey returns a key of another tenant's subscription.
func (h *hub) strangersKey() string {
	h.t.Helper()
	tenant, err := h.server.people.tenants.Create(h.t.Context(), identity.Administrator(), "Stranger")
	if err != nil {
		h.t.Fatal(err)
	}
	sub, err := h.server.service.CreateSubscription(h.t.Context(), identity.Administrator(), subscription.CreateSubscription{TenantID: tenant.ID, ProductID: "llm-hub"})
	if err != nil {
		h.t.Fatal(err)
	}
	_, secret, err := h.server.service.CreateKey(h.t.Context(), identity.Administrator(), subscription.CreateKey{SubscriptionID: sub.ID, Name: "stranger"})
	if err != nil {
		h.t.Fatal(err)
	}
	return secret.Reveal()
}
