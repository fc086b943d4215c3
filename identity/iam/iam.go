// Package iam is the directory of users at OTC IAM, or at any other identity service that speaks Keystone v3.
//
// It signs users in by password and passcode, lists projects, and exchanges and revokes tokens. It keeps nothing: neither
// passwords nor tokens outlive the call, nothing is logged, and no text of the service's answers reaches an error. It
// never repeats a request, since every wrong attempt counts towards the lock-out of the user.
package iam

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/gophercloud/gophercloud/v2"

	"llmhub/identity"
	"llmhub/secret"
)

const (
	defaultTimeout = 10 * time.Second
	// maxAnswerBytes bounds the body of an answer.
	maxAnswerBytes = 1 << 20
	// maxHeaderBytes bounds its header, which holds the token: signed ones have tens of kilobytes.
	maxHeaderBytes = 256 << 10
)

// Config says where the identity service is and how it is asked.
type Config struct {
	// URL is the service's address, with or without /v3 at its end. Only loopback addresses may go without TLS.
	URL *url.URL
	// Timeout bounds a method, from its call to its return; zero means 10 seconds. A sign-in that fails half way takes up
	// to as long again, to revoke the token.
	Timeout time.Duration
	// RootCAs are the authorities that vouch for the service's certificate; nil means those of the system.
	RootCAs *x509.CertPool
}

// Client is a directory over HTTP. It may be used concurrently.
type Client struct {
	// base is the address without /v3; it ends in a slash.
	base    string
	timeout time.Duration
	http    http.Client
}

var _ identity.Directory = (*Client)(nil)

// New returns a client of the service at c.URL. It does not connect, so that a service which is down keeps nobody from
// starting.
func New(c Config) (*Client, error) {
	if err := check(c.URL); err != nil {
		return nil, err
	}
	if c.Timeout <= 0 {
		c.Timeout = defaultTimeout
	}
	base := &url.URL{Scheme: c.URL.Scheme, Host: c.URL.Host, Path: strings.TrimSuffix(strings.TrimSuffix(c.URL.Path, "/"), "/v3") + "/"}
	return &Client{
		base:    base.String(),
		timeout: c.Timeout,
		http: http.Client{
			Transport: &transport{scheme: base.Scheme, host: base.Host, next: &http.Transport{
				TLSClientConfig:        &tls.Config{RootCAs: c.RootCAs, MinVersion: tls.VersionTLS12},
				DialContext:            (&net.Dialer{Timeout: c.Timeout}).DialContext,
				TLSHandshakeTimeout:    c.Timeout,
				MaxResponseHeaderBytes: maxHeaderBytes,
				MaxIdleConnsPerHost:    8,
				IdleConnTimeout:        time.Minute,
			}},
			// Following would repeat a password or a token to an address that nobody has configured.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}, nil
}

// check says what is wrong with the address of a service.
func check(u *url.URL) error {
	switch {
	case u == nil || u.Host == "":
		return errors.New("the address of the identity service must be a URL with a host")
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return errors.New("the address of the identity service must not have a user, a query or a fragment")
	case u.Scheme == "https", u.Scheme == "http" && loopback(u.Hostname()):
		return nil
	}
	return errors.New("the address of the identity service must begin with https://, since passwords are sent to it")
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// session returns the SDK's client for a single call, with the token that the call is made with, which may be unset.
func (c *Client) session(token secret.Text) *gophercloud.ServiceClient {
	p := &gophercloud.ProviderClient{HTTPClient: c.http, TokenID: token.Reveal()}
	p.UserAgent.Prepend("llmhub")
	return &gophercloud.ServiceClient{ProviderClient: p, Endpoint: c.base + "v3/"}
}

func (c *Client) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, c.timeout, fmt.Errorf("no answer within %v", c.timeout))
}

// transport sends requests to one host only and bounds the answers.
type transport struct {
	scheme, host string
	next         http.RoundTripper
}

// RoundTrip sends the request to the configured host, whatever its URL says: the service's links to further pages may name
// another one, and the token is not for that.
func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	own := req.Clone(req.Context())
	own.URL.Scheme, own.URL.Host, own.Host = t.scheme, t.host, ""
	resp, err := t.next.RoundTrip(own)
	if err != nil {
		return nil, err
	}
	resp.Body = http.MaxBytesReader(nil, resp.Body, maxAnswerBytes)
	return resp, nil
}
