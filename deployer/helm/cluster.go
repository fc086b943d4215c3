package helm

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"time"

	"helm.sh/helm/v3/pkg/action"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/kube"
	"helm.sh/helm/v3/pkg/storage"
	"helm.sh/helm/v3/pkg/storage/driver"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"llmhub/deployer"
)

const (
	userAgent = "llmhub"
	// callTimeout bounds each call to the API. Watches begin again after it.
	callTimeout = 30 * time.Second
	// maxAnswerBytes bounds each answer of the API.
	maxAnswerBytes = 64 << 20
	// maxHistory is how many revisions of a release are kept.
	maxHistory = 10
)

// config is what client-go is configured with. No file, no program and no proxy of this machine takes part.
func (a access) config() *rest.Config {
	c := &rest.Config{
		Host: a.Server, BearerToken: a.Token, UserAgent: userAgent, QPS: 50, Burst: 100, Timeout: callTimeout,
		WarningHandler:  rest.NoWarnings{},
		Proxy:           func(*http.Request) (*url.URL, error) { return nil, nil }, // it would be told where tokens go
		TLSClientConfig: rest.TLSClientConfig{ServerName: a.ServerName, CAData: a.CA, Insecure: a.Insecure, CertData: a.ClientCert, KeyData: []byte(a.ClientKey)},
	}
	if a.Insecure {
		c.CAData = nil // client-go refuses both at once
	}
	c.Wrap(func(next http.RoundTripper) http.RoundTripper { return boundedTransport{next} })
	return c
}

// boundedTransport bounds the size of answers, and lets none lead elsewhere: client-go would show the token there.
type boundedTransport struct{ next http.RoundTripper }

// RoundTrip sends a request.
func (t boundedTransport) RoundTrip(q *http.Request) (*http.Response, error) {
	p, err := t.next.RoundTrip(q)
	if err == nil {
		p.Header.Del("Location")
		p.Body = &boundedBody{ReadCloser: p.Body, left: maxAnswerBytes}
	}
	return p, err
}

type boundedBody struct {
	io.ReadCloser
	left int
}

var errAnswerTooLarge = errors.New("the answer of the cluster is too large")

// Read reads until there is too much.
func (b *boundedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if b.left -= n; b.left < 0 {
		return 0, errAnswerTooLarge
	}
	return n, err
}

// getter is what Helm gets its clients of. It asks the cluster for its API once.
type getter struct {
	config    *rest.Config
	namespace string
	discovery discovery.CachedDiscoveryInterface
	mapper    meta.RESTMapper
}

// ToRESTConfig returns a copy of the configuration.
func (g *getter) ToRESTConfig() (*rest.Config, error) { return rest.CopyConfig(g.config), nil }

// ToDiscoveryClient returns the one client.
func (g *getter) ToDiscoveryClient() (discovery.CachedDiscoveryInterface, error) {
	return g.discovery, nil
}

// ToRESTMapper returns the one mapper.
func (g *getter) ToRESTMapper() (meta.RESTMapper, error) { return g.mapper, nil }

// ToRawKubeConfigLoader returns what only tells the namespace.
func (g *getter) ToRawKubeConfigLoader() clientcmd.ClientConfig {
	return clientcmd.NewDefaultClientConfig(clientcmdapi.Config{}, &clientcmd.ConfigOverrides{Context: clientcmdapi.Context{Namespace: g.namespace}})
}

// cluster is Helm's configuration for one namespace of a cluster, with what the worker adds to it.
type cluster struct {
	action.Configuration
	clients   kubernetes.Interface
	namespace string
	ledger    *ledger
	objects   *objects
}

// open prepares the clients. It does not call the cluster.
func open(a access, namespace, operation string, tell func(deployer.Stage)) (*cluster, error) {
	config := a.config()
	clients, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, &deployer.Reason{Code: deployer.Unreachable, Detail: "the access to the cluster is not valid"}
	}
	found := memory.NewMemCacheClient(clients.Discovery())
	g := &getter{config, namespace, found, restmapper.NewShortcutExpander(restmapper.NewDeferredDiscoveryRESTMapper(found), found, nil)}
	k := kube.New(g)
	k.Namespace = namespace
	c := &cluster{
		clients: clients, namespace: namespace,
		ledger:  &ledger{Driver: driver.NewSecrets(clients.CoreV1().Secrets(namespace)), operation: operation},
		objects: &objects{Client: k, tell: tell},
	}
	c.Configuration = action.Configuration{
		RESTClientGetter: g, KubeClient: c.objects, Releases: storage.Init(c.ledger), Log: func(string, ...any) {},
		HookOutputFunc: func(_, _, _ string) io.Writer { return io.Discard },
	}
	c.Releases.MaxHistory = maxHistory
	return c, nil
}

// discover asks the cluster for what charts are rendered with.
func (c *cluster) discover() error {
	d, _ := c.RESTClientGetter.ToDiscoveryClient()
	v, err := d.ServerVersion()
	if err != nil {
		return err
	}
	versions, err := action.GetVersionSet(d)
	if err != nil && !discovery.IsGroupDiscoveryFailedError(err) {
		return err
	}
	c.Capabilities = &chartutil.Capabilities{
		APIVersions: versions, HelmVersion: chartutil.DefaultCapabilities.HelmVersion,
		KubeVersion: chartutil.KubeVersion{Version: v.GitVersion, Major: v.Major, Minor: v.Minor},
	}
	return nil
}

// vanished says whether the namespace is gone or going, as far as the user may know.
func (c *cluster) vanished() bool {
	ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
	defer cancel()
	ns, err := c.clients.CoreV1().Namespaces().Get(ctx, c.namespace, metav1.GetOptions{})
	if err != nil {
		return apierrors.IsNotFound(err)
	}
	return ns.DeletionTimestamp != nil
}
