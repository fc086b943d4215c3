package config_test

import (
	"encoding/base64"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"llmhub/config"
)

const databaseURL = "postgres://llmhub:very-secret@db.example:5432/llmhub"

// storeEnv adds what a database needs to the environment.
func storeEnv(name string) (string, bool) {
	switch name {
	case "DB":
		return databaseURL, true
	case "K1", "K2", "K3":
		return base64.StdEncoding.EncodeToString([]byte(strings.Repeat(name[1:], config.KeyBytes))), true
	case "NO_KEY":
		return "bm90IGEga2V5", true
	}
	return env(name)
}

const storeKeys = "{pepper: {env: K1}, responses: {env: K2}, seal: {env: K3}}"

func withStore(postgres string) string {
	return "store: {postgres: " + postgres + "}\n" + strings.TrimPrefix(minimal, "data: ./data\n")
}

func TestStore(t *testing.T) {
	c, err := config.LoadEnv(write(t, withStore("{url: {env: DB}, patience: 20s, keys: "+storeKeys+"}")), storeEnv)
	if err != nil {
		t.Fatal(err)
	}
	p := c.Store.Postgres
	if c.Data != "" || p == nil || p.URL.Reveal() != databaseURL || p.ListenURL.IsSet() || p.Connections != 10 ||
		p.Patience != 20*time.Second || p.Keys.Seal.Reveal() != strings.Repeat("3", config.KeyBytes) {
		t.Errorf("%q, %+v", c.Data, p)
	}
	if text := fmt.Sprintf("%v %+v %#v", p, p, *p); strings.Contains(text, "very-secret") || strings.Contains(text, "333") {
		t.Errorf("secrets show in %s", text)
	}
}

func TestStoreFaults(t *testing.T) {
	for _, c := range []struct{ name, postgres, want string }{
		{"no URL", "{keys: " + storeKeys + "}", "url"},
		{"URL in the file", "{url: " + databaseURL + ", keys: " + storeKeys + "}", "a secret is not written into this file"},
		{"no keys", "{url: {env: DB}}", "keys"},
		{"not a key", "{url: {env: DB}, keys: {pepper: {env: NO_KEY}, responses: {env: K2}, seal: {env: K3}}}", "is not a key: 32 bytes in base64"},
		{"too few connections", "{url: {env: DB}, connections: 2, keys: " + storeKeys + "}", "connections"},
	} {
		_, err := config.LoadEnv(write(t, withStore(c.postgres)), storeEnv)
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "very-secret") {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// The database that the example shows in a comment can be had by taking the comment signs away.
func TestStoreOfTheExample(t *testing.T) {
	text, err := os.ReadFile("../docs/config.example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(text), "# store:\n")
	if !found {
		t.Fatal("the example has no store")
	}
	var b strings.Builder
	b.WriteString("store:\n")
	for line := range strings.Lines(section) {
		rest, comment := strings.CutPrefix(line, "# ")
		if !comment {
			break
		}
		b.WriteString(rest)
	}
	c, err := config.LoadEnv(write(t, b.String()+strings.TrimPrefix(minimal, "data: ./data\n")), func(name string) (string, bool) {
		switch name {
		case "LLMHUB_DATABASE_URL", "LLMHUB_LISTEN_URL":
			return storeEnv("DB")
		case "LLMHUB_PEPPER", "LLMHUB_RESPONSES", "LLMHUB_SEAL":
			return storeEnv("K1")
		}
		return env(name)
	})
	if err != nil {
		t.Fatal(err)
	}
	want := *config.DefaultPostgres()
	want.URL, want.ListenURL, want.Keys = c.Store.Postgres.URL, c.Store.Postgres.ListenURL, c.Store.Postgres.Keys
	if *c.Store.Postgres != want {
		t.Errorf("what the example calls default differs from it: %+v", *c.Store.Postgres)
	}
}
