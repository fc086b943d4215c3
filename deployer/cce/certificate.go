package cce

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"net/http"
	"slices"

	"llmhub/deployer"
	"llmhub/identity"
	"llmhub/secret"
)

// oneDay is the shortest time that CCE gives certificates for. They stay valid even if the user is deleted.
const oneDay = `{"duration":1}`

// contexts are the names of CCE's contexts that lead to public addresses, the better first: the second has the same address
// and does not check its certificate.
var contexts = []string{"externalTLSVerify", "external"}

// kubeconfig is CCE's answer to a request for a certificate.
type kubeconfig struct {
	Clusters []struct {
		Name    string          `json:"name"`
		Cluster json.RawMessage `json:"cluster"`
	} `json:"clusters"`
	Users []struct {
		Name string          `json:"name"`
		User json.RawMessage `json:"user"`
	} `json:"users"`
	Contexts []namedContext `json:"contexts"`
	Current  string         `json:"current-context"`
}

type namedContext struct {
	Name    string `json:"name"`
	Context struct {
		Cluster string `json:"cluster"`
		User    string `json:"user"`
	} `json:"context"`
}

// kubeCluster and kubeUser have what a kubeconfig may contain here. Whatever else it has, such as files, commands and
// proxies, is refused.
type kubeCluster struct {
	Server     string `json:"server"`
	ServerName string `json:"tls-server-name"`
	CA         []byte `json:"certificate-authority-data"`
	Insecure   bool   `json:"insecure-skip-tls-verify"`
}

type kubeUser struct {
	Cert []byte `json:"client-certificate-data"`
	Key  []byte `json:"client-key-data"`
}

// certificate asks for a kubeconfig of one day. Where it names no server, that is one of the cluster's endpoints.
func (s *Source) certificate(ctx context.Context, p identity.Project, c *cluster, token secret.Text) (deployer.Access, error) {
	text, err := s.call(ctx, request{method: http.MethodPost, project: p, below: "/" + c.Metadata.UID + "/clustercert", body: oneDay, token: token})
	if err != nil {
		return deployer.Access{}, err
	}
	var k kubeconfig
	if json.Unmarshal(text, &k) != nil {
		return deployer.Access{}, senseless()
	}
	at, who, ok := k.choose()
	if !ok {
		return deployer.Access{}, senseless()
	}
	a := deployer.Access{Server: address(at.Server), ServerName: at.ServerName, CA: at.CA, Insecure: at.Insecure, ClientCert: who.Cert, ClientKey: secret.New(string(who.Key))}
	if at.Server == "" {
		a.Server = cmp.Or(c.Status.Endpoints.external, c.Status.Endpoints.internal)
	}
	if a.Insecure {
		a.CA = nil // nothing is checked against it
	}
	pair, err := tls.X509KeyPair(who.Cert, who.Key)
	if err != nil || a.Server == "" || len(a.CA) > 0 && !x509.NewCertPool().AppendCertsFromPEM(a.CA) {
		return deployer.Access{}, senseless()
	}
	a.ExpiresAt = pair.Leaf.NotAfter
	return a, nil
}

// choose returns cluster and user of the best context.
func (k *kubeconfig) choose() (at kubeCluster, who kubeUser, ok bool) {
	for _, name := range append(slices.Clone(contexts), k.Current) {
		i := slices.IndexFunc(k.Contexts, func(c namedContext) bool { return c.Name == name })
		if i < 0 {
			continue
		}
		for _, c := range k.Clusters {
			ok = ok || c.Name == k.Contexts[i].Context.Cluster && strict(c.Cluster, &at)
		}
		for _, u := range k.Users {
			if ok && u.Name == k.Contexts[i].Context.User {
				return at, who, strict(u.User, &who)
			}
		}
		return at, who, false
	}
	return at, who, false
}

// strict decodes an object that has no more than into, and says whether it could.
func strict(text []byte, into any) bool {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	return len(text) > 0 && d.Decode(into) == nil
}
