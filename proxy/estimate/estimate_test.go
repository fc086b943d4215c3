package estimate

import (
	"bytes"
	"context"
	"strings"
	"sync"
	"testing"

	"github.com/tiktoken-go/tokenizer"
)

func TestCount(t *testing.T) {
	c := New(1)
	defer c.Close()
	for _, x := range []struct {
		texts []string
		want  int64
	}{
		{nil, 0},
		{[]string{""}, 0},
		{[]string{"hello world"}, 2},
		{[]string{"hello", " world"}, 2},
		{[]string{"hello world", "hello world"}, 4},
		{[]string{"Grüße aus Köln"}, 5},
	} {
		var texts [][]byte
		for _, s := range x.texts {
			texts = append(texts, []byte(s))
		}
		if got := c.Count(context.Background(), texts...); got != x.want {
			t.Errorf("%q: %d tokens, want %d", x.texts, got, x.want)
		}
	}
}

// TestPiecesCountAsOne checks that cutting a long text into pieces does not change its count, where it has words.
func TestPiecesCountAsOne(t *testing.T) {
	codec, err := tokenizer.Get(tokenizer.O200kBase)
	if err != nil {
		t.Fatal(err)
	}
	c := New(1)
	defer c.Close()
	for _, line := range []string{
		"Many writers share one sync of the log.\nEach waits for the batch, not for its own write: größer, 漢字!\n\n",
		"Много авторов делят одну запись журнала.  Каждый ждёт.\r\n",
		"if err != nil {\n\t\treturn fmt.Errorf(\"read %s: %w\", path, err) // a/b\n\t}\n    x = 'don''T'\n",
	} {
		text := strings.Repeat(line, 500)
		want, err := codec.Count(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := c.Count(context.Background(), []byte(text)); got != int64(want) {
			t.Errorf("%q: %d tokens in pieces, %d at once", line, got, want)
		}
	}
}

func TestCut(t *testing.T) {
	for _, text := range []string{
		strings.Repeat("a", 3*pieceSize), strings.Repeat("é", 3*pieceSize), strings.Repeat("😀", pieceSize), strings.Repeat("\x80", 3*pieceSize),
		strings.Repeat(" ", 3*pieceSize), strings.Repeat("ab ", pieceSize), "short",
	} {
		for rest := []byte(text); len(rest) > 0; {
			n := cut(rest)
			if n < 1 || n > pieceSize || n > len(rest) {
				t.Fatalf("%.10q: a piece of %d bytes of %d", text, n, len(rest))
			}
			if n < len(rest) && bytes.HasPrefix([]byte(text), []byte("😀")) && n%4 != 0 {
				t.Fatalf("%.10q: torn within a character at %d", text, n)
			}
			rest = rest[n:]
		}
	}
}

func TestBeyondTheBoundIsByLength(t *testing.T) {
	c := New(1)
	defer c.Close()
	text := bytes.Repeat([]byte("hello world "), maxText/12+1)[:maxText]
	within := c.Count(context.Background(), text)
	beyond := c.Count(context.Background(), text, bytes.Repeat([]byte("hello world "), 1000))
	if beyond-within != 12_000/bytesPerToken {
		t.Errorf("12,000 bytes beyond the bound count %d tokens, want %d", beyond-within, 12_000/bytesPerToken)
	}
}

func TestCancelledAndClosedCountByLength(t *testing.T) {
	text := []byte("hello world")
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	c := New(1)
	if got := c.Count(ctx, text, text); got != 6 {
		t.Errorf("cancelled: %d tokens, want 6", got)
	}
	c.Close()
	c.Close()
	if got := c.Count(context.Background(), text); got != 3 {
		t.Errorf("closed: %d tokens, want 3", got)
	}
}

// TestSlots checks that a count waits while all slots are taken, and gives up waiting when its context ends.
func TestSlots(t *testing.T) {
	c := New(1)
	c.slots <- struct{}{}
	ctx, cancel := context.WithCancel(context.Background())
	counted := make(chan int64)
	go func() { counted <- c.Count(ctx, []byte("hello world")) }()
	select {
	case <-counted:
		t.Fatal("counted without a slot")
	default:
	}
	cancel()
	if got := <-counted; got != 3 {
		t.Errorf("%d tokens, want 3 by length", got)
	}
	closed := make(chan struct{})
	go func() { c.Close(); close(closed) }()
	<-c.closed
	select {
	case <-closed:
		t.Fatal("Close did not wait for the slot")
	default:
	}
	<-c.slots
	<-closed
}

func TestConcurrentCounts(t *testing.T) {
	c := New(2)
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			if got := c.Count(context.Background(), []byte("hello world")); got != 2 {
				t.Errorf("%d tokens, want 2", got)
			}
		})
	}
	group.Wait()
	c.Close()
}

// hostile gives texts of n bytes such as make tokenizers slow.
func hostile(n int) map[string][]byte {
	texts := map[string][]byte{"random": make([]byte, n)}
	x := uint32(1)
	for i := range n {
		x = x*1664525 + 1013904223
		texts["random"][i] = byte(x >> 24)
	}
	for name, part := range map[string]string{
		"letter": "a", "capitals": "A", "spaces": " ", "line ends": "\n", "mixed space": " \n\t", "apostrophes": "'s",
		"marks": "\u0301", "punctuation": "!/", "not UTF-8": "\xff\xc3", "digits": "7",
	} {
		texts[name] = []byte(strings.Repeat(part, n/len(part)))
	}
	return texts
}

// TestHostile counts hostile texts; that it comes to an end is the test.
func TestHostile(t *testing.T) {
	const size = 64 << 10
	c := New(1)
	defer c.Close()
	for name, text := range hostile(size) {
		if got := c.Count(context.Background(), text); got < 1 || got > size {
			t.Errorf("%s: %d tokens", name, got)
		}
	}
}

func BenchmarkHostile(b *testing.B) {
	c := New(1)
	for name, text := range hostile(maxText) {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				c.Count(context.Background(), text)
			}
		})
	}
}

func BenchmarkAnswer(b *testing.B) {
	c := New(1)
	text := []byte(strings.Repeat("Many writers share one sync of the log. Each waits for the batch, not for its own write. ", 25))
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		c.Count(context.Background(), text)
	}
}
