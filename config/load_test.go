package config_test

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	_ "time/tzdata"

	"llmhub/config"
	"llmhub/store"
)

const adminToken = "a-token-of-some-length"

// env is the environment of all tests here.
func env(name string) (string, bool) {
	v, ok := map[string]string{
		"LLMHUB_ADMIN_TOKEN": adminToken,
		"UPSTREAM_KEY":       "upstream-secret",
		"EMPTY":              "",
		"SHORT":              "short",
		"SPACED":             "two words of sixteen",
	}[name]
	return v, ok
}

// write makes a configuration file and returns its path.
func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "llmhub.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

const minimal = `data: ./data
admin: {token: {env: LLMHUB_ADMIN_TOKEN}}
upstreams:
  - {name: local, base_url: "http://127.0.0.1:9100/v1/"}
models:
  - name: gpt-4o-mini
    deployments: [{upstream: local}]
`

func TestMinimalGetsDefaults(t *testing.T) {
	path := write(t, minimal)
	c, err := config.LoadEnv(path, env)
	if err != nil {
		t.Fatal(err)
	}
	if want := filepath.Join(filepath.Dir(path), "data"); c.Data != want {
		t.Errorf("data %q, want %q", c.Data, want)
	}
	if c.Admin.Token.Reveal() != adminToken {
		t.Error("admin token is not the one of the environment")
	}
	u := c.Upstreams[0]
	if got := u.BaseURL.String(); got != "http://127.0.0.1:9100/v1" {
		t.Errorf("base URL %q keeps its slash", got)
	}
	if u.Kind != config.KindOpenAI || u.OnDisconnect != config.Cancel || !u.StreamUsage || u.APIKey.IsSet() || u.IdleTimeout != 5*time.Minute {
		t.Errorf("upstream lacks defaults: %+v", u)
	}
	if m := c.Models[0]; m.Deployments[0].Model != "gpt-4o-mini" || m.OwnedBy != "llmhub" || !m.Created.IsZero() {
		t.Errorf("model lacks defaults: %+v", m)
	}
	if c.Listen != "127.0.0.1:8080" || c.Billing.TimeZone.String() != "Europe/Berlin" || c.Billing.Currency != "EUR" || !c.Keys.Pepper {
		t.Errorf("defaults are missing: %+v", c)
	}
	if len(c.PriceList()) != 0 {
		t.Errorf("a model without prices is in the price list: %v", c.PriceList())
	}
}

func TestExampleIsValidAndStatesDefaults(t *testing.T) {
	c, err := config.LoadEnv("../docs/config.example.yaml", env)
	if err != nil {
		t.Fatal(err)
	}
	want := config.Default()
	if c.Listen != want.Listen || c.FreeSpaceFloorBytes != want.FreeSpaceFloorBytes || c.Keys != want.Keys || c.Limits != want.Limits ||
		c.Stream != want.Stream || c.Shutdown != want.Shutdown || c.Log != want.Log || c.Billing.Currency != want.Billing.Currency ||
		c.Portal.Name != want.Portal.Name || c.Portal.Session != want.Portal.Session || c.IAM.CustomerRole != want.IAM.CustomerRole || c.IAM.Timeout != want.IAM.Timeout {
		t.Errorf("the example calls something a default that is none:\n%+v\n%+v", *c, want)
	}
	if !reflect.DeepEqual(c.CCE, config.DefaultCCE()) || c.Clusters != nil {
		t.Errorf("cce: %+v, clusters: %+v", c.CCE, c.Clusters)
	}
	if u := c.Upstreams[1]; u.APIKey.Reveal() != "upstream-secret" || u.OnDisconnect != config.Drain || u.IdleTimeout != 10*time.Minute {
		t.Errorf("second upstream: %+v", u)
	}
	prices := c.PriceList()["gpt-4o-mini"]
	if len(prices) != 2 || prices[0].From.String() != "2026-01-01" || prices[0].CachedInputPerMillion.String() != "0.075" {
		t.Fatalf("prices: %+v", prices)
	}
	if got := prices[1].CachedInputPerMillion.String(); got != "0.12" {
		t.Errorf("absent price of cached input is %s, want the price of input", got)
	}
	image := c.PriceList()["gpt-image-1"][0]
	if image.Unit(store.UnitImage1024).String() != "0.04" || image.Unit(store.UnitImage256).String() != "0.06" || image.Unit(store.UnitSearch).IsSet() {
		t.Errorf("prices of images: %+v", image)
	}
	if got := c.Models[0].Created.Format(time.DateOnly); got != "2024-07-18" {
		t.Errorf("created %s", got)
	}
}

