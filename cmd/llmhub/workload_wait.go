package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/term"
)

const (
	// pollEvery is how often a workload is looked at that is waited for.
	pollEvery = time.Second
	// maxPollFailures bounds how often in a row the server may fail to answer: it may be starting again.
	maxPollFailures = 60
)

// wait follows the workload in text until no operation is under way and returns it as it is then. That it is in error is the
// ending, and not an error.
func (o *ending) wait(ctx context.Context, env *environment, c *client, text json.RawMessage) (json.RawMessage, error) {
	line := newStatusLine(env)
	defer line.end()
	var w workloadAnswer
	for failures := 0; ; {
		if err := json.Unmarshal(text, &w); err != nil {
			return nil, err
		}
		line.show("workload " + w.ID + " is " + w.progress())
		if !w.pending() || w.stuck() {
			o.err = w.verdict()
			return text, nil
		}
		for {
			select {
			case <-time.After(pollEvery):
			case <-ctx.Done():
				return nil, fmt.Errorf("interrupted; workload %s goes on", clean(w.ID))
			}
			next, err := c.get(ctx, workloadPath(w.ID), nil)
			if err == nil {
				text, failures = next, 0
				break
			}
			if failures++; !passing(err) || failures == maxPollFailures || ctx.Err() != nil {
				return nil, err
			}
		}
	}
}

// passing says whether an error may be over in a while: the server is not reached, or says that it cannot answer now.
func passing(err error) bool {
	var answer *answerError
	return !errors.As(err, &answer) || answer.Status == http.StatusServiceUnavailable
}

// stuck says that the operation does not go on by itself.
func (w workloadAnswer) stuck() bool { return w.Reason != nil && w.Reason.Code == codeAccessEnded }

// verdict returns the bad news of a workload, nil if it is as it should be.
func (w workloadAnswer) verdict() error {
	switch {
	case w.pending() && w.stuck():
		return &hintedError{
			fmt.Errorf("workload %s waits: %s", clean(w.ID), w.Reason),
			"set " + iamVariable + " to another IAM token, then llmhub workload continue " + clean(w.ID),
		}
	case w.State == "error":
		return fmt.Errorf("workload %s is in error: %s", clean(w.ID), w.Reason)
	}
	return nil
}

// statusLine shows how something goes on, on standard error: in one line of a terminal, or else in a line for each change.
type statusLine struct {
	env      *environment
	terminal bool
	width    int
	shown    string
}

func newStatusLine(env *environment) *statusLine {
	f, ok := env.stderr.(*os.File)
	return &statusLine{env: env, terminal: ok && term.IsTerminal(int(f.Fd()))}
}

func (l *statusLine) show(text string) {
	text = clean(text)
	switch {
	case text == l.shown:
		return
	case l.terminal:
		// Without escapes: the rest of a longer line before is overwritten.
		width := utf8.RuneCountInString(text)
		fmt.Fprint(l.env.stderr, "\r"+text+strings.Repeat(" ", max(0, l.width-width)))
		l.width = width
	default:
		fmt.Fprintln(l.env.stderr, text)
	}
	l.shown = text
}

// end leaves the line.
func (l *statusLine) end() {
	if l.terminal && l.shown != "" {
		fmt.Fprintln(l.env.stderr)
	}
}
