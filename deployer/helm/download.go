package helm

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"helm.sh/helm/v3/pkg/registry"
	"oras.land/oras-go/v2/content"
	"oras.land/oras-go/v2/registry/remote"
	"oras.land/oras-go/v2/registry/remote/auth"
	"oras.land/oras-go/v2/registry/remote/errcode"
	"sigs.k8s.io/yaml"

	"llmhub/catalog"
	"llmhub/deployer"
)

const (
	maxIndexBytes    = 20 << 20
	maxManifestBytes = 1 << 20
	maxRedirects     = 5
)

// downloader gets charts of others over HTTP, without any credentials.
type downloader struct {
	client *http.Client
	plain  func(*url.URL) bool
}

// newDownloader returns a downloader. anyPlain lets it do without TLS everywhere; else only this host may.
func newDownloader(anyPlain bool) *downloader {
	d := &downloader{plain: func(u *url.URL) bool { return anyPlain || loopback(u.Hostname()) }}
	d.client = &http.Client{
		Transport: secureTransport{http.DefaultTransport, d.plain},
		CheckRedirect: func(_ *http.Request, via []*http.Request) error {
			if len(via) > maxRedirects {
				return fmt.Errorf("more than %d redirects", maxRedirects)
			}
			return nil
		},
	}
	return d
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// secureTransport sends nothing without TLS but where that is allowed, wherever redirects and registries lead to.
type secureTransport struct {
	next  http.RoundTripper
	plain func(*url.URL) bool
}

// RoundTrip sends a request.
func (t secureTransport) RoundTrip(q *http.Request) (*http.Response, error) {
	if q.URL.Scheme != "https" && (q.URL.Scheme != "http" || !t.plain(q.URL)) {
		return nil, fmt.Errorf("%s is not reached over https", q.URL.Host)
	}
	q = q.Clone(q.Context())
	q.Header.Set("User-Agent", userAgent)
	return t.next.RoundTrip(q)
}

// missing is the reason for a chart that cannot be had.
func missing(format string, args ...any) error {
	return &deployer.Reason{Code: deployer.ChartMissing, Detail: bounded(fmt.Sprintf(format, args...))}
}

func digestOf(data []byte) string { return fmt.Sprintf("sha256:%x", sha256.Sum256(data)) }

// get returns what is at an address, or an error if it is more than limit bytes.
func (d *downloader) get(ctx context.Context, address string, limit int64) ([]byte, error) {
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, missing("the address is not valid")
	}
	p, err := d.client.Do(q)
	if err != nil {
		return nil, missing("%s", err)
	}
	defer p.Body.Close()
	if p.StatusCode != http.StatusOK {
		return nil, missing("%s answers with status %d", q.URL.Redacted(), p.StatusCode)
	}
	data, err := io.ReadAll(io.LimitReader(p.Body, limit+1))
	if err != nil {
		return nil, missing("%s: %s", q.URL.Redacted(), err)
	}
	if int64(len(data)) > limit {
		return nil, &deployer.Reason{Code: deployer.ChartInvalid, Detail: bounded(fmt.Sprintf("%s is larger than %d MiB", q.URL.Redacted(), limit>>20))}
	}
	return data, nil
}

// index is what is looked at of a repository's index.yaml.
type index struct {
	Entries map[string][]struct {
		Version string   `json:"version"`
		URLs    []string `json:"urls"`
		Digest  string   `json:"digest"`
	} `json:"entries"`
}

