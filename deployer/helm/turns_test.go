package helm_test

import (
	"context"
	"net"
	"sync"
	"testing"
	"time"

	"llmhub/deployer"
	"llmhub/deployer/helm"
	"llmhub/secret"
)

// silent is a server that takes connections and says nothing; asked gets something for each.
func silent(t *testing.T) (address string, asked chan struct{}) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	asked = make(chan struct{}, 100)
	var mu sync.Mutex
	var open []net.Conn
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			open = append(open, c)
			mu.Unlock()
			asked <- struct{}{}
		}
	}()
	t.Cleanup(func() {
		l.Close()
		mu.Lock()
		defer mu.Unlock()
		for _, c := range open {
			c.Close()
		}
	})
	return "http://" + l.Addr().String(), asked
}

// A cluster that does not answer keeps nobody waiting but those who ask it, and they are told so in time.
func TestSilentCluster(t *testing.T) {
	r := newReleases(t, func(o *helm.Options) { o.Parallel = 1 })
	server, asked := silent(t)
	other, otherAsked := silent(t)
	ctx, cancel := context.WithCancel(t.Context())
	var askers sync.WaitGroup
	defer askers.Wait()
	defer cancel()
	get := func(ctx context.Context, server string) error {
		_, _, err := r.Get(ctx, deployer.Access{Server: server, Token: secret.New("token")}, "default", "probe")
		return err
	}
	for range 5 {
		askers.Go(func() { _ = get(ctx, server) })
	}
	<-asked
	askers.Go(func() { _ = get(ctx, other) })
	<-otherAsked
	if _, err := r.Render(t.Context(), renderOf(chartOf("templates/a.yaml", "kind: A"), "{}")); err != nil {
		t.Errorf("others cannot render: %v", err)
	}
	short, stop := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer stop()
	for _, at := range []string{server, other} { // waiting for a turn
		if got := reasonOf(t, get(short, at)); got.Code != deployer.Unreachable {
			t.Errorf("got %v", got)
		}
	}
	third, _ := silent(t) // asked, and not answered
	short, stop = context.WithTimeout(t.Context(), time.Second)
	defer stop()
	if got := reasonOf(t, get(short, third)); got.Code != deployer.Unreachable {
		t.Errorf("got %v", got)
	}
}
