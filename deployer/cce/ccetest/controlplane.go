package ccetest

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httputil"
	"net/url"
	"slices"
	"time"

	"go.yaml.in/yaml/v3"
)

// controlPlane is what stands behind every cluster.
type controlPlane struct {
	server        string
	base          *url.URL
	ca, cert, key []byte
	transport     *http.Transport
}

// parseKubeconfig reads the current context of a kubeconfig.
func parseKubeconfig(text []byte) (*controlPlane, error) {
	var k struct {
		Clusters []struct {
			Name    string
			Cluster struct {
				Server string
				CA     string `yaml:"certificate-authority-data"`
			}
		}
		Users []struct {
			Name string
			User struct {
				Cert string `yaml:"client-certificate-data"`
				Key  string `yaml:"client-key-data"`
			}
		}
		Contexts []struct {
			Name    string
			Context struct{ Cluster, User string }
		}
		Current string `yaml:"current-context"`
	}
	if err := yaml.Unmarshal(text, &k); err != nil {
		// The parser's text can quote the file, which holds a key.
		return nil, errors.New("the kubeconfig is not valid YAML")
	}
	p := &controlPlane{}
	for _, c := range k.Contexts {
		if c.Name != k.Current {
			continue
		}
		for _, at := range k.Clusters {
			if at.Name == c.Context.Cluster {
				p.server, p.ca = at.Cluster.Server, inline(at.Cluster.CA)
			}
		}
		for _, u := range k.Users {
			if u.Name == c.Context.User {
				p.cert, p.key = inline(u.User.Cert), inline(u.User.Key)
			}
		}
	}
	return p, p.prepare()
}

func inline(text string) []byte {
	b, _ := base64.StdEncoding.DecodeString(text)
	return b
}

// prepare makes the connections that requests are passed on by.
func (p *controlPlane) prepare() (err error) {
	if p.base, err = url.Parse(p.server); err != nil || p.base.Scheme != "https" || p.base.Host == "" {
		return errors.New("the current context of the kubeconfig has no https server")
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(p.ca) {
		return errors.New("the current context of the kubeconfig has no certificate-authority-data")
	}
	pair, err := tls.X509KeyPair(p.cert, p.key)
	if err != nil {
		return errors.New("the current context of the kubeconfig has no client-certificate-data with client-key-data")
	}
	p.transport = &http.Transport{
		TLSClientConfig:     &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout: 10 * time.Second, MaxIdleConnsPerHost: 32, IdleConnTimeout: time.Minute,
	}
	return nil
}

// proxy passes requests on, whose path is that of the Kubernetes API already. Watches go on event by event.
func (p *controlPlane) proxy() *httputil.ReverseProxy {
	return &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(p.base)
			for _, h := range []string{"X-Auth-Token", "Authorization"} {
				r.Out.Header.Del(h)
			}
		},
		Transport:     p.transport,
		FlushInterval: -1,
		ErrorLog:      log.New(io.Discard, "", 0), // answers that are broken off are what this is for
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) {
			refuse(w, http.StatusBadGateway, "APIG.0201", "Backend unavailable.")
		},
	}
}

// document is the kubeconfig in the form in which CCE gives it out.
func (p *controlPlane) document(private bool) object {
	type named = map[string]any
	clusters := []named{{"name": "internalCluster", "cluster": object{"server": p.server, "certificate-authority-data": p.ca}}}
	contexts := []named{{"name": "internal", "context": object{"cluster": "internalCluster", "user": "user"}}}
	current := "internal"
	if !private {
		clusters = slices.Concat(clusters, []named{
			{"name": "externalCluster", "cluster": object{"server": p.server, "insecure-skip-tls-verify": true}},
			{"name": "externalClusterTLSVerify", "cluster": object{"server": p.server, "certificate-authority-data": p.ca}},
		})
		contexts = slices.Concat(contexts, []named{
			{"name": "external", "context": object{"cluster": "externalCluster", "user": "user"}},
			{"name": "externalTLSVerify", "context": object{"cluster": "externalClusterTLSVerify", "user": "user"}},
		})
		current = "external"
	}
	return object{
		"kind": "Config", "apiVersion": "v1", "preferences": object{}, "clusters": clusters, "contexts": contexts, "current-context": current,
		"users": []named{{"name": "user", "user": object{"client-certificate-data": p.cert, "client-key-data": p.key}}},
	}
}
