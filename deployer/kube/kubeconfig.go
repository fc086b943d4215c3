package kube

import (
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"time"

	"k8s.io/client-go/tools/clientcmd/api/v1"

	"llmhub/deployer"
	"llmhub/secret"
)

// maxKubeconfigBytes bounds a kubeconfig.
const maxKubeconfigBytes = 1 << 20

// ParseKubeconfig returns the access of a kubeconfig's current context. Only what stands in the text itself is taken: files
// that it names, programs that it would run, and proxies are refused. Errors quote nothing but names of contexts, clusters
// and users.
func ParseKubeconfig(data []byte) (deployer.Access, error) {
	if len(data) > maxKubeconfigBytes {
		return deployer.Access{}, fmt.Errorf("the kubeconfig has more than %d KiB", maxKubeconfigBytes>>10)
	}
	docs, err := documents(data, maxKubeconfigBytes)
	if err != nil {
		return deployer.Access{}, fmt.Errorf("the kubeconfig cannot be read: %w", err)
	}
	if len(docs) != 1 {
		return deployer.Access{}, errors.New("the kubeconfig must be one YAML document")
	}
	var c v1.Config
	if json.Unmarshal(docs[0].json, &c) != nil {
		return deployer.Access{}, errors.New("the kubeconfig does not have the form of one")
	}
	cluster, user, err := current(&c)
	if err != nil {
		return deployer.Access{}, err
	}
	if err := errors.Join(refuseCluster(cluster), refuseUser(user)); err != nil {
		return deployer.Access{}, err
	}
	return access(cluster, user)
}

// current returns what the current context names.
func current(c *v1.Config) (*v1.Cluster, *v1.AuthInfo, error) {
	if c.CurrentContext == "" {
		return nil, nil, errors.New("the kubeconfig has no current-context")
	}
	var context *v1.Context
	for i := range c.Contexts {
		if c.Contexts[i].Name == c.CurrentContext {
			context = &c.Contexts[i].Context
		}
	}
	if context == nil {
		return nil, nil, fmt.Errorf("the kubeconfig has no context %.100q, which is its current-context", c.CurrentContext)
	}
	var cluster *v1.Cluster
	for i := range c.Clusters {
		if c.Clusters[i].Name == context.Cluster {
			cluster = &c.Clusters[i].Cluster
		}
	}
	var user *v1.AuthInfo
	for i := range c.AuthInfos {
		if c.AuthInfos[i].Name == context.AuthInfo {
			user = &c.AuthInfos[i].AuthInfo
		}
	}
	switch {
	case cluster == nil:
		return nil, nil, fmt.Errorf("the kubeconfig has no cluster %.100q, which its context names", context.Cluster)
	case user == nil:
		return nil, nil, fmt.Errorf("the kubeconfig has no user %.100q, which its context names", context.AuthInfo)
	}
	return cluster, user, nil
}

func refuseCluster(c *v1.Cluster) error {
	switch {
	case c.CertificateAuthority != "":
		return errors.New("certificate-authority names a file; put the certificate into certificate-authority-data")
	case c.ProxyURL != "":
		return errors.New("proxy-url is not supported")
	}
	return nil
}

func refuseUser(u *v1.AuthInfo) error {
	switch {
	case u.Exec != nil:
		return errors.New("exec would run a program, which is not supported; use a token or a client certificate")
	case u.AuthProvider != nil:
		return errors.New("auth-provider is not supported; use a token or a client certificate")
	case u.ClientCertificate != "" || u.ClientKey != "":
		return errors.New("client-certificate and client-key name files; use client-certificate-data and client-key-data")
	case u.TokenFile != "":
		return errors.New("tokenFile names a file; put the token into token")
	case u.Username != "" || u.Password != "":
		return errors.New("username and password are not supported; use a token or a client certificate")
	case u.Impersonate != "" || u.ImpersonateUID != "" || len(u.ImpersonateGroups) > 0 || len(u.ImpersonateUserExtra) > 0:
		return errors.New("acting as somebody else is not supported")
	}
	return nil
}

// access returns what has been found. A certificate goes before a token, as at the API server.
func access(c *v1.Cluster, u *v1.AuthInfo) (deployer.Access, error) {
	a := deployer.Access{
		Server: c.Server, ServerName: c.TLSServerName, CA: c.CertificateAuthorityData, Insecure: c.InsecureSkipTLSVerify,
	}
	if len(u.ClientCertificateData) > 0 || len(u.ClientKeyData) > 0 {
		a.ClientCert, a.ClientKey = u.ClientCertificateData, secret.New(string(u.ClientKeyData))
		a.ExpiresAt = notAfter(a.ClientCert)
	} else {
		a.Token = secret.New(u.Token)
	}
	if err := checkAccess(a); err != nil {
		return deployer.Access{}, err
	}
	if _, err := tlsConfig(a); err != nil {
		return deployer.Access{}, err
	}
	return a, nil
}

// notAfter returns when a certificate ends, zero if it cannot be read.
func notAfter(text []byte) time.Time {
	block, _ := pem.Decode(text)
	if block == nil {
		return time.Time{}
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return time.Time{}
	}
	return cert.NotAfter
}
