package proxy

import (
	"net/http"
	"testing"
	"time"

	"llmhub/proxy/upstream"
)

func TestRetryAfter(t *testing.T) {
	in := func(d time.Duration) string { return time.Now().Add(d).UTC().Format(http.TimeFormat) }
	for text, want := range map[string]time.Duration{
		"": 0, "0": 0, "-3": 0, "soon": 0, "1.5": 0, "7": 7 * time.Second, "86399": 86399 * time.Second, "86400": 0,
		"99999999999999999999": 0, in(-time.Minute): 0, in(time.Minute): time.Minute, in(25 * time.Hour): 0,
	} {
		got := retryAfterOf(&upstream.Call{RetryAfter: text})
		if got > want || got < want-2*time.Second || (got == 0) != (want == 0) {
			t.Errorf("%q is %s, want %s", text, got, want)
		}
	}
}

// TestJitter insists on something from half to all of it.
func TestJitter(t *testing.T) {
	for _, d := range []time.Duration{0, 1, 2, time.Millisecond, maxBackoff} {
		for range 1000 {
			if got := jittered(d); got > d || got < d/2 {
				t.Fatalf("%s of %s", got, d)
			}
		}
	}
}
