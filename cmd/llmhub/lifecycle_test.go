package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"llmhub/config"
	"llmhub/proxy/proxytest"
)

// TestStopBeforeServing stops a server before it has begun to serve: it must end all the same.
func TestStopBeforeServing(t *testing.T) {
	provider, err := proxytest.Start(proxytest.Options{Keep: -1})
	if err != nil {
		t.Fatal(err)
	}
	defer provider.Close()
	for range 5 {
		cfg := (&hub{t: t, provider: provider}).config([]string{"m"})
		ctx, stop := context.WithCancel(t.Context())
		s, err := newServer(ctx, cfg, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		stop()
		stopped := make(chan error, 1)
		go func() { stopped <- s.run(ctx, ln) }()
		select {
		case err := <-stopped:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(30 * time.Second):
			t.Fatal("the server goes on serving")
		}
	}
}

// TestOldWriteDeadline has a second request on a connection come after the write deadline of the first one's answer.
func TestOldWriteDeadline(t *testing.T) {
	const writeTimeout = 200 * time.Millisecond
	h := startHub(t, []string{"m"}, func(c *config.Config) { c.Stream.WriteTimeout = writeTimeout })
	h.provider.Script("m", proxytest.Script{Words: 3})
	key, _ := h.key("k")
	conn, err := net.Dial("tcp", strings.TrimPrefix(h.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	br := bufio.NewReader(conn)
	body := `{"model":"m","messages":[{"role":"user","content":"x"}]}`
	head := fmt.Sprintf("POST /v1/chat/completions HTTP/1.1\r\nHost: hub\r\nAuthorization: Bearer %s\r\n"+
		"Content-Type: application/json\r\nContent-Length: %d\r\n", key, len(body))
	if _, err := io.WriteString(conn, head+"\r\n"+body); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(br, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		t.Fatal(err)
	}
	time.Sleep(2 * writeTimeout) // the deadline has to pass; nothing tells when it has
	if _, err := io.WriteString(conn, head+"Expect: 100-continue\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	line, err := br.ReadString('\n')
	if err != nil || !strings.Contains(line, "100 Continue") {
		t.Errorf("%q, %v; want 100 Continue", line, err)
	}
}
