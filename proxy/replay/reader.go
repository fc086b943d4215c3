package replay

import (
	"context"
	"io"
)

// Reader reads a recording from its beginning, at the pace at which it is written. It is for one goroutine.
type Reader struct {
	r    *Recording
	next int    // chunk
	rest []byte // of the one before
	// chunks are kept once the recording has ended, so that what makes room does not break off those who read.
	chunks [][]byte
	ended  bool
}

// NewReader returns a reader at the beginning.
func (r *Recording) NewReader() *Reader { return &Reader{r: r} }

// Head waits until the answer begins. The error is ErrUnfinished, ErrGone, or that of ctx.
func (rd *Reader) Head(ctx context.Context) (Head, error) {
	for {
		r := rd.r
		r.cache.mu.Lock()
		head, s := r.head, r.state
		if s == finished {
			rd.keep()
		}
		changed := rd.await(head.Status == 0 && s == running)
		r.cache.mu.Unlock()
		switch {
		case s == failed:
			return Head{}, ErrUnfinished
		case s == gone:
			return Head{}, ErrGone
		case head.Status != 0:
			return head, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return Head{}, ctx.Err()
		}
	}
}

// keep takes the chunks of an answer that is whole; the caller holds cache.mu.
func (rd *Reader) keep() {
	if !rd.ended {
		rd.chunks, rd.ended = rd.r.chunks, true
	}
}

// await returns what is closed at the next change, nil if there is nothing to wait for; the caller holds cache.mu.
func (rd *Reader) await(needed bool) <-chan struct{} {
	if !needed {
		return nil
	}
	if rd.r.changed == nil {
		rd.r.changed = make(chan struct{})
	}
	return rd.r.changed
}

// Read gives what has been written, and waits for more until ctx ends. io.EOF is the end of a whole answer; ErrUnfinished
// or ErrGone that there will be none.
func (rd *Reader) Read(ctx context.Context, p []byte) (int, error) {
	for len(rd.rest) == 0 {
		chunk, changed, err := rd.chunk()
		switch {
		case err != nil:
			return 0, err
		case chunk != nil:
			rd.rest = chunk
			continue
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
	n := copy(p, rd.rest)
	rd.rest = rd.rest[n:]
	return n, nil
}

// chunk returns the next one, or what to wait for.
func (rd *Reader) chunk() ([]byte, <-chan struct{}, error) {
	r := rd.r
	r.cache.mu.Lock()
	defer r.cache.mu.Unlock()
	if r.state == finished {
		rd.keep()
	}
	chunks := r.chunks
	if rd.ended {
		chunks = rd.chunks
	}
	switch {
	case rd.next < len(chunks):
		rd.next++
		return chunks[rd.next-1], nil, nil
	case rd.ended:
		return nil, nil, io.EOF
	case r.state == gone:
		return nil, nil, ErrGone
	case r.state == failed:
		return nil, nil, ErrUnfinished
	}
	return nil, rd.await(true), nil
}
