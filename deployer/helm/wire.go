package helm

import (
	"time"

	"llmhub/catalog"
	"llmhub/deployer"
)

// request is the one thing that a child is asked for, the first JSON value on its standard input. After it may come the JSON
// string cancelled. The end of the input is the end of the child.
type request struct {
	Fetch  *fetchRequest
	Render *renderRequest
	Job    *jobRequest
	Look   *lookRequest
}

const cancelled = "cancel"

// place is which server the request waits for; empty if it needs this machine alone.
func (q request) place() string {
	switch {
	case q.Look != nil:
		return q.Look.Access.Server
	case q.Fetch != nil && (q.Fetch.Kind == catalog.ChartRepository || q.Fetch.Kind == catalog.ChartOCI):
		return q.Fetch.URL
	}
	return ""
}

// access is deployer.Access with its secrets in clear. It exists in the pipe only.
type access struct {
	Server, ServerName string
	CA                 []byte
	Insecure           bool
	Token              string
	ClientCert         []byte
	ClientKey          string
}

// values are what a chart is rendered with, in clear.
type values struct {
	// JSON is an object, SecretPaths are where its secrets are; nil means everywhere.
	JSON        string
	SecretPaths []string
}

type fetchRequest struct {
	Kind                       catalog.ChartKind
	URL, Name, Version, Digest string
	// Files are there for charts of the catalog.
	Files     []catalog.ChartFile
	PlainHTTP bool
	Timeout   time.Duration
}

type renderRequest struct {
	Chart              deployer.Chart
	Namespace, Release string
	Values             values
	KubeVersion        string
	APIVersions        []string
	Upgrade            bool
}

type jobRequest struct {
	Kind                          deployer.JobKind
	Access                        access
	Namespace, Release, Operation string
	Chart                         deployer.Chart
	Values                        values
	Keep                          []string
	Revision                      int
	Timeout                       time.Duration
	Repair                        bool
}

type lookRequest struct {
	Access             access
	Namespace, Release string
	// All asks for all revisions without manifests, in the place of the last one with them.
	All bool
}

// message is a JSON value on the standard output of a child. The last one has Done.
type message struct {
	// Stage is reached: stageRendering or one of the deployer's.
	Stage deployer.Stage `json:",omitempty"`
	Done  bool           `json:",omitempty"`
	// Reason is why it is not done well.
	Reason    *deployer.Reason   `json:",omitempty"`
	Chart     *deployer.Chart    `json:",omitempty"`
	Manifests []byte             `json:",omitempty"`
	Releases  []deployer.Release `json:",omitempty"`
}

// stageRendering is where the time that Options.RenderTimeout bounds begins: the cluster has answered before.
const stageRendering deployer.Stage = "rendering"

const (
	// maxRequestBytes bounds what a child reads: a chart of the largest size in base64, with values.
	maxRequestBytes = 16 << 20
	// maxReplyBytes bounds what is read of a child.
	maxReplyBytes = 32 << 20
	// maxMessages bounds how often a child speaks.
	maxMessages = 20
	// maxRenderedBytes bounds what a chart may render to. Helm could not store much of it anyway.
	maxRenderedBytes = 8 << 20
)
