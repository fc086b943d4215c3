// Package cce is the source of clusters at OTC's Cloud Container Engine.
//
// It lists the clusters of a project and opens them with the user's token of that project. It keeps nothing and logs
// nothing: tokens and certificates are in memory only, and of what the service answers only its own short error message,
// cleaned, reaches an error. Requests are not repeated and redirects are not followed.
package cce

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"regexp"
	"slices"
	"time"

	"llmhub/deployer"
	"llmhub/identity"
	"llmhub/secret"
)

// Way is how clusters are reached.
type Way string

// The ways.
const (
	// Gateway goes through CCE's API gateway with the user's own token: it needs no public address, acts with the user's own
	// rights and leaves nothing behind.
	Gateway Way = "gateway"
	// Certificate asks for a kubeconfig with a certificate of one day, and goes to the cluster's own address.
	Certificate Way = "certificate"
)

const (
	defaultTimeout = 10 * time.Second
	// maxHeaderBytes bounds the header of an answer.
	maxHeaderBytes = 256 << 10
)

// Config says where CCE is and how clusters are reached.
type Config struct {
	// URL is the address of the API, such as https://cce.{region}.otc.t-systems.com; {region} is that of the project. Like
	// KubernetesURL it begins with https://, or with http:// for this machine alone.
	URL string
	// KubernetesURL is where the API gateway has a cluster, such as https://{cluster_id}.cce.{region}.otc.t-systems.com. It is
	// not used with Certificate.
	KubernetesURL string
	// Access is Gateway or Certificate; empty means Gateway.
	Access Way
	// Timeout bounds each method; zero means 10 seconds.
	Timeout time.Duration
	// CA are the authorities, in PEM, that vouch for the API and the gateway; empty means those of the system.
	CA []byte
}

// Source finds and opens clusters. It may be used concurrently.
type Source struct {
	api, kubernetes template
	way             Way
	ca              []byte
	timeout         time.Duration
	http            http.Client
}

var _ deployer.Source = (*Source)(nil)

// New returns a source. It does not connect.
func New(c Config) (*Source, error) {
	s := &Source{api: template(c.URL), kubernetes: template(c.KubernetesURL), way: cmp.Or(c.Access, Gateway), ca: c.CA, timeout: c.Timeout}
	if s.timeout <= 0 {
		s.timeout = defaultTimeout
	}
	if err := s.api.check(); err != nil {
		return nil, fmt.Errorf("address of CCE: %w", err)
	}
	switch s.way {
	case Gateway:
		if err := s.kubernetes.check(clusterMark); err != nil {
			return nil, fmt.Errorf("address of CCE's API gateway: %w", err)
		}
	case Certificate:
	default:
		return nil, fmt.Errorf("clusters are reached by %s or %s, not by %q", Gateway, Certificate, s.way)
	}
	var roots *x509.CertPool
	if len(c.CA) > 0 {
		roots = x509.NewCertPool()
		if !roots.AppendCertsFromPEM(c.CA) {
			return nil, errors.New("the authorities of CCE hold no PEM certificate")
		}
	}
	s.http = http.Client{
		// Without a proxy from the environment, which would see where tokens go.
		Transport: &http.Transport{
			TLSClientConfig:        &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
			DialContext:            (&net.Dialer{Timeout: s.timeout}).DialContext,
			TLSHandshakeTimeout:    s.timeout,
			MaxResponseHeaderBytes: maxHeaderBytes,
			DisableCompression:     true,
			MaxIdleConnsPerHost:    8,
			IdleConnTimeout:        time.Minute,
		},
		// Following would carry a token to an address that nobody has configured.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return s, nil
}

// Clusters returns the clusters of a project in order of names; those whose phase is not Available cannot be chosen. A
// project without CCE, such as those that OTC keeps for its other services, has none. That the user may not list them is an
// error, as an empty list would hide it.
func (s *Source) Clusters(ctx context.Context, p identity.Project, token secret.Text) ([]deployer.ClusterInfo, error) {
	if !s.served(p) {
		return nil, nil
	}
	ctx, cancel := s.bound(ctx)
	defer cancel()
	found, err := s.list(ctx, p, token)
	var reason *deployer.Reason
	if errors.As(err, &reason) && reason.Code == deployer.ClusterGone {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	all := make([]deployer.ClusterInfo, len(found))
	for i, c := range found {
		all[i] = c.info()
	}
	slices.SortFunc(all, func(a, b deployer.ClusterInfo) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID))
	})
	return all, nil
}

// Access returns what a cluster of the project is reached with. One that is not there or not Available is ClusterGone.
func (s *Source) Access(ctx context.Context, p identity.Project, clusterID string, token secret.Text) (deployer.Access, error) {
	if !s.served(p) || !clusterForm.MatchString(clusterID) {
		return deployer.Access{}, &deployer.Reason{Code: deployer.ClusterGone, Detail: "there is no such cluster in the project"}
	}
	ctx, cancel := s.bound(ctx)
	defer cancel()
	c, err := s.get(ctx, p, clusterID, token)
	if err != nil {
		return deployer.Access{}, err
	}
	if info := c.info(); !info.Available {
		return deployer.Access{}, &deployer.Reason{Code: deployer.ClusterGone, Detail: "the cluster is in the phase " + info.Phase}
	}
	if s.way == Certificate {
		return s.certificate(ctx, p, c, token)
	}
	return deployer.Access{Server: s.kubernetes.fill(region(p), clusterID), CA: s.ca, Token: token}, nil
}

// projectForm is what goes into a path unchanged.
var projectForm = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// served says whether CCE can be asked about a project: its name gives the region, if the address has one.
func (s *Source) served(p identity.Project) bool {
	return projectForm.MatchString(p.ID) && (!s.api.regional() && !s.kubernetes.regional() || regionForm.MatchString(region(p)))
}

func (s *Source) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, s.timeout, fmt.Errorf("no answer within %v", s.timeout))
}
