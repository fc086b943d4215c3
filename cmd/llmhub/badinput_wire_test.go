package main

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
)

// zipBomb returns so many zero bytes in gzip's form.
func zipBomb(t *testing.T, size int) string {
	t.Helper()
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestSpeed)
	if err != nil {
		t.Fatal(err)
	}
	block := make([]byte, 1<<20)
	for range size >> 20 {
		if _, err := w.Write(block); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestBadRequests(t *testing.T) {
	h, a := badHub(t)
	t.Setenv("TMPDIR", t.TempDir())
	key := authorization(a.text)
	const good = `{"model":"m"}`
	bomb := zipBomb(t, 96<<20)
	many := strings.Repeat("X-Filler: something\r\n", 2000)
	form := "--b\r\nContent-Disposition: form-data; name=\"f\"; filename=\"f\"\r\n\r\n" + strings.Repeat("prompt ", 200_000) + "\r\n--b--\r\n"
	for _, c := range []struct {
		name, request string
		status        int
		code          string
	}{
		{"too large", "POST /v1/chat/completions HTTP/1.1\r\nHost: hub\r\n" + key + jsonType + "Content-Length: 2097153\r\n\r\n", 413, "request_too_large"},
		{"too large, sent", post("/v1/chat/completions", key+jsonType, strings.Repeat(" ", 3<<20)), 413, "request_too_large"},
		{"far too large", "POST /v1/embeddings HTTP/1.1\r\nHost: hub\r\n" + key + jsonType + "Content-Length: 999999999999\r\n\r\n", 413, "request_too_large"},
		{"too large in chunks", chunked("/v1/chat/completions", key+jsonType, 300, 8<<10), 413, "request_too_large"},
		{"one huge chunk", "POST /v1/chat/completions HTTP/1.1\r\nHost: hub\r\n" + key + jsonType + "Transfer-Encoding: chunked\r\n\r\n7fffffff\r\n", 413, "request_too_large"},
		{"large without a key", "POST /v1/chat/completions HTTP/1.1\r\nHost: hub\r\n" + jsonType + "Content-Length: 1048577\r\n\r\n", 401, "invalid_api_key"},
		{"large with a bad key", "POST /v1/chat/completions HTTP/1.1\r\nHost: hub\r\n" + authorization(swap(a.text, 30)) + jsonType + "Content-Length: 1048577\r\n\r\n", 401, "invalid_api_key"},
		{"large in chunks with a bad key", chunked("/v1/chat/completions", authorization(swap(a.text, 30))+jsonType, 200, 8<<10), 413, "request_too_large"},
		{"bad chunk size", "POST /v1/chat/completions HTTP/1.1\r\nHost: hub\r\n" + key + jsonType + "Transfer-Encoding: chunked\r\n\r\nzz\r\n", 400, ""},
		{"negative length", "POST /v1/chat/completions HTTP/1.1\r\nHost: hub\r\n" + key + jsonType + "Content-Length: -5\r\n\r\n", 400, ""},
		{"two lengths", "POST /v1/chat/completions HTTP/1.1\r\nHost: hub\r\n" + key + jsonType + "Content-Length: 13\r\nContent-Length: 5\r\n\r\n" + good, 400, ""},

		{"no content type", post("/v1/chat/completions", key, good), 415, ""},
		{"text", post("/v1/chat/completions", key+"Content-Type: text/plain\r\n", good), 415, ""},
		{"nearly JSON", post("/v1/chat/completions", key+"Content-Type: application/jsonp\r\n", good), 415, ""},
		{"form", post("/v1/chat/completions", key+"Content-Type: application/x-www-form-urlencoded\r\n", "model=m"), 415, ""},
		{"multipart", post("/v1/chat/completions", key+"Content-Type: multipart/form-data; boundary=b\r\n", form), 415, ""},
		{"broken multipart", post("/v1/chat/completions", key+"Content-Type: multipart/form-data; boundary=c\r\n", form), 415, ""},
		{"gzip", post("/v1/chat/completions", key+jsonType+"Content-Encoding: gzip\r\n", bomb), 415, ""},
		{"gzip and form", post("/v1/chat/completions", key+"Content-Type: multipart/form-data; boundary=b\r\nContent-Encoding: gzip\r\n", bomb), 415, ""},
		{"deflate", post("/v1/chat/completions", key+jsonType+"Content-Encoding: deflate\r\n", good), 415, ""},

		{"many headers", post("/v1/chat/completions", key+jsonType+many, good), 431, "headers_too_large"},
		{"huge header", post("/v1/chat/completions", key+jsonType+"X-Huge: "+strings.Repeat("x", 64<<10)+"\r\n", good), 431, "headers_too_large"},
		{"huge path", "GET /v1/models/" + strings.Repeat("x", 64<<10) + " HTTP/1.1\r\nHost: hub\r\n" + key + "\r\n", 431, "headers_too_large"},
		{"no HTTP", "GARBAGE\r\n\r\n", 400, ""},
		{"NUL in a header", post("/v1/chat/completions", key+jsonType+"X-Nul: \x00\r\n", good), 400, ""},

		{"unknown path", "GET /v1/nothing HTTP/1.1\r\nHost: hub\r\n" + key + "\r\n", 404, "unknown_url"},
		{"unknown path of the other version", post("/v2/chat/completion", key+jsonType, good), 404, "unknown_url"},
		{"path in capitals", post("/v1/Chat/Completions", key+jsonType, good), 404, "unknown_url"},
		{"no path", "GET /v1 HTTP/1.1\r\nHost: hub\r\n" + key + "\r\n", 404, "unknown_url"},
		{"dots", "GET /v1/models/../nothing HTTP/1.1\r\nHost: hub\r\n" + key + "\r\n", 404, "model_not_found"},
		{"wrong method", "GET /v1/chat/completions HTTP/1.1\r\nHost: hub\r\n" + key + "\r\n", 405, "method_not_allowed"},
		{"wrong method for models", post("/v1/models", key+jsonType, good), 405, "method_not_allowed"},
		{"DELETE", "DELETE /v1/models/m HTTP/1.1\r\nHost: hub\r\n" + key + "\r\n", 404, "unknown_url"},
		{"unknown method", "BREW /v1/models HTTP/1.1\r\nHost: hub\r\n" + key + "\r\n", 405, "unknown_method"},
		{"outside of both APIs", "GET /nothing HTTP/1.1\r\nHost: hub\r\n" + key + "\r\n", 404, ""},
		{"unknown model", "GET /v1/models/none HTTP/1.1\r\nHost: hub\r\n" + key + "\r\n", 404, "model_not_found"},
		{"model that is not granted", "GET /v1/models/other HTTP/1.1\r\nHost: hub\r\n" + key + "\r\n", 404, "model_not_found"},
		{"model of strange name", "GET /v1/models/%00%ff%2e%2e%2f\" HTTP/1.1\r\nHost: hub\r\n" + key + "\r\n", 404, "model_not_found"},
		{"wrong month", "GET /v1/usage?month=2026-13 HTTP/1.1\r\nHost: hub\r\n" + key + "\r\n", 400, ""},
		{"usage by secret", "GET /v1/usage?by=secret HTTP/1.1\r\nHost: hub\r\n" + key + "\r\n", 400, ""},
		{"HTTP/1.0", "POST /v1/chat/completions HTTP/1.0\r\n" + key + jsonType + "Content-Length: 1\r\n\r\n{", 400, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := allocated()
			got := h.exchange(t, 1, c.request)
			if len(got) != 1 {
				t.Fatal("no answer")
			}
			wantRefusal(t, got[0], c.status, c.code)
			if grown := allocated() - before; grown > 64<<20 {
				t.Errorf("%d bytes were allocated", grown)
			}
		})
	}
	if left, err := os.ReadDir(os.TempDir()); err != nil || len(left) != 0 {
		t.Errorf("prompts on disk: %v, %v", left, err)
	}
	h.wantUntouched(t, a)
}

