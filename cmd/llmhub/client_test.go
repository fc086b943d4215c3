package main

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// command runs a command line against a server and returns exit code, output and errors.
func command(t *testing.T, server, token string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	return commandWith(t, "", server, token, args...)
}

// commandWith is command with a text on standard input.
func commandWith(t *testing.T, stdin, server, token string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	lookup := func(name string) (string, bool) {
		v, ok := map[string]string{serverVariable: server, tokenVariable: token}[name]
		return v, ok
	}
	code = run(t.Context(), args, lookup, strings.NewReader(stdin), &out, &errs)
	if token != "" && strings.Contains(out.String()+errs.String(), token) {
		t.Errorf("%v prints the token:\n%s\n%s", args, out.String(), errs.String())
	}
	return code, out.String(), errs.String()
}

// TestStrangeServers talks to servers that are no llmhub, or a broken one.
func TestStrangeServers(t *testing.T) {
	var elsewhere bool
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere = true }))
	defer other.Close()
	text := func(status int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			_, _ = w.Write([]byte(body))
		}
	}
	const stranger = "hint: is --server or LLMHUB_SERVER the address of an llmhub?"
	cases := []struct {
		name   string
		handle http.HandlerFunc
		code   int
		says   string
	}{
		{"a web page", text(200, "<html>"), exitFailed, stranger},
		{"a web page not found", text(404, "<html>"), exitFailed, stranger},
		{"other JSON", text(200, `[1,2]`), exitFailed, stranger},
		{"another error", text(400, `{"error":"no"}`), exitFailed, stranger},
		{"redirect", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, other.URL, http.StatusFound) }, exitFailed, stranger},
		{"refusal", text(401, `{"error":{"code":"unauthorized","message":"no"}}`), exitFailed, "hint: LLMHUB_TOKEN, LLMHUB_ADMIN_TOKEN or --token must be a personal token"},
		{"not found", text(404, `{"error":{"code":"not_found","message":"there is no such tenant"}}`), exitNotFound, "llmhub: there is no such tenant\n"},
		{"internal", text(500, `{"error":{"code":"internal","message":"internal error","request_id":"api-x"}}`), exitFailed, "llmhub: internal error (request api-x)\n"},
		{"escapes", text(400, `{"error":{"code":"x","message":"a\u001b[31mb\nc"}}`), exitFailed, "llmhub: a\uFFFD[31mb\uFFFDc\n"},
		{"cut", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			_, _ = w.Write([]byte(`{"data":[`))
		}, exitFailed, "hint: is llmhub serve running"},
		{"too much", func(w http.ResponseWriter, _ *http.Request) {
			piece := bytes.Repeat([]byte(" "), 1<<20)
			for range maxAnswerBytes>>20 + 1 {
				if _, err := w.Write(piece); err != nil {
					return
				}
			}
		}, exitFailed, "llmhub: the answer is larger than 64 MiB\nhint: ask for less"},
		{"a list without end", text(200, `{"data":[],"next":"x"}`), exitFailed, "llmhub: the list does not end"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			server := httptest.NewServer(c.handle)
			defer server.Close()
			code, stdout, stderr := command(t, server.URL, "hunter2-hunter2-hunter2", "tenant", "list")
			if code != c.code || stdout != "" || !strings.Contains(stderr, c.says) {
				t.Errorf("exit code %d, output %q, errors %q; want %d and %q", code, stdout, stderr, c.code, c.says)
			}
		})
	}
	if elsewhere {
		t.Error("a redirect was followed, with the token")
	}
}

// TestFlagsComeBeforeTheEnvironment also checks what a request carries.
func TestFlagsComeBeforeTheEnvironment(t *testing.T) {
	var got []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = append(got, r.Method+" "+r.URL.String()+" "+r.Header.Get("Authorization"))
		_, _ = w.Write([]byte(`{"id":"x","data":[]}`))
	}))
	defer server.Close()
	for _, args := range [][]string{
		{"key", "list", "--tenant", "a&b"},
		{"subscription", "cancel", "../tenants"},
		{"usage", "--by", "", "--month", "2026-11"},
	} {
		args = append(args, "--server", server.URL+"/", "--token", "flag-token")
		if code, _, stderr := command(t, "http://127.0.0.1:1", "environment-token", args...); code != exitOK {
			t.Errorf("%v: %d %s", args, code, stderr)
		}
	}
	want := []string{
		"GET /api/v1/keys?limit=1000&tenant_id=a%26b Bearer flag-token",
		"POST /api/v1/subscriptions/..%2Ftenants/cancel Bearer flag-token",
		"GET /api/v1/usage?by=&month=2026-11 Bearer flag-token",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
