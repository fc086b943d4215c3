package main

import (
	"bytes"
	"strconv"
	"strings"
	"testing"
)

// hidden is a request that hides in the body of another one. It would be answered 200, and with "hidden" in the body.
func hidden(key string) string {
	return "GET /v1/models/hidden HTTP/1.1\r\nHost: hub\r\n" + authorization(key) + "\r\n"
}

// TestSmuggling has requests that are refused early, with a second request inside of their body. It must never run: a
// proxy in front that shares connections would give its answer to somebody else.
func TestSmuggling(t *testing.T) {
	h := startHub(t, []string{"m", "hidden"}, nil)
	key, _ := h.key("smuggler")
	padding := strings.Repeat("x", 8<<10)
	body := padding + hidden(key)
	length := "Content-Length: " + strconv.Itoa(len(body)) + "\r\n"
	chunk := strconv.FormatInt(int64(len(body)), 16) + "\r\n" + body + "\r\n0\r\n\r\n"
	head := "POST /v1/chat/completions HTTP/1.1\r\nHost: hub\r\n" + jsonType
	bad := authorization(swap(key, 30))
	for _, c := range []struct {
		name, request string
		status        int
	}{
		{"length", head + bad + length + "\r\n" + body, 401},
		{"length, no key", head + length + "\r\n" + body, 401},
		{"length, not JSON", head + authorization(key) + length + "\r\n" + body, 400},
		{"length, wrong type", "POST /v1/chat/completions HTTP/1.1\r\nHost: hub\r\n" + authorization(key) + length + "\r\n" + body, 415},
		{"length, unknown path", "POST /v1/nothing HTTP/1.1\r\nHost: hub\r\n" + authorization(key) + length + "\r\n" + body, 404},
		{"length, GET", "GET /v1/models HTTP/1.1\r\nHost: hub\r\n" + bad + length + "\r\n" + body, 401},
		{"length, unknown method", "BREW /v1/models HTTP/1.1\r\nHost: hub\r\n" + bad + length + "\r\n" + body, 405},
		{"length, management", "POST /api/v1/keys HTTP/1.1\r\nHost: hub\r\n" + length + "\r\n" + body, 401},
		{"length, health", "GET /healthz HTTP/1.1\r\nHost: hub\r\n" + length + "\r\n" + body, 200},
		{"chunks", head + bad + "Transfer-Encoding: chunked\r\n\r\n" + chunk, 401},
		{"chunks, broken", head + bad + "Transfer-Encoding: chunked\r\n\r\nzz\r\n\r\n" + hidden(key), 400},
		{"chunks and length", head + bad + "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk, 0},
		{"length and chunks", head + bad + "Transfer-Encoding: chunked\r\n" + "Content-Length: 4\r\n\r\n0\r\n\r\n" + hidden(key), 0},
		{"unknown coding", head + bad + "Transfer-Encoding: gzip\r\n\r\n" + chunk, 0},
		{"space before the colon", head + bad + "Content-Length : " + strconv.Itoa(len(body)) + "\r\n\r\n" + body, 0},
		{"folded header", head + bad + "X-A: b\r\n Content-Length: 0\r\n" + length + "\r\n" + body, 0},
		{"expect", head + bad + length + "Expect: 100-continue\r\n\r\n" + body, 401},
		{"expect in chunks", head + bad + "Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n" + chunk, 401},
		{"expect, too large", head + bad + "Content-Length: 99999999\r\nExpect: 100-continue\r\n\r\n" + body, 401},
		{"too large", head + bad + "Content-Length: 99999999\r\n\r\n" + body, 401},
	} {
		t.Run(c.name, func(t *testing.T) {
			request := c.request
			// The end of the answers is known by that of a request behind them, where the connection lasts that long.
			request += "GET /healthz HTTP/1.1\r\nHost: hub\r\nConnection: close\r\n\r\n"
			got := h.exchange(t, 4, request)
			if len(got) == 0 {
				t.Fatal("no answer")
			}
			if c.status != 0 && got[0].status != c.status || c.status == 0 && got[0].status < 400 {
				t.Errorf("answered %v, want %d", got[0], c.status)
			}
			for _, a := range got {
				if bytes.Contains(a.body, []byte(`"hidden"`)) {
					t.Errorf("the hidden request has run: %v", a)
				}
			}
			if len(got) > 2 || len(got) == 2 && string(got[1].body) != "ok\n" {
				t.Errorf("answers %v, want one and that to the request behind", got)
			}
		})
	}
	if n := len(h.provider.Requests()); n != 0 {
		t.Errorf("%d requests reached the provider", n)
	}
	h.shutDown(t)
}
