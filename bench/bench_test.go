package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"llmhub/proxy/proxytest"
)

// TestMain lets the test binary be the processes that the benchmark starts from its own binary.
func TestMain(m *testing.M) {
	if len(os.Args) == 2 && (os.Args[1] == providerMode || os.Args[1] == loadMode) {
		if err := run(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr); err != nil {
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func TestDirectRunPrintsEveryScenario(t *testing.T) {
	var out, log bytes.Buffer
	args := []string{"--quick", "--only", "direct", "--rounds", "1", "--duration", "20ms", "--open", "10", "--dir", t.TempDir()}
	if err := run(t.Context(), args, nil, &out, &log); err != nil {
		t.Fatalf("%v\n%s", err, log.String())
	}
	for _, want := range []string{"### Whole answers", "### Streams of 100 events", "### Responses, streams of 100 events", "### Messages, streams of 100 events", "### Paced streams", "| 256 | direct |"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the report lacks %q:\n%s", want, out.String())
		}
	}
}

func TestBadArguments(t *testing.T) {
	for _, args := range [][]string{{"--only", "apache"}, {"--rounds", "-1"}, {"--open", "0"}, {"more"}, {"--nothing"}} {
		if err := run(t.Context(), args, nil, io.Discard, io.Discard); err == nil {
			t.Errorf("%q is accepted", args)
		}
	}
}

func TestInterruptEndsTheRun(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := run(ctx, []string{"--only", "direct", "--dir", t.TempDir()}, nil, io.Discard, io.Discard); err == nil {
		t.Error("an interrupted run is no error")
	}
}

// TestClientCountsInEverySplit reads the same stream divided in many ways.
func TestClientCountsInEverySplit(t *testing.T) {
	p, err := proxytest.Start(proxytest.Options{Keep: -1})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	addr := strings.TrimSuffix(strings.TrimPrefix(p.URL(), "http://"), "/v1")
	for _, split := range []proxytest.Split{{}, {Bytes: 1}, {Bytes: 9}, {Events: 7}, {Events: 1000}, {Seed: 5}} {
		p.Script(modelName, proxytest.Script{Split: split})
		for _, kind := range []string{kindStream, kindResponses, kindMessages} {
			j := scenario{kind: kind, clients: 2}.job(&target{name: "t", addr: addr, key: "k"}, time.Nanosecond)
			r, err := j.run(func(result) error { return nil })
			if err != nil || r.Errors != 0 || r.Requests != 2 || r.Events != 2*streamEvents || r.First.P50 > r.Latency.P50 {
				t.Errorf("%s, split %+v: %+v, %v", kind, split, r, err)
			}
		}
	}
	if u := p.Totals().ByUser["t"].FinishedUsage; u.Output != 12*(streamWords+responsesWords+messagesWords) || u.Prompt != 36*promptTokens {
		t.Errorf("totals %+v", u)
	}
}

func TestClientSeesBrokenAnswers(t *testing.T) {
	good := "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
	for name, c := range map[string]struct {
		answer string
		events int
		errors int64
	}{
		"good":            {good, 0, 0},
		"status":          {strings.Replace(good, "200 OK", "503 No", 1), 0, 1},
		"cut":             {good[:len(good)-1], 0, 1},
		"not whole":       {strings.Replace(good, "{}", "{,", 1), 0, 1},
		"no length":       {"HTTP/1.1 200 OK\r\n\r\n{}", 0, 1},
		"bad chunk":       {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n", 0, 1},
		"stream":          {stream("data: 1\n\ndata: [DONE]\n\n"), 2, 0},
		"event lost":      {stream("data: [DONE]\n\n"), 2, 1},
		"done is missing": {stream("data: 1\n\ndata: 2\n\n"), 2, 1},
	} {
		j := job{Addr: answerOnce(t, c.answer), Path: chatPath, Clients: 1, Events: c.events, End: chatEnd, Hold: true}
		if c.events == 0 {
			j.End = wholeEnd
		}
		r, err := j.run(func(result) error { return nil })
		if err != nil || r.Errors != c.errors || r.Requests != 1-c.errors {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
	}
}

// stream returns an answer with the body in two chunks, divided within the first event.
func stream(body string) string {
	return fmt.Sprintf("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n%s\r\n%x\r\n%s\r\n0\r\n\r\n", body[:4], len(body)-4, body[4:])
}

// answerOnce gives the answer to the first request on the returned address and closes.
func answerOnce(t *testing.T, answer string) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() { l.Close(); <-done })
	go func() {
		defer close(done)
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		if _, err := c.Read(make([]byte, 4096)); err == nil {
			_, _ = io.WriteString(c, answer)
		}
	}()
	return l.Addr().String()
}

func TestFigures(t *testing.T) {
	var all []time.Duration
	for i := range 101 {
		all = append(all, time.Duration(100-i))
	}
	if q := quantilesOf(all); q.P50 != 50 || q.P99 != 99 {
		t.Errorf("quantiles %+v", q)
	}
	s := series{{result: result{Requests: 1, Elapsed: time.Second}, cpu: time.Millisecond},
		{result: result{Requests: 3, Elapsed: time.Second}, cpu: time.Millisecond}}
	if s.cpuPerRequest() != 500 || s.perSecond() != 2 {
		t.Errorf("%v µs a request, %v requests a second", s.cpuPerRequest(), s.perSecond())
	}
}

func TestLedgerIsCompared(t *testing.T) {
	u := proxytest.Usage{Prompt: 5, Cached: 1, Output: 4, Reasoning: 2}
	c := proxytest.Counts{Requests: 2, Finished: 2, HandedOut: u, FinishedUsage: u}
	good := ledger{Requests: 2, Input: 5, Cached: 1, Output: 4, Reasoning: 2}
	if err := compare(good, c); err != nil {
		t.Error(err)
	}
	for _, wrong := range []ledger{{}, {Requests: 2, Input: 5, Cached: 1, Output: 5, Reasoning: 2},
		{Requests: 1, Input: 5, Cached: 1, Output: 4, Reasoning: 2}, {Requests: 2, Input: 5, Cached: 1, Output: 4, Reasoning: 2, Estimated: 1}} {
		if compare(wrong, c) == nil {
			t.Errorf("%+v is accepted", wrong)
		}
	}
}

// TestProcessorTimeGrows burns time and finds it, by threads and by ticks.
func TestProcessorTimeGrows(t *testing.T) {
	for name, of := range map[string]func(int) (time.Duration, error){"threads": threadTime, "ticks": tickTime, "either": cpuTime} {
		before, err := of(os.Getpid())
		if err != nil {
			t.Fatal(name, err)
		}
		for end := time.Now().Add(10 * time.Second); ; {
			now, err := of(os.Getpid())
			if err != nil {
				t.Fatal(name, err)
			}
			if now > before {
				break
			}
			if time.Now().After(end) {
				t.Fatalf("%s: no time was found to be used", name)
			}
		}
	}
	if now, peak, err := memory(os.Getpid()); err != nil || now <= 0 || peak < now/2 {
		t.Errorf("memory %d, %d, %v", now, peak, err)
	}
}
