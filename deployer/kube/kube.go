// Package kube looks at Kubernetes clusters with client-go: what they are, what rendered manifests mean for them, and how the
// objects of a release are doing. It changes nothing but namespaces and Secrets that llmhub makes itself.
//
// Access is held in memory only. Answers are bounded in size, calls and methods in time, lists in length. No proxy is taken
// from the environment, and no redirect is followed: either would show the user's token to somebody else. Texts of the
// cluster are scrubbed of the values of Secrets before they are returned.
package kube

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/flowcontrol"
	"k8s.io/klog/v2"

	"llmhub/deployer"
)

const (
	// callTimeout bounds one request, methodTimeout a method, inspectTimeout Inspect, which asks for every object.
	callTimeout    = 10 * time.Second
	methodTimeout  = 30 * time.Second
	inspectTimeout = 90 * time.Second
	// maxAnswerBytes bounds the body of an answer, maxHeaderBytes its header.
	maxAnswerBytes = 32 << 20
	maxHeaderBytes = 256 << 10
	// callsPerSecond and burst keep one review from taking up an API server; parallel is how many calls go on at a time.
	callsPerSecond = 50
	burst          = 100
	parallel       = 8
	userAgent      = "llmhub"
	idleTimeout    = 30 * time.Second
)

// Opener opens clusters. The zero Opener is ready.
type Opener struct{}

var _ deployer.Kubernetes = Opener{}

// Open returns a client of the cluster, without connecting yet. Errors are a *deployer.Reason: Unreachable where the access
// cannot be used, AccessEnded where it is over.
func (Opener) Open(a deployer.Access) (deployer.Cluster, error) {
	if !a.ExpiresAt.IsZero() && !time.Now().Before(a.ExpiresAt) {
		return nil, &deployer.Reason{Code: deployer.AccessEnded}
	}
	if err := checkAccess(a); err != nil {
		return nil, &deployer.Reason{Code: deployer.Unreachable, Detail: err.Error()}
	}
	c, err := open(a)
	if err != nil {
		return nil, &deployer.Reason{Code: deployer.Unreachable, Detail: err.Error()}
	}
	return c, nil
}

// cluster is an open cluster. mu guards known.
type cluster struct {
	client   kubernetes.Interface
	dynamic  dynamic.Interface
	metadata metadata.Interface
	mu       sync.Mutex
	known    *kinds
}

var _ deployer.Cluster = (*cluster)(nil)

// quiet keeps client-go from writing to the process's standard error: what it has to say is in the errors that it returns.
var quiet = sync.OnceFunc(func() { klog.SetSlogLogger(slog.New(slog.DiscardHandler)) })

func open(a deployer.Access) (*cluster, error) {
	quiet()
	t, err := tlsConfig(a)
	if err != nil {
		return nil, err
	}
	config := &rest.Config{
		Host:           a.Server,
		BearerToken:    a.Token.Reveal(),
		UserAgent:      userAgent,
		Timeout:        callTimeout,
		RateLimiter:    flowcontrol.NewTokenBucketRateLimiter(callsPerSecond, burst),
		WarningHandler: rest.NoWarnings{},
		// Its own transport: client-go would keep one of its making, with the keys in it, as long as the process lives.
		Transport: &transport{next: &http.Transport{
			TLSClientConfig:        t,
			DialContext:            (&net.Dialer{Timeout: callTimeout}).DialContext,
			TLSHandshakeTimeout:    callTimeout,
			ForceAttemptHTTP2:      true,
			MaxResponseHeaderBytes: maxHeaderBytes,
			MaxIdleConnsPerHost:    parallel,
			IdleConnTimeout:        idleTimeout,
		}},
	}
	h, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, errors.New("the access cannot be used")
	}
	h.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return clients(config, h)
}

func clients(config *rest.Config, h *http.Client) (*cluster, error) {
	client, err := kubernetes.NewForConfigAndClient(config, h)
	if err != nil {
		return nil, errors.New("the address of the cluster cannot be used")
	}
	d, err := dynamic.NewForConfigAndClient(config, h)
	if err != nil {
		return nil, errors.New("the address of the cluster cannot be used")
	}
	m, err := metadata.NewForConfigAndClient(config, h)
	if err != nil {
		return nil, errors.New("the address of the cluster cannot be used")
	}
	return &cluster{client: client, dynamic: d, metadata: m}, nil
}

// checkAccess says what is wrong with an access, without quoting any of it.
func checkAccess(a deployer.Access) error {
	u, err := url.Parse(a.Server)
	hasCert, hasKey := len(a.ClientCert) > 0, a.ClientKey.IsSet()
	switch {
	case err != nil || u.Host == "":
		return errors.New("the address of the cluster must be a URL with a host")
	case u.Scheme != "https":
		return errors.New("the address of the cluster must begin with https://")
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return errors.New("the address of the cluster must not have a user, a query or a fragment")
	case hasCert != hasKey:
		return errors.New("a client certificate and its key are only of use together")
	case !hasCert && !a.Token.IsSet():
		return errors.New("there is neither a token nor a client certificate")
	}
	return nil
}

func tlsConfig(a deployer.Access) (*tls.Config, error) {
	t := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: a.ServerName, InsecureSkipVerify: a.Insecure}
	if len(a.CA) > 0 {
		t.RootCAs = x509.NewCertPool()
		if !t.RootCAs.AppendCertsFromPEM(a.CA) {
			return nil, errors.New("the certificate authority holds no certificate in PEM")
		}
	}
	if len(a.ClientCert) > 0 {
		pair, err := tls.X509KeyPair(a.ClientCert, []byte(a.ClientKey.Reveal()))
		if err != nil {
			return nil, errors.New("the client certificate and its key are not PEM or do not belong together")
		}
		t.Certificates = []tls.Certificate{pair}
	}
	return t, nil
}

// transport bounds the answers.
type transport struct{ next http.RoundTripper }

// RoundTrip sends the request.
func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := t.next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	resp.Body = http.MaxBytesReader(nil, resp.Body, maxAnswerBytes)
	return resp, nil
}

// each calls do for 0 to n-1, some at a time, and returns when all are done. A panic of one goes on in the caller, who alone
// can keep it from ending the process.
func each(n int, do func(i int)) {
	var wg sync.WaitGroup
	slots, panics := make(chan struct{}, parallel), make(chan any, n)
	for i := range n {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() {
				if p := recover(); p != nil {
					panics <- p
				}
				<-slots
			}()
			do(i)
		})
	}
	wg.Wait()
	select {
	case p := <-panics:
		panic(p)
	default:
	}
}

// bound gives a method its time.
func bound(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, d)
}