func TestSettings(t *testing.T) {
	c, err := config.LoadEnv(write(t, minimal+`listen: ":0"
free_space_floor: 0B
billing: {time_zone: UTC, currency: CHF, request_retention_days: 90}
keys: {pepper: false}
limits: {body: 1 MiB, requests: 7}
stream: {idle_timeout: 90s}
log: {level: debug}
`), env)
	if err != nil {
		t.Fatal(err)
	}
	if c.Listen != ":0" || c.FreeSpaceFloorBytes != 0 || c.Billing.TimeZone != time.UTC || c.Billing.Currency != "CHF" || c.Billing.RequestRetentionDays != 90 || c.Keys.Pepper ||
		c.Limits.BodyBytes != 1<<20 || c.Limits.Requests != 7 || c.Log.Level != slog.LevelDebug {
		t.Errorf("settings are not taken: %+v", c)
	}
	if c.Upstreams[0].IdleTimeout != 90*time.Second {
		t.Errorf("an upstream read before stream has idle time-out %s", c.Upstreams[0].IdleTimeout)
	}
}

func TestDeploymentSettings(t *testing.T) {
	c, err := config.LoadEnv(write(t, minimal+`    balance: weighted
    retries: {attempts: 7, timeouts: true}
    fallbacks: [spare]
  - name: spare
    deployments:
      - {upstream: local, weight: 0, priority: 3, max_concurrency: 4, queue: 5, drain: true, breaker: {failures: 0}}
`), env)
	if err != nil {
		t.Fatal(err)
	}
	first, spare := c.Models[0], c.Models[1]
	if first.Balance != config.Weighted || !slices.Equal(first.Fallbacks, []string{"spare"}) ||
		first.Retries != (config.Retries{Attempts: 7, Backoff: 250 * time.Millisecond, MaxElapsed: 30 * time.Second, Timeouts: true}) {
		t.Errorf("%+v", first)
	}
	want := config.DefaultDeployment()
	want.Upstream, want.Model = "local", "gpt-4o-mini"
	if first.Deployments[0] != want {
		t.Errorf("by default %+v, want %+v", first.Deployments[0], want)
	}
	want.Model, want.Weight, want.Priority, want.Drain, want.Breaker.Failures = "spare", 0, 3, true, 0
	want.MaxConcurrency, want.Queue = 4, 5
	if spare.Deployments[0] != want || spare.Balance != config.LeastBusy {
		t.Errorf("got %+v, want %+v", spare.Deployments[0], want)
	}
}

func TestSecretFiles(t *testing.T) {
	for name, content := range map[string]string{"bare": adminToken, "unix": adminToken + "\n", "windows": adminToken + "\r\n"} {
		path := write(t, strings.Replace(minimal, "{env: LLMHUB_ADMIN_TOKEN}", "{file: token}", 1))
		if err := os.WriteFile(filepath.Join(filepath.Dir(path), "token"), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := config.LoadEnv(path, env)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if got := c.Admin.Token.Reveal(); got != adminToken {
			t.Errorf("%s: token %q", name, got)
		}
	}
}

// faultsOf loads the text and returns its faults as lines, the file's path shortened to F.
func faultsOf(t *testing.T, text string) []string {
	t.Helper()
	path := write(t, text)
	c, err := config.LoadEnv(path, env)
	if err == nil {
		return nil
	}
	var faults *config.Faults
	if !errors.As(err, &faults) || c != nil || len(faults.List) == 0 {
		t.Fatalf("error is %T %v with configuration %v", err, err, c)
	}
	return strings.Split(strings.ReplaceAll(err.Error(), path, "F"), "\n")
}
