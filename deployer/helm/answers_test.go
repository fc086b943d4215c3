package helm_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"llmhub/deployer"
	"llmhub/secret"
)

// What a gateway says in the place of a cluster, or a cluster that has no time, is no answer: it is asked again.
func TestAnswersThatAreNone(t *testing.T) {
	status := func(code int, reason string) string {
		return fmt.Sprintf(`{"kind":"Status","apiVersion":"v1","status":"Failure","message":"later","reason":%q,"code":%d}`, reason, code)
	}
	for _, c := range []struct {
		code int
		body string
	}{
		{http.StatusBadGateway, "<html>Bad Gateway</html>"}, {http.StatusServiceUnavailable, ""}, {http.StatusGatewayTimeout, "no answer"},
		{http.StatusInternalServerError, "oops"}, {http.StatusServiceUnavailable, status(503, "ServiceUnavailable")},
		{http.StatusGatewayTimeout, status(504, "Timeout")}, {http.StatusTooManyRequests, status(429, "TooManyRequests")},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(c.code)
			fmt.Fprint(w, c.body)
		}))
		_, _, err := newReleases(t, nil).Get(t.Context(), deployer.Access{Server: server.URL, Token: secret.New("a token")}, "default", "probe")
		if got := reasonOf(t, err); got.Code != deployer.Unreachable {
			t.Errorf("%d %q: got %v", c.code, c.body, got)
		}
		server.Close()
	}
}
