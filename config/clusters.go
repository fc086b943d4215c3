package config

import (
	"regexp"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"llmhub/secret"
	"llmhub/yamldoc"
)

// CCE is where the clusters of customers' projects are found: OTC's Cloud Container Engine.
type CCE struct {
	// URL is the address of the API without a slash at its end, with {region} in the place of the project's region; empty
	// means that there is no CCE.
	URL string
	// KubernetesURL is where the API gateway has the cluster {cluster_id} of the {region}.
	KubernetesURL string
	Access        CCEAccess
	// Timeout bounds each call.
	Timeout time.Duration
	// CA are the authorities, in PEM, that certificates are checked against; empty means the system's.
	CA []byte
}

// CCEAccess is how clusters of CCE are reached.
type CCEAccess string

// The choices of CCEAccess.
const (
	// AccessGateway goes through CCE's API gateway with the user's own token.
	AccessGateway CCEAccess = "gateway"
	// AccessCertificate goes to the cluster's own address with a certificate of one day.
	AccessCertificate CCEAccess = "certificate"
)

// DefaultCCE returns the settings of CCE that hold where its section says nothing.
func DefaultCCE() CCE {
	return CCE{
		URL:           "https://cce.{region}.otc.t-systems.com",
		KubernetesURL: "https://{cluster_id}.cce.{region}.otc.t-systems.com",
		Access:        AccessGateway,
		Timeout:       10 * time.Second,
	}
}

// Cluster is a Kubernetes cluster that a tenant can deploy to without CCE.
type Cluster struct {
	// Name is unique, of lower-case letters, digits, dots, hyphens and underscores.
	Name string
	// Tenant is the tenant's ID, or Domain the name of its domain; one of them is empty.
	Tenant, Domain string
	// Kubeconfig is the text of a kubeconfig, which is not looked into here.
	Kubeconfig secret.Text
}

const (
	maxClusters    = 1000
	maxTenantBytes = 64
	maxDomainBytes = 255
	regionMark     = "{region}"
	clusterMark    = "{cluster_id}"
)

var tenantForm = regexp.MustCompile(`^ten_[a-z0-9]{26}$`)

// cce is read after iam, whose tokens it needs.
func (d *decoder) cce(into *CCE, n node, withIAM bool) {
	*into = DefaultCCE()
	if !d.Mapping(n,
		optional("url", d.template(&into.URL, "https://cce.{region}.example.com", regionMark)),
		optional("kubernetes_url", d.template(&into.KubernetesURL, "https://{cluster_id}.cce.{region}.example.com", clusterMark, regionMark)),
		optional("access", yamldoc.Choice(d.Decoder, &into.Access, AccessGateway, AccessCertificate)),
		optional("timeout", d.duration(&into.Timeout, time.Second, time.Minute)),
		optional("ca_file", func(n node) { into.CA, _ = d.authorities(n) }),
	) {
		return
	}
	if !withIAM {
		d.Fault(n, "needs iam: clusters are found with the tokens of users who sign in there")
	}
}

// template reads the address of a server that tokens are sent to, with marks in it that are filled in later. {cluster_id}
// must be there if it may.
func (d *decoder) template(into *string, example string, marks ...string) reader {
	return func(n node) {
		text, ok := d.Scalar(n, "a URL such as "+example, "!!str")
		if !ok {
			return
		}
		filled := text
		for _, m := range marks {
			filled = strings.ReplaceAll(filled, m, "mark")
		}
		switch {
		case marks[0] == clusterMark && !strings.Contains(text, clusterMark):
			d.Fault(n, "must contain %s", clusterMark)
			return
		case strings.ContainsAny(filled, "{}"):
			d.Fault(n, "may contain %s and no other braces", strings.Join(marks, " and "))
			return
		}
		whole := node{Node: &yaml.Node{Kind: n.Kind, Tag: n.Tag, Value: filled, Line: n.Line}, Path: n.Path}
		if u := d.server(whole, example, noUser); u != nil && d.private(n, u) {
			*into = strings.TrimRight(text, "/")
		}
	}
}

func (d *decoder) clusters(into *[]Cluster) reader {
	return func(list node) {
		named := names{}
		d.Sequence(list, maxClusters, func(_ int, n node) {
			var c Cluster
			d.cluster(&c, n)
			if first, again := named[c.Name]; again {
				d.Fault(n.Named("name"), "%q is already the name of the cluster in line %d", c.Name, first)
			}
			if c.Name != "" {
				named[c.Name] = n.Line
			}
			*into = append(*into, c)
		})
	}
}

func (d *decoder) cluster(c *Cluster, n node) {
	whose := 0
	counted := func(read reader) reader { return func(n node) { whose++; read(n) } }
	if d.Mapping(n,
		required("name", d.Text(&c.Name, maxNameBytes, upstreamForm, upstreamRule)),
		optional("tenant", counted(d.Text(&c.Tenant, maxTenantBytes, tenantForm, "the ID of a tenant, ten_ and 26 letters and digits"))),
		optional("domain", counted(d.Text(&c.Domain, maxDomainBytes, nil, ""))),
		required("kubeconfig", d.document(&c.Kubeconfig)),
	) && whose != 1 {
		d.Fault(n, "must say whose it is by either tenant or domain")
	}
}
