package kube

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"llmhub/deployer"
	"llmhub/secret"
)

// answering returns a cluster whose API server answers everything as handle does.
func answering(t *testing.T, handle http.HandlerFunc) *cluster {
	t.Helper()
	s := httptest.NewTLSServer(handle)
	t.Cleanup(s.Close)
	return testOpen(t, deployer.Access{
		Server: s.URL, Token: secret.New("canary-token"),
		CA: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}),
	})
}

func TestBadAnswers(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("the redirect was followed to %s with %q", r.URL, r.Header["Authorization"])
	}))
	defer elsewhere.Close()
	status := func(code int, reason, message string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(code)
			_ = json.NewEncoder(w).Encode(metav1.Status{TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: "Failure", Code: int32(code),
				Reason: metav1.StatusReason(reason), Message: message})
		}
	}
	text := func(code int, text string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			if strings.HasPrefix(text, "{") {
				w.Header().Set("Content-Type", "application/json")
			}
			w.WriteHeader(code)
			_, _ = w.Write([]byte(text))
		}
	}
	for name, test := range map[string]struct {
		handle http.HandlerFunc
		code   deployer.ReasonCode
		want   string
	}{
		"401":                 {status(401, "Unauthorized", "Unauthorized"), deployer.AccessEnded, "list namespaces"},
		"401 of a gateway":    {text(401, `{"errorMessage":"Authorization failed.","errorCode":"CCE.01401001"}`), deployer.AccessEnded, ""},
		"403":                 {status(403, "Forbidden", `User "u" cannot list`), deployer.AccessDenied, `list namespaces: User "u" cannot list`},
		"403 of a gateway":    {text(403, "no"), deployer.AccessDenied, ""},
		"404 of a web server": {text(404, "<html>"), deployer.Unreachable, ""},
		"500":                 {status(500, "InternalError", "etcd"), deployer.Unreachable, "etcd"},
		"502":                 {text(502, "bad gateway"), deployer.Unreachable, ""},
		"504":                 {text(504, ""), deployer.Unreachable, ""},
		"a page":              {text(200, "<html>hello</html>"), deployer.Unreachable, ""},
		"another kind":        {text(200, `{"kind":"PodList","apiVersion":"v1","items":[{"metadata":{"name":7}}]}`), deployer.Unreachable, ""},
		"nothing":             {text(200, ""), deployer.Unreachable, ""},
		"a redirect":          {http.RedirectHandler(elsewhere.URL, http.StatusTemporaryRedirect).ServeHTTP, deployer.Unreachable, ""},
		"a very large answer": {func(w http.ResponseWriter, _ *http.Request) { tooMuch(w) }, deployer.Unreachable, "32 MiB"},
		"a cut":               {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, deployer.Unreachable, ""},
		"control characters":  {status(400, "BadRequest", "a\x1b[2Jb\nc"), deployer.Rejected, "a [2Jb c"},
	} {
		t.Run(name, func(t *testing.T) {
			ctx := t.Context()
			if name == "a cut" { // It is tried again for as long as there is time.
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, time.Second)
				defer cancel()
			}
			_, err := answering(t, test.handle).Namespaces(ctx)
			if code(err) != test.code || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "canary") {
				t.Errorf("%v", err)
			}
		})
	}
}

func tooMuch(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write([]byte(`{"kind":"NamespaceList","apiVersion":"v1","metadata":{"resourceVersion":"`))
	block := []byte(strings.Repeat("x", 1<<20))
	for range maxAnswerBytes>>20 + 1 {
		if _, err := w.Write(block); err != nil {
			return
		}
	}
}

func TestUserAgent(t *testing.T) {
	c := answering(t, func(w http.ResponseWriter, r *http.Request) {
		if r.UserAgent() != "llmhub" || r.Header.Get("Authorization") != "Bearer canary-token" {
			t.Errorf("%v", r.Header)
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"kind":"NamespaceList","apiVersion":"v1","items":[{"metadata":{"name":"b"},"status":{"phase":"Terminating"}},{"metadata":{"name":"a"}}]}`))
	})
	got, err := c.Namespaces(t.Context())
	if err != nil || len(got) != 2 || got[0] != (deployer.Namespace{Name: "a", Usable: true}) || got[1] != (deployer.Namespace{Name: "b"}) {
		t.Errorf("%v, %v", got, err)
	}
}

// TestCallerGivesUp: that is no fault of the cluster, but a time limit that runs out is.
func TestCallerGivesUp(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	c := answering(t, func(w http.ResponseWriter, r *http.Request) {
		cancel()
		<-r.Context().Done()
	})
	if _, err := c.Namespaces(ctx); !errors.Is(err, context.Canceled) || code(err) != "" {
		t.Errorf("%v", err)
	}
	ended, cancelEnded := context.WithTimeout(t.Context(), 0)
	defer cancelEnded()
	if _, err := c.Namespaces(ended); code(err) != deployer.Unreachable || !strings.Contains(err.Error(), "in time") {
		t.Errorf("%v", err)
	}
}

// TestListWithoutEnd: a server that always has one more page is not read for ever.
func TestListWithoutEnd(t *testing.T) {
	n := 0
	err := pages(10, func(metav1.ListOptions) (string, int, error) { n++; return "more", 0, nil })
	if err != errTooMany || n != 10 {
		t.Errorf("%d pages, %v", n, err)
	}
}

// A panic in one of many calls reaches the caller, where it ends one request and not the process.
func TestEachPanics(t *testing.T) {
	defer func() {
		if p := recover(); p != "broken" {
			t.Errorf("got %v", p)
		}
	}()
	each(3*parallel, func(int) { panic("broken") })
	t.Error("the panic is lost")
}
