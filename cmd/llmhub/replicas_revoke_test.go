package main

import (
	"bufio"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// revocations is how many streams are cut each way.
const revocations = 20

// TestRevocationReachesReplicas: a key that is deactivated at one replica has its streams cut at another one, whether the
// database's hint arrives or only the poll finds the change. It logs how long that takes.
func TestRevocationReachesReplicas(t *testing.T) {
	r := newReplicaLoopOf(t, 1, 2)
	a, b := r.replicas[0], r.replicas[1]
	sub := a.operator().cli("subscription", "create", "--tenant", a.operator().cli("tenant", "create", "--name", "Revoked"))
	for _, c := range []struct {
		name string
		hint bool
	}{{"the hint arrives", true}, {"the hint is lost", false}} {
		t.Run(c.name, func(t *testing.T) {
			if c.hint {
				b.hints.heal()
			} else {
				b.hints.cut()
			}
			took := make([]time.Duration, revocations)
			for i := range took {
				key := r.addKey(sub, c.name+" "+strconv.Itoa(i))
				r.awaitKey(b.url, key)
				took[i] = revoke(t, a, b, key)
			}
			slices.Sort(took)
			t.Logf("streams of %d keys cut after %v in the median, %v at most", len(took), took[len(took)/2].Round(100*time.Microsecond),
				took[len(took)-1].Round(100*time.Microsecond))
		})
	}
}

// revoke opens a stream at one replica, deactivates its key at another one, and returns how long after that it was cut.
func revoke(t *testing.T, at, streaming *replicaUnderTest, key *loadKey) time.Duration {
	t.Helper()
	body := `{"model": "cancel", "stream": true, "messages": [{"role": "user", "content": "Say some words."}], "x_script": {"tokens": 10000, "pace_ms": 5}}`
	ask, err := http.NewRequestWithContext(t.Context(), http.MethodPost, streaming.url+"/v1/chat/completions", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	ask.Header = http.Header{"Authorization": {"Bearer " + key.secret}, "Content-Type": {"application/json"}}
	answer, err := http.DefaultClient.Do(ask)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	lines := bufio.NewScanner(answer.Body)
	if answer.StatusCode != http.StatusOK || !lines.Scan() {
		t.Fatalf("status %d", answer.StatusCode)
	}
	cut := make(chan time.Time, 1)
	var last string
	go func() {
		for lines.Scan() {
			if text := lines.Text(); text != "" {
				last = text
			}
		}
		cut <- time.Now()
	}()
	at.operator().cli("key", "deactivate", key.id)
	deactivated := time.Now()
	end := <-cut
	if !strings.Contains(last, `"error"`) || !strings.Contains(last, "deactivated") {
		t.Errorf("the stream ends with %q", last)
	}
	return max(0, end.Sub(deactivated))
}

// listenURL returns the URL for hints, by way of a wire of its own.
func (x *replicaUnderTest) listenURL(u *url.URL) string {
	own := *u
	own.Host = "127.0.0.1:" + strconv.Itoa(x.hints.port())
	return own.String()
}
