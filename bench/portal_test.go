package main

import (
	"bytes"
	"math/rand/v2"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"llmhub/portal/web"
)

// TestEveryPageIsMeasured compares the table with the pages that the portal has.
func TestEveryPageIsMeasured(t *testing.T) {
	var measured []string
	for _, p := range portalPages {
		if slices.Contains(measured, p.path) {
			t.Errorf("%s is measured twice", p.path)
		}
		measured = append(measured, p.path)
		if strings.HasPrefix(p.path, "/operator") != (p.by == operator) && p.by != nobody {
			t.Errorf("%s is asked for by the wrong one", p.path)
		}
	}
	pages := web.Pages()
	for _, path := range pages {
		// What is asked of a customer's cluster takes what the cluster takes, and the demo has none. Nor has it a webhook.
		if strings.HasPrefix(path, "/deploy/") || strings.HasPrefix(path, "/workloads/") || path == "/webhook/remove" {
			continue
		}
		if !slices.Contains(measured, path) {
			t.Errorf("%s is not measured", path)
		}
	}
	for _, path := range measured {
		if !slices.Contains(pages, path) {
			t.Errorf("%s is measured and does not exist", path)
		}
	}
}

func TestFill(t *testing.T) {
	f := found{}
	f.gather([]byte(`<a href="/catalog/llm-hub"><a href="/catalog/llm-hub/documents/terms"><a href="/subscriptions/sub_1?page=2">
		<a href="/subscriptions/sub_1/keys/key_2"><a href="/operator/approvals/ten_3"><a href="/operator/tenants/ten_4"><a href="/operator/subscriptions/sub_5/cancel">`))
	r := rand.New(rand.NewPCG(1, 2))
	for path, want := range map[string]string{
		"/catalog/:product/icon.svg":                   "/catalog/llm-hub/icon.svg",
		"/catalog/:product/documents/:document":        "/catalog/llm-hub/documents/terms",
		"/subscriptions/:id/consumption":               "/subscriptions/sub_1/consumption",
		"/subscriptions/:id/keys/:key/deactivate":      "/subscriptions/sub_1/keys/key_2/deactivate",
		"/operator/approvals/:tenant":                  "/operator/approvals/ten_3",
		"/operator/tenants/:tenant":                    "/operator/tenants/ten_4",
		"/operator/subscriptions/:subscription/cancel": "/operator/subscriptions/sub_5/cancel",
		"/keys": "/keys",
	} {
		if got, ok := f.fill(path, r); !ok || got != want {
			t.Errorf("%s becomes %s, %v", path, got, ok)
		}
	}
	if _, ok := (found{}).fill("/catalog/:product", r); ok {
		t.Error("a path without a known ID is filled")
	}
}

func TestServerTime(t *testing.T) {
	if d, err := serverTime("app;dur=1.25"); err != nil || d != 1250*time.Microsecond {
		t.Errorf("%v, %v", d, err)
	}
	for _, bad := range []string{"", "app;dur=", "app;dur=x", "db;dur=1"} {
		if _, err := serverTime(bad); err == nil {
			t.Errorf("%q is understood", bad)
		}
	}
}

// TestPortalRunPrintsEveryPage measures the small demo, each page a few times.
func TestPortalRunPrintsEveryPage(t *testing.T) {
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("llmhub is built for it")
	}
	var out, log bytes.Buffer
	if err := run(t.Context(), []string{portalMode, "--size", "small", "--visits", "2", "--again", "1", "--dir", t.TempDir()}, nil, &out, &log); err != nil {
		t.Fatalf("%v\n%s", err, log.String())
	}
	for _, p := range portalPages {
		if !strings.Contains(out.String(), "| "+p.path+" | ") {
			t.Errorf("the report lacks %s:\n%s", p.path, out.String())
		}
	}
}

func TestPortalBadArguments(t *testing.T) {
	for _, args := range [][]string{{"--visits", "0"}, {"--again", "-1"}, {"more"}} {
		if err := run(t.Context(), append([]string{portalMode}, args...), nil, &bytes.Buffer{}, &bytes.Buffer{}); err == nil {
			t.Errorf("%q is accepted", args)
		}
	}
}
