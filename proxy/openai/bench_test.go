package openai

import (
	"strings"
	"testing"
)

// chatBody is a chat request of about 2 KB.
var chatBody = []byte(`{"model":"gpt-4o-mini","messages":[{"role":"system","content":"You are a helpful assistant. Answer briefly."},` +
	strings.Repeat(`{"role":"user","content":"Explain how a group commit works, why it makes a durable log fast, and what \"durable\" means here.\nGive one example."},`+
		`{"role":"assistant","content":"Many writers share one sync of the log: each waits for the batch, not for its own write to the disk."},`, 7) +
	`{"role":"user","content":"Thanks. And in Go?"}],"temperature":0.2,"max_tokens":512,"stream":true}`)

// deltaChunk is what most chunks of a stream look like.
var deltaChunk = []byte(`{"id":"chatcmpl-B9MHDbslfkBeAs8l4bebGdFOJ6PeG","object":"chat.completion.chunk","created":1741570283,` +
	`"model":"gpt-4o-mini","choices":[{"index":0,"delta":{"content":" token"},"logprobs":null,"finish_reason":null}]}`)

// nullUsageChunk is a chunk of a server that puts "usage":null into each.
var nullUsageChunk = append(append([]byte(nil), deltaChunk[:len(deltaChunk)-1]...), `,"usage":null}`...)

func BenchmarkPeekPatch(b *testing.B) {
	dst := make([]byte, 0, 4096)
	b.SetBytes(int64(len(chatBody)))
	b.ReportAllocs()
	for b.Loop() {
		r, err := peek(chatBody)
		if err != nil {
			b.Fatal(err)
		}
		dst = r.AppendPatched(dst[:0], chatBody, Patch{Model: "gpt-4o-mini-2024-07-18", IncludeUsage: true})
	}
}

func BenchmarkMeterEvent(b *testing.B) {
	var m Meter
	b.SetBytes(int64(len(deltaChunk)))
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		m.Event(deltaChunk)
		if n++; n%1000 == 0 {
			m.Reset()
		}
	}
}

func BenchmarkAppendWithoutUsage(b *testing.B) {
	s := NewScanner(0)
	if _, err := s.Fill(strings.NewReader("data: " + string(nullUsageChunk) + "\n\n")); err != nil {
		b.Fatal(err)
	}
	ev, _ := s.Next()
	var m Meter
	c := m.Event(ev.Data)
	dst := make([]byte, 0, 4096)
	b.ReportAllocs()
	for b.Loop() {
		dst = AppendWithoutUsage(dst[:0], ev, c)
	}
}

// BenchmarkScanner is per event, of a stream that comes in reads of 4 KiB at most.
func BenchmarkScanner(b *testing.B) {
	stream := []byte(strings.Repeat("data: "+string(deltaChunk)+"\n\n", 100))
	s := NewScanner(0)
	r := &step{}
	b.SetBytes(int64(len(stream) / 100))
	b.ReportAllocs()
	for i := 0; i < b.N; {
		*r = step{stream, 4096}
		for len(r.rest) > 0 {
			if _, err := s.Fill(r); err != nil {
				b.Fatal(err)
			}
			for _, ok := s.Next(); ok; _, ok = s.Next() {
				i++
			}
		}
	}
}

// TestHotPathDoesNotAllocate guards what is done for every request and every event.
func TestHotPathDoesNotAllocate(t *testing.T) {
	dst := make([]byte, 0, 4096)
	var m Meter
	for range 2000 {
		m.Event(deltaChunk)
	}
	m.Reset()
	s := NewScanner(0)
	stream := "data: " + string(nullUsageChunk) + "\n\n"
	r := strings.NewReader("")
	for name, f := range map[string]func(){
		"request": func() {
			p, err := peek(chatBody)
			if err != nil {
				t.Fatal(err)
			}
			dst = p.AppendPatched(dst[:0], chatBody, Patch{Model: "other", IncludeUsage: true})
		},
		"event": func() {
			r.Reset(stream)
			if _, err := s.Fill(r); err != nil {
				t.Fatal(err)
			}
			ev, ok := s.Next()
			if !ok {
				t.Fatal("no event")
			}
			dst = AppendWithoutUsage(dst[:0], ev, m.Event(ev.Data))
		},
	} {
		if n := testing.AllocsPerRun(1000, f); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}
