package main

import (
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"llmhub/config"
)

// TestOperatorsListener keeps what operators have off the public address where they have one of their own.
func TestOperatorsListener(t *testing.T) {
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	admin := free.Addr().String()
	free.Close()
	h := startHub(t, []string{"m"}, func(c *config.Config) { c.Portal.AdminListen = admin })
	get := func(url string) (int, string) {
		t.Helper()
		req, err := http.NewRequest(http.MethodGet, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Accept", "text/html")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(text)
	}
	for _, path := range []string{"/operator", "/operator/login", "/operator/audit"} {
		if status, _ := get(h.url + path); status != http.StatusNotFound {
			t.Errorf("%s on the public address: %d", path, status)
		}
	}
	if status, text := get("http://" + admin + "/operator/login"); status != http.StatusOK || !strings.Contains(text, `name="password"`) {
		t.Errorf("operators' sign-in: %d", status)
	}
	for _, path := range []string{"/login", "/subscriptions", "/v1/models", "/healthz"} {
		if status, _ := get("http://" + admin + path); status != http.StatusNotFound {
			t.Errorf("%s on the operators' address: %d", path, status)
		}
	}
	if status, _ := get(h.url + "/catalog"); status != http.StatusOK {
		t.Errorf("the catalog: %d", status)
	}
}
