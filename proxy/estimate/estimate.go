// Package estimate counts the tokens of texts where a model server has not reported its own count.
//
// It uses the vocabulary o200k_base, so its counts are estimates for every model that has another. It is built to be
// safe on hostile text: work is bounded per text and in parallel, and what is beyond the bounds is taken as a token
// for every four bytes. It keeps no text. The vocabulary is set up at the first count, not when the program starts.
package estimate

import (
	"context"
	"sync"
	"unicode"
	"unicode/utf8"

	"github.com/tiktoken-go/tokenizer"
)

const (
	// maxText bounds how much of a call's texts is tokenized, in bytes.
	maxText = 1 << 20
	// pieceSize bounds what the tokenizer gets at once, in bytes: its time may grow faster than the text.
	pieceSize = 1 << 10
	// bytesPerToken is the rule of thumb for what is not tokenized.
	bytesPerToken = 4
)

// Counter counts tokens with bounded parallelism. Its methods may be called concurrently.
type Counter struct {
	slots  chan struct{}
	closed chan struct{}
	once   sync.Once
	codec  func() tokenizer.Codec
}

// New returns a counter that does at most workers counts at once, at least one.
func New(workers int) *Counter {
	return &Counter{
		slots:  make(chan struct{}, max(workers, 1)),
		closed: make(chan struct{}),
		codec: sync.OnceValue(func() tokenizer.Codec {
			codec, err := tokenizer.Get(tokenizer.O200kBase)
			if err != nil {
				return nil
			}
			return codec
		}),
	}
}

// Count returns the tokens of the texts, each counted on its own. It waits for a free slot. When ctx ends, or after
// Close, what has not been counted is taken by its length; so it always has an answer.
func (c *Counter) Count(ctx context.Context, texts ...[]byte) (n int64) {
	if !c.acquire(ctx) {
		return byLength(texts)
	}
	defer func() { <-c.slots }()
	defer func() {
		if recover() != nil { // a fault of the tokenizer must not cost the record
			n = byLength(texts)
		}
	}()
	codec := c.codec()
	if codec == nil {
		return byLength(texts)
	}
	var tokens, rest int64
	budget := maxText
	for _, text := range texts {
		n := min(len(text), budget)
		budget -= n
		counted, left := count(ctx, codec, text[:n])
		tokens += counted
		rest += int64(left + len(text) - n)
	}
	return tokens + perBytes(rest)
}

// Close ends tokenizing and waits for the counts that are under way.
func (c *Counter) Close() {
	c.once.Do(func() {
		close(c.closed)
		for range cap(c.slots) {
			c.slots <- struct{}{}
		}
	})
}

func (c *Counter) acquire(ctx context.Context) bool {
	select {
	case <-c.closed:
		return false
	case <-ctx.Done():
		return false
	default:
	}
	select {
	case c.slots <- struct{}{}:
		return true
	case <-c.closed:
	case <-ctx.Done():
	}
	return false
}

// count tokenizes text piece by piece and returns the tokens, and how many bytes are left uncounted because ctx ended.
func count(ctx context.Context, codec tokenizer.Codec, text []byte) (tokens int64, left int) {
	for len(text) > 0 {
		if ctx.Err() != nil {
			return tokens, len(text)
		}
		n := cut(text)
		got, err := codec.Count(string(text[:n]))
		if err != nil {
			got = int(perBytes(int64(n)))
		}
		tokens += int64(got)
		text = text[n:]
	}
	return tokens, 0
}

// cut returns the length of the next piece: up to where the tokenizer divides in any case, if there is such a place
// near the bound; otherwise up to a whole character.
func cut(text []byte) int {
	if len(text) <= pieceSize {
		return len(text)
	}
	for i := pieceSize - 1; i > pieceSize/2; i-- {
		if divides(text, i) {
			return i
		}
	}
	for i := pieceSize; i > pieceSize-utf8.UTFMax; i-- {
		if utf8.RuneStart(text[i]) {
			return i
		}
	}
	return pieceSize
}

// divides says that no token reaches over index i: a single space belongs to the word behind it, and nothing but white
// space and slashes is joined to a line end.
func divides(text []byte, i int) bool {
	switch {
	case text[i] == ' ':
		before, _ := utf8.DecodeLastRune(text[:i])
		behind, _ := utf8.DecodeRune(text[i+1:])
		return !unicode.IsSpace(before) && !unicode.IsSpace(behind)
	case text[i-1] == '\n':
		at, _ := utf8.DecodeRune(text[i:])
		return !unicode.IsSpace(at) && at != '/'
	}
	return false
}

func byLength(texts [][]byte) int64 {
	var n int64
	for _, text := range texts {
		n += int64(len(text))
	}
	return perBytes(n)
}

// perBytes estimates the tokens of n bytes, rounded up.
func perBytes(n int64) int64 { return (n + bytesPerToken - 1) / bytesPerToken }