// fromRepository returns the archive of a chart in an HTTP repository.
func (d *downloader) fromRepository(ctx context.Context, repository, name, version string) ([]byte, error) {
	base, err := url.Parse(strings.TrimSuffix(repository, "/") + "/")
	if err != nil {
		return nil, missing("the address of the repository is not valid")
	}
	text, err := d.get(ctx, base.JoinPath("index.yaml").String(), maxIndexBytes)
	if err != nil {
		return nil, err
	}
	var x index
	if json.Valid(text) {
		err = json.Unmarshal(text, &x)
	} else {
		err = yaml.Unmarshal(text, &x)
	}
	if err != nil {
		return nil, missing("the index of the repository cannot be read")
	}
	for _, e := range x.Entries[name] {
		if e.Version == version && len(e.URLs) > 0 {
			return d.archive(ctx, base, e.URLs[0], e.Digest)
		}
	}
	return nil, missing("the repository has no chart %s of version %s", name, version)
}

// archive returns an archive whose address, which may be relative, and digest an index tells.
func (d *downloader) archive(ctx context.Context, base *url.URL, address, digest string) ([]byte, error) {
	at, err := base.Parse(address)
	if err != nil {
		return nil, missing("the index tells an address that is not valid")
	}
	packed, err := d.get(ctx, at.String(), catalog.MaxArchiveBytes)
	if err != nil {
		return nil, err
	}
	if digest != "" && digestOf(packed) != "sha256:"+strings.TrimPrefix(digest, "sha256:") {
		return nil, &deployer.Reason{Code: deployer.ChartDigest, Detail: "it is " + digestOf(packed) + ", which is not what the index of the repository tells"}
	}
	return packed, nil
}

// fromRegistry returns the archive of a chart in an OCI registry. Its digest is checked against the manifest.
func (d *downloader) fromRegistry(ctx context.Context, address, version string) ([]byte, error) {
	repo, err := remote.NewRepository(strings.TrimPrefix(address, "oci://"))
	if err != nil {
		return nil, missing("the address is not valid")
	}
	host := &url.URL{Host: repo.Reference.Host()}
	repo.PlainHTTP = d.plain(host)
	repo.MaxMetadataBytes = maxManifestBytes
	repo.Client = &auth.Client{Client: d.client, Cache: auth.NewCache()}
	// A tag may not hold the plus sign of a version.
	desc, body, err := repo.FetchReference(ctx, strings.ReplaceAll(version, "+", "_"))
	if err != nil {
		return nil, registryError(err)
	}
	defer body.Close()
	if desc.Size > maxManifestBytes {
		return nil, missing("the manifest is too large")
	}
	text, err := content.ReadAll(body, desc)
	if err != nil {
		return nil, registryError(err)
	}
	var m ocispec.Manifest
	if err := json.Unmarshal(text, &m); err != nil {
		return nil, missing("the manifest cannot be read")
	}
	for _, layer := range m.Layers {
		if layer.MediaType == registry.ChartLayerMediaType || layer.MediaType == registry.LegacyChartLayerMediaType {
			return d.layer(ctx, repo, layer)
		}
	}
	return nil, missing("what is there is not a chart")
}

func (d *downloader) layer(ctx context.Context, repo *remote.Repository, layer ocispec.Descriptor) ([]byte, error) {
	if layer.Size > catalog.MaxArchiveBytes {
		return nil, &deployer.Reason{Code: deployer.ChartInvalid, Detail: fmt.Sprintf("the archive is larger than %d MiB", catalog.MaxArchiveBytes>>20)}
	}
	body, err := repo.Blobs().Fetch(ctx, layer)
	if err != nil {
		return nil, registryError(err)
	}
	defer body.Close()
	packed, err := content.ReadAll(body, layer)
	if errors.Is(err, content.ErrMismatchedDigest) {
		return nil, &deployer.Reason{Code: deployer.ChartDigest, Detail: "the registry sends something else than its manifest tells"}
	}
	if err != nil {
		return nil, registryError(err)
	}
	return packed, nil
}

// registryError is the reason for what a registry answers.
func registryError(err error) error {
	var answer *errcode.ErrorResponse
	if errors.As(err, &answer) {
		return missing("%s answers with status %d", answer.URL.Host, answer.StatusCode)
	}
	return missing("%s", err)
}
