package main

import (
	"fmt"
	"io"
	"os"
	"time"
)

const (
	// progressAfter is how long work is done in silence, progressEvery how often it is told how far it is.
	progressAfter = 2 * time.Second
	progressEvery = 250 * time.Millisecond
)

// progress tells somebody at a terminal how far a piece of work is, on one line. It tells nobody else.
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

// step says that so many of all of a demo have been made.
func (p *progress) step(what string, done, all int) {
	p.say("making the demo: %d of %d %s", done, all, what)
}

// bytes says that so many bytes of all have been worked on; all is 0 where it is not known.
func (p *progress) bytes(what string, done, all int64) {
	if all == 0 {
		p.say("%s: %s MiB", what, count(done>>20))
		return
	}
	p.say("%s: %s of %s MiB", what, count(done>>20), count(all>>20))
}

func (p *progress) say(format string, args ...any) {
	if p.out == nil || time.Now().Before(p.next) {
		return
	}
	p.next, p.shown = time.Now().Add(progressEvery), true
	fmt.Fprintf(p.out, "\r\x1b[K"+format, args...)
}

// end removes the line.
func (p *progress) end() {
	if p.shown {
		fmt.Fprint(p.out, "\r\x1b[K")
	}
}
