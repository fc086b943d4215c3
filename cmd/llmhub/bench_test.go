package main

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"llmhub/config"
	"llmhub/identity"
	"llmhub/limit"
	"llmhub/metering"
)

// The benchmarks measure what a request takes in the gateway: model server and client allocate nothing, so that the
// allocations are the gateway's own. Of the time, most is the kernel's, and some of it theirs.

const benchAnswer = `{"id":"chatcmpl-1","object":"chat.completion","created":1700000000,"model":"m","choices":[{"index":0,` +
	`"message":{"role":"assistant","content":"` + "All of this has been said before." + `"},"finish_reason":"stop"}],` +
	`"usage":{"prompt_tokens":12,"completion_tokens":7,"total_tokens":19}}`

// BenchmarkRequest has whole answers and streams of 100 events, with and without limits of the 1,000 keys.
func BenchmarkRequest(b *testing.B) {
	event := `data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1700000000,"model":"m","choices":[{"index":0,"delta":{"content":"word "},"finish_reason":null}]}` + "\n\n"
	stream := strings.Repeat(event, 99) +
		strings.Replace(event, "null", `"stop"`, 1) +
		`data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1700000000,"model":"m","choices":[],"usage":{"prompt_tokens":12,"completion_tokens":100,"total_tokens":112}}` + "\n\ndata: [DONE]\n\n"
	for _, c := range []struct{ name, kind, answer, ask string }{
		{"whole", "application/json", benchAnswer, `{"model":"m","messages":[{"role":"user","content":"Say some words."}]}`},
		{"stream", "text/event-stream", stream, `{"model":"m","stream":true,"messages":[{"role":"user","content":"Say some words."}]}`},
	} {
		for _, limited := range []bool{false, true} {
			name := c.name
			if limited {
				name += ", limited"
			}
			b.Run(name, func(b *testing.B) { benchRequest(b, c.kind, c.answer, c.ask, limited) })
		}
	}
}

func benchRequest(b *testing.B, kind, answer, ask string, limited bool) {
	server := benchServer(b, kind, answer)
	h := startHub(b, []string{"m"}, func(cfg *config.Config) {
		for i := range cfg.Upstreams {
			cfg.Upstreams[i].BaseURL = server
		}
		cfg.Models[0].Prices = []metering.Price{{InputPerMillion: money(b, "0.15"), OutputPerMillion: money(b, "0.60")}}
	})
	var requests [][]byte // one for each of 1,000 keys
	for i := range 1000 {
		key, id := h.key("bench " + strconv.Itoa(i))
		if limited {
			far := limit.Rules{RequestsPerMinute: limit.MaxRule, MonthlyTokens: limit.MaxRule}
			if _, err := h.server.service.SetKeyLimits(b.Context(), identity.Administrator(), id, far); err != nil {
				b.Fatal(err)
			}
		}
		requests = append(requests, []byte("POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "+key+
			"\r\nContent-Type: application/json\r\nContent-Length: "+strconv.Itoa(len(ask))+"\r\n\r\n"+ask))
	}
	var turn atomic.Uint32
	b.SetParallelism(32)
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		conn, err := net.Dial("tcp", strings.TrimPrefix(h.url, "http://"))
		if err != nil {
			b.Error(err)
			return
		}
		defer conn.Close()
		r := bufio.NewReaderSize(conn, 64<<10)
		for pb.Next() {
			if _, err := conn.Write(requests[turn.Add(1)%uint32(len(requests))]); err != nil {
				b.Error(err)
				return
			}
			if err := skipAnswer(r); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

// skipAnswer reads an answer to its end.
func skipAnswer(r *bufio.Reader) error {
	length, chunked := 0, false
	for first := true; ; first = false {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return err
		}
		if first && !bytes.HasPrefix(line, []byte("HTTP/1.1 200")) {
			return io.ErrUnexpectedEOF
		}
		if v, ok := bytes.CutPrefix(line, []byte("Content-Length: ")); ok {
			length, _ = strconv.Atoi(string(bytes.TrimSpace(v)))
		}
		chunked = chunked || bytes.HasPrefix(line, []byte("Transfer-Encoding: chunked"))
		if len(line) == 2 {
			break
		}
	}
	if !chunked {
		_, err := r.Discard(length)
		return err
	}
	for {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return err
		}
		n, err := strconv.ParseUint(string(bytes.TrimSpace(line)), 16, 31)
		if err != nil {
			return err
		}
		if _, err := r.Discard(int(n) + 2); err != nil || n == 0 {
			return err
		}
	}
}

// benchServer answers each request with the same.
func benchServer(b *testing.B, kind, answer string) *url.URL {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { ln.Close() })
	out := []byte("HTTP/1.1 200 OK\r\nContent-Type: " + kind + "\r\nContent-Length: " + strconv.Itoa(len(answer)) + "\r\n\r\n" + answer)
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			go serveBench(conn, out)
		}
	}()
	return &url.URL{Scheme: "http", Host: ln.Addr().String(), Path: "/v1"}
}

func serveBench(conn net.Conn, out []byte) {
	defer conn.Close()
	r := bufio.NewReaderSize(conn, 64<<10)
	for {
		length := 0
		for {
			line, err := r.ReadSlice('\n')
			if err != nil {
				return
			}
			if v, ok := bytes.CutPrefix(line, []byte("Content-Length: ")); ok {
				length, _ = strconv.Atoi(string(bytes.TrimSpace(v)))
			}
			if len(line) == 2 {
				break
			}
		}
		if _, err := r.Discard(length); err != nil {
			return
		}
		if _, err := conn.Write(out); err != nil {
			return
		}
	}
}
