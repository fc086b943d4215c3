package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

// loadMode is the argument that makes the binary a load generator.
const loadMode = "load"

// job is one measurement: so many clients send the same request again and again, each on a connection of its own.
//
// With several keys each request takes one at random, and may be refused because of its limits. With a rate, all clients
// together send so many requests a second, as far as the answers come fast enough.
type job struct {
	Addr    string        `json:"addr"`
	Path    string        `json:"path"`
	Key     string        `json:"key"`
	Body    string        `json:"body"`
	Clients int           `json:"clients"`
	For     time.Duration `json:"for"`
	// Events is how many events each answer must have; 0 for a whole answer.
	Events int `json:"events"`
	// End is what each answer must end with, at most eight bytes.
	End string `json:"end"`
	// Spread is the time over which the clients begin.
	Spread time.Duration `json:"spread"`
	// Hold sends one request for each client and reports when all answers have begun; a second report follows in the end.
	Hold bool     `json:"hold"`
	Keys []string `json:"keys"`
	Rate float64  `json:"rate"`
	// Replicas are addresses that the clients are spread over, in place of Addr.
	Replicas []string `json:"replicas"`
}

// result is what became of a job.
type result struct {
	Requests   int64         `json:"requests"`
	Events     int64         `json:"events"`
	Refused    int64         `json:"refused"`
	Errors     int64         `json:"errors"`
	FirstError string        `json:"first_error"`
	Elapsed    time.Duration `json:"elapsed"`
	// Latency is to the last byte, First to the first byte of the body.
	Latency quantiles `json:"latency"`
	First   quantiles `json:"first"`
}

// quantiles of a set of durations.
type quantiles struct {
	P50 time.Duration `json:"p50"`
	P95 time.Duration `json:"p95"`
	P99 time.Duration `json:"p99"`
}

func quantilesOf(all []time.Duration) quantiles {
	if len(all) == 0 {
		return quantiles{}
	}
	slices.Sort(all)
	at := func(q float64) time.Duration { return all[int(q*float64(len(all)-1)+0.5)] }
	return quantiles{P50: at(0.50), P95: at(0.95), P99: at(0.99)}
}

// runLoad does the jobs that come in as lines of JSON, and answers each with a line.
func runLoad(in io.Reader, out io.Writer) error {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 1<<20)
	answers := json.NewEncoder(out)
	for lines.Scan() {
		var j job
		if err := json.Unmarshal(lines.Bytes(), &j); err != nil {
			return fmt.Errorf("job: %w", err)
		}
		began := func(result) error { return nil }
		if j.Hold {
			began = func(r result) error { return answers.Encode(r) }
		}
		r, err := j.run(began)
		if err != nil {
			return err
		}
		if err := answers.Encode(r); err != nil {
			return err
		}
	}
	return lines.Err()
}

// tally is what one client has seen.
type tally struct {
	requests, events, refused, errors int64
	firstError                        error
	latency, first                    []time.Duration
}

// run does the job. Began is called once all answers of a job that holds have begun or failed.
func (j *job) run(began func(result) error) (result, error) {
	requests := [][]byte{j.request(j.Key)}
	if len(j.Keys) > 0 {
		requests = requests[:0]
		for _, key := range j.Keys {
			requests = append(requests, j.request(key))
		}
	}
	start := time.Now()
	tallies := make([]tally, j.Clients)
	var clients, begun sync.WaitGroup
	for i := range tallies {
		begun.Add(1)
		clients.Go(func() {
			if j.Spread > 0 {
				time.Sleep(rand.N(j.Spread))
			}
			j.client(&tallies[i], j.addr(i), requests, start, sync.OnceFunc(begun.Done))
		})
	}
	begun.Wait()
	err := began(result{Requests: int64(j.Clients), Elapsed: time.Since(start)})
	clients.Wait()
	return j.sum(tallies, time.Since(start)), err
}

func (j *job) sum(tallies []tally, elapsed time.Duration) result {
	r := result{Elapsed: elapsed}
	var latency, first []time.Duration
	for i := range tallies {
		t := &tallies[i]
		r.Requests += t.requests
		r.Events += t.events
		r.Refused += t.refused
		r.Errors += t.errors
		if t.firstError != nil && r.FirstError == "" {
			r.FirstError = t.firstError.Error()
		}
		latency = append(latency, t.latency...)
		first = append(first, t.first...)
	}
	r.Latency, r.First = quantilesOf(latency), quantilesOf(first)
	return r
}

// addr is where a client's requests go.
func (j *job) addr(client int) string {
	if len(j.Replicas) == 0 {
		return j.Addr
	}
	return j.Replicas[client%len(j.Replicas)]
}

// client sends requests until the time is over, one after another; begun is called when the first answer begins.
func (j *job) client(t *tally, addr string, requests [][]byte, start time.Time, begun func()) {
	defer begun()
	c := newClient(j, addr)
	defer c.close()
	for sent := start; ; {
		if j.Rate > 0 {
			time.Sleep(time.Until(sent))
			sent = sent.Add(time.Duration(float64(j.Clients) / j.Rate * float64(time.Second)))
		}
		t.ask(c, requests[rand.N(len(requests))], begun)
		if t.errors > 100 {
			return
		}
		if j.Hold || time.Since(start) >= j.For {
			return
		}
	}
}

// ask sends one request and counts what comes of it.
func (t *tally) ask(c *client, request []byte, begun func()) {
	sent := time.Now()
	first, events, err := c.do(request, begun)
	switch {
	case err == errRefused:
		t.refused++
	case err != nil:
		c.close()
		t.errors++
		if t.firstError == nil {
			t.firstError = err
		}
	default:
		t.requests++
		t.events += int64(events)
		t.first = append(t.first, first)
		t.latency = append(t.latency, time.Since(sent))
	}
}
