package main

import (
	"fmt"
	"io"
	"os"
	"time"
)

const (
	// progressAfter is how long a demo is made in silence, progressEvery how often it is told how far it is.
	progressAfter = 2 * time.Second
	progressEvery = 250 * time.Millisecond
)

// progress tells somebody at a terminal how far the making of a demo is, on one line. It tells nobody else.
type progress struct {
	out   io.Writer // nil if nobody is told
	next  time.Time
	shown bool
}

func newProgress(stderr io.Writer) *progress {
	p := &progress{next: time.Now().Add(progressAfter)}
	if f, ok := stderr.(*os.File); ok {
		if info, err := f.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
			p.out = f
		}
	}
	return p
}

// step says that so many of all have been made.
func (p *progress) step(what string, done, all int) {
	if p.out == nil || time.Now().Before(p.next) {
		return
	}
	p.next, p.shown = time.Now().Add(progressEvery), true
	fmt.Fprintf(p.out, "\r\x1b[Kmaking the demo: %d of %d %s", done, all, what)
}

// end removes the line.
func (p *progress) end() {
	if p.shown {
		fmt.Fprint(p.out, "\r\x1b[K")
	}
}