func allocated() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.TotalAlloc
}

// TestOldAndPipelined has requests that are unusual, and good: of HTTP/1.0, and several at once on a connection.
func TestOldAndPipelined(t *testing.T) {
	h, a := badHub(t)
	key := authorization(a.text)
	old := h.exchange(t, 2, "GET /v1/models HTTP/1.0\r\n"+key+"\r\n")
	if len(old) != 1 || old[0].status != 200 || !bytes.Contains(old[0].body, []byte(`"id":"m"`)) || bytes.Contains(old[0].body, []byte("other")) {
		t.Errorf("HTTP/1.0 gets %v", old)
	}
	stream := `{"model":"m","user":"pipeline","stream":true}`
	whole := `{"model":"m","user":"pipeline"}`
	got := h.exchange(t, 6, post("/v1/chat/completions", jsonType, whole)+
		post("/v1/chat/completions", key+jsonType, whole)+
		"GET /v1/models HTTP/1.1\r\nHost: hub\r\n"+key+"\r\n"+
		post("/v1/chat/completions", key+jsonType, "{")+
		post("/v1/chat/completions", key+jsonType, stream)+
		post("/v1/chat/completions", key+jsonType+"Connection: close\r\n", whole))
	var statuses []int
	for _, g := range got {
		statuses = append(statuses, g.status)
	}
	if fmt.Sprint(statuses) != "[401 200 200 400 200 200]" {
		t.Fatalf("pipelined requests get %v", got)
	}
	if !bytes.HasSuffix(got[4].body, []byte("data: [DONE]\n\n")) {
		t.Errorf("the stream ends with %.100q", got[4].body[max(0, len(got[4].body)-100):])
	}
	a.user = "pipeline"
	a.wantExact(t, 3)
	h.shutDown(t)
}
