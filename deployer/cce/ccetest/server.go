// Package ccetest is a simulated Cloud Container Engine of OTC: its API for clusters in the shapes that are documented, and
// the API gateway, which checks the token of the identity service and passes requests on to a real control plane. It stands
// beside the simulated identity service in the demo and in tests.
//
// It protects nothing: whoever has a token of a project is given the control plane's own certificate. Tenant
// Administrators act on the cluster with the rights of the kubeconfig; others as themselves, so that the control plane
// refuses what nobody has allowed them.
package ccetest

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"slices"
	"sync"
	"time"
)

// Options say what there is.
type Options struct {
	// Identity is the address of the identity service, without /v3. It is required.
	Identity *url.URL
	// Clusters are those there are at first.
	Clusters []Cluster
	// Kubeconfig leads to the control plane that stands behind every cluster: its current context, with a server, authority
	// and certificate that are all inline. Without one, no cluster answers.
	Kubeconfig []byte
}

// Server is a running service. Its methods may be called concurrently.
type Server struct {
	// URL is the address of the API.
	URL *url.URL
	// KubernetesURL is that of the gateway, with the mark {cluster_id}.
	KubernetesURL string
	// CA is what both are known by, in PEM: Kubernetes clients send tokens by TLS only.
	CA []byte

	identity string
	plane    *controlPlane // nil without one
	proxy    *httputil.ReverseProxy
	http     *http.Server
	served   chan struct{}
	// ask is for the identity service.
	ask http.Client

	mu       sync.Mutex
	clusters []Cluster
	// expired are the tokens whose time Expire has ended, used those that have been used since the beginning.
	expired, used map[string]bool
	moods         map[Part]Mood
	// running ends, by cut, when what is running is to be broken off.
	running  context.Context
	cut      context.CancelFunc
	requests []Request
}

// Request is one that has come.
type Request struct {
	Part         Part
	Method, Path string
}

// Start starts a service on a free port of loopback.
func Start(o Options) (*Server, error) {
	if o.Identity == nil {
		return nil, errors.New("the address of the identity service is missing")
	}
	s := &Server{
		identity: o.Identity.String(), clusters: slices.Clone(o.Clusters), served: make(chan struct{}),
		expired: map[string]bool{}, used: map[string]bool{}, moods: map[Part]Mood{},
		ask: http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 8, IdleConnTimeout: time.Minute}},
	}
	s.running, s.cut = context.WithCancel(context.Background())
	if len(o.Kubeconfig) > 0 {
		plane, err := parseKubeconfig(o.Kubeconfig)
		if err != nil {
			return nil, err
		}
		s.plane, s.proxy = plane, plane.proxy()
	}
	certificate, ca, err := identify()
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s.CA = ca
	s.URL = &url.URL{Scheme: "https", Host: l.Addr().String()}
	s.KubernetesURL = s.URL.String() + "/k8s/{cluster_id}"
	s.http = &http.Server{
		Handler: s.routes(), ReadHeaderTimeout: 10 * time.Second, MaxHeaderBytes: 1 << 20,
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12},
		ErrorLog:  log.New(io.Discard, "", 0), // of clients that do not know the authority
	}
	go func() {
		defer close(s.served)
		_ = s.http.ServeTLS(l, "", "")
	}()
	return s, nil
}

// Close ends the service with all that is running.
func (s *Server) Close() {
	s.cut()
	_ = s.http.Close()
	<-s.served
	s.ask.CloseIdleConnections()
	if s.plane != nil {
		s.plane.transport.CloseIdleConnections()
	}
}

func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	const clusters = "/api/v3/projects/{project}/clusters"
	mux.HandleFunc("GET "+clusters, s.api(s.listClusters))
	mux.HandleFunc("GET "+clusters+"/{cluster}", s.api(s.showCluster))
	mux.HandleFunc("POST "+clusters+"/{cluster}/clustercert", s.api(s.makeCertificate))
	mux.HandleFunc("/k8s/{cluster}/", s.moody(Gateway, s.pass))
	return mux
}
