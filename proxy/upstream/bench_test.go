package upstream

import (
	"bytes"
	"io"
	"net/http"
	"testing"

	"llmhub/proxy/proxytest"
)

// The benchmarks compare this client with net/http's Transport, which it replaces, on whole answers of the scripted
// provider. Time and allocations include the provider's, which are the same for both.

var benchBody = []byte(`{"model":"m","messages":[{"role":"user","content":"Say some words."}]}`)

func benchProvider(b *testing.B) *proxytest.Provider {
	b.Helper()
	p, err := proxytest.Start(proxytest.Options{Keep: -1})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { p.Close() })
	b.ReportAllocs()
	b.ResetTimer()
	return p
}

func BenchmarkCall(b *testing.B) {
	p := benchProvider(b)
	c, err := New(Config{Name: "u", BaseURL: p.URL()})
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	b.RunParallel(func(pb *testing.PB) {
		buf := make([]byte, 4096)
		for pb.Next() {
			call := c.NewCall()
			if err := call.Do(Request{Method: http.MethodPost, Path: "/chat/completions", Body: [][]byte{benchBody}}); err != nil {
				b.Error(err)
				return
			}
			for {
				if _, err := call.Read(buf); err == io.EOF {
					break
				} else if err != nil {
					b.Error(err)
					return
				}
			}
			call.Close()
		}
	})
}

func BenchmarkTransport(b *testing.B) {
	p := benchProvider(b)
	tr := &http.Transport{MaxIdleConnsPerHost: 512, DisableCompression: true}
	defer tr.CloseIdleConnections()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			req, err := http.NewRequest(http.MethodPost, p.URL()+"/chat/completions", bytes.NewReader(benchBody))
			if err != nil {
				b.Error(err)
				return
			}
			req.Header.Set("Content-Type", "application/json")
			resp, err := tr.RoundTrip(req)
			if err != nil {
				b.Error(err)
				return
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
		}
	})
}
