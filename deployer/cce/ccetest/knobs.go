package ccetest

import (
	"context"
	"io"
	"net/http"
	"slices"
	"strings"
)

// Part is one of the two services.
type Part string

// The parts.
const (
	API     Part = "api"
	Gateway Part = "gateway"
)

// Mood is how a part behaves.
type Mood string

// The moods.
const (
	// Well answers as it should.
	Well Mood = ""
	// Away closes connections without an answer.
	Away Mood = "away"
	// Slow does not answer as long as its client waits.
	Slow Mood = "slow"
	// Endless answers without an end.
	Endless Mood = "endless"
	// Garbled answers JSON of other types than promised.
	Garbled Mood = "garbled"
	// HTML answers a page, as a proxy in between does.
	HTML Mood = "html"
	// Broken answers status 500.
	Broken Mood = "broken"
)

// maxRequests is how many requests are remembered: enough for any test, and nothing that grows in a demo of days.
const maxRequests = 10_000

// Set puts a part into a mood, and breaks off what is running.
func (s *Server) Set(p Part, m Mood) { s.breakOff(func() { s.moods[p] = m }) }

// Expire ends the time of all tokens that have been used here until now, and breaks off what is running. The identity
// service knows nothing of it: a token that is fetched anew holds.
func (s *Server) Expire() {
	s.breakOff(func() {
		for t := range s.used {
			s.expired[t] = true
		}
	})
}

// Put makes a cluster, or replaces that with the same ID.
func (s *Server) Put(c Cluster) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clusters = append(slices.DeleteFunc(s.clusters, func(o Cluster) bool { return o.ID == c.ID }), c)
}

// Remove removes a cluster.
func (s *Server) Remove(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clusters = slices.DeleteFunc(s.clusters, func(o Cluster) bool { return o.ID == id })
}

// Requests returns the requests that have come, in order.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

func (s *Server) breakOff(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
	s.cut()
	s.running, s.cut = context.WithCancel(context.Background())
}

// moody notes a request and lets it be answered as the part's mood is. The context of requests ends when what is running is
// broken off.
func (s *Server) moody(p Part, next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		if len(s.requests) < maxRequests {
			s.requests = append(s.requests, Request{Part: p, Method: r.Method, Path: r.URL.Path})
		}
		mood, running := s.moods[p], s.running
		s.mu.Unlock()
		ctx, cancel := context.WithCancel(r.Context())
		defer cancel()
		defer context.AfterFunc(running, cancel)()
		if mood != Well {
			mood.answer(ctx, w, r)
			return
		}
		next(w, r.WithContext(ctx))
	}
}

func (m Mood) answer(ctx context.Context, w http.ResponseWriter, r *http.Request) {
	// That a client leaves is noticed only when its request has been read.
	_, _ = io.Copy(io.Discard, io.LimitReader(r.Body, 1<<20))
	w.Header().Set("Content-Type", "application/json")
	switch m {
	case Away:
		panic(http.ErrAbortHandler)
	case Slow:
		<-ctx.Done()
		panic(http.ErrAbortHandler)
	case Endless:
		_, err := io.WriteString(w, `{"kind":"`)
		for piece := strings.Repeat("x", 64<<10); err == nil && ctx.Err() == nil; {
			_, err = io.WriteString(w, piece)
		}
	case Garbled:
		_, _ = io.WriteString(w, `{"kind":7,"metadata":[],"items":{"a":"b"},"clusters":"none"}`)
	case HTML:
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, "<!DOCTYPE html><title>Sign in</title>")
	case Broken:
		refuse(w, http.StatusInternalServerError, "CCE.03500001", "Internal error.")
	}
}
