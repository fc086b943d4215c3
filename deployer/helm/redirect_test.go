package helm_test

import (
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"llmhub/deployer"
	"llmhub/secret"
)

// A token goes to the cluster that it is for, whatever that answers and whatever the environment says.
func TestTokenStaysWithCluster(t *testing.T) {
	var shown atomic.Int32
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if q.Header.Get("Authorization") != "" {
			shown.Add(1)
		}
		http.NotFound(w, q)
	}))
	defer other.Close()
	for _, status := range []int{http.StatusMovedPermanently, http.StatusFound, http.StatusTemporaryRedirect} {
		cluster := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
			http.Redirect(w, q, other.URL+q.URL.Path, status)
		}))
		_, _, err := newReleases(t, nil).Get(t.Context(), deployer.Access{Server: cluster.URL, Token: secret.New("a token")}, "default", "probe")
		if err == nil {
			t.Errorf("%d: an answer that is none is taken for one", status)
		}
		cluster.Close()
	}
	t.Setenv("HTTP_PROXY", other.URL)
	_, _, err := newReleases(t, nil).Get(t.Context(), deployer.Access{Server: "http://cluster.invalid", Token: secret.New("a token")}, "default", "probe")
	if got := reasonOf(t, err); got.Code != deployer.Unreachable {
		t.Errorf("got %v", got)
	}
	if n := shown.Load(); n > 0 {
		t.Errorf("the token was sent elsewhere %d times", n)
	}
}
