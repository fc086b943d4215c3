package portal

import (
	"context"
	"encoding/base64"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"llmhub/deployer"
	"llmhub/deployer/form"
	"llmhub/identity"
	"llmhub/secret"
)

// Deployments is what the API does with clusters, products to deploy and workloads: deployer.Service.
type Deployments interface {
	Targets
	Drafts
	Workloads
}

// Targets are where products can go.
type Targets interface {
	Projects(ctx context.Context, by identity.Actor, cred deployer.Credential) ([]identity.Project, error)
	Clusters(ctx context.Context, by identity.Actor, cred deployer.Credential, projectID string) ([]deployer.ClusterInfo, error)
	Cluster(ctx context.Context, by identity.Actor, cred deployer.Credential, projectID, clusterID string) (deployer.ClusterDetails, error)
}

// Drafts are how a workload is prepared. The API makes one for the time of a request.
type Drafts interface {
	ProductForm(ctx context.Context, productID string) (*form.Form, error)
	NewDraft(ctx context.Context, by identity.Actor, productID string) (deployer.Draft, error)
	NewUpgrade(ctx context.Context, by identity.Actor, workloadID string) (deployer.Draft, error)
	Discard(ctx context.Context, by identity.Actor, id string) error
	Form(ctx context.Context, by identity.Actor, id string) (*form.Form, error)
	SetTarget(ctx context.Context, by identity.Actor, cred deployer.Credential, id string, t deployer.Target) (deployer.Draft, error)
	SetLicence(ctx context.Context, by identity.Actor, id, name string, licence secret.Text, later bool) (deployer.Draft, error)
	SetInput(ctx context.Context, by identity.Actor, id string, in form.Input, clear []string) (deployer.Draft, error)
	ClearSecrets(ctx context.Context, by identity.Actor, id string, paths []string) (deployer.Draft, error)
	Review(ctx context.Context, by identity.Actor, cred deployer.Credential, id string) (deployer.Review, error)
	Deploy(ctx context.Context, by identity.Actor, cred deployer.Credential, id, lang string, accepted []identity.Consent, confirmed bool) (deployer.Workload, error)
}

// Workloads are what has been deployed.
type Workloads interface {
	Workloads(ctx context.Context, by identity.Actor, q deployer.WorkloadQuery) (deployer.WorkloadPage, error)
	Workload(ctx context.Context, by identity.Actor, id string) (deployer.Workload, error)
	Observe(ctx context.Context, by identity.Actor, cred deployer.Credential, id string) (deployer.Observation, error)
	Revisions(ctx context.Context, by identity.Actor, cred deployer.Credential, id string) ([]deployer.Release, error)
	Rollback(ctx context.Context, by identity.Actor, cred deployer.Credential, id string, revision int) (deployer.Workload, error)
	Uninstall(ctx context.Context, by identity.Actor, cred deployer.Credential, id, typed string, forget bool) (deployer.Workload, error)
	Continue(ctx context.Context, by identity.Actor, cred deployer.Credential, id string) (deployer.Workload, error)
}

const (
	// tokenHeader carries a token of the directory, under the name that the cloud's own APIs have for it.
	tokenHeader   = "X-Auth-Token"
	maxTokenBytes = 32 << 10
	// discardTimeout bounds how long a draft of a request that has failed is tried to be thrown away.
	discardTimeout = 5 * time.Second
)

// maxDeploymentBytes bounds the body that deploys: a licence in base64, and beside it what other bodies may hold.
var maxDeploymentBytes = base64.StdEncoding.EncodedLen(deployer.MaxLicenceBytes) + 2*maxBodyBytes

// MaxDeploymentBytes bounds what is read of a body that may bring a licence. It is more than the API takes, so that a licence that
// is too large is refused in words, and not by cutting the connection.
const MaxDeploymentBytes = 4 << 20

// BringsLicence says whether a request's path is that of an operation whose body may bring a licence, which has at most
// MaxDeploymentBytes.
func BringsLicence(method, path string) bool {
	rest, ok := strings.CutPrefix(path, basePath+"/workloads")
	if !ok || method != fiber.MethodPost {
		return false
	}
	parts := strings.Split(rest, "/")
	switch len(parts) {
	case 1:
		return rest == ""
	case 2:
		return rest == "/review"
	}
	operation := strings.Join(parts[2:], "/")
	return parts[0] == "" && parts[1] != "" && (operation == "upgrade" || operation == "upgrade/review")
}

// credential returns what clusters are reached with: the token in the header, or else the session's.
func (p *Portal) credential(r *request) (deployer.Credential, error) {
	token := r.c.Get(tokenHeader)
	switch {
	case token == "":
		own, err := p.guard.Token(r.visitor)
		return deployer.Credential{Token: own}, err
	case len(token) > maxTokenBytes:
		return deployer.Credential{}, badRequest(fmt.Sprintf("the token in %s is longer than %d bytes", tokenHeader, maxTokenBytes))
	case strings.ContainsFunc(token, func(c rune) bool { return c <= ' ' || c > '~' }):
		return deployer.Credential{}, badRequest("the token in " + tokenHeader + " contains spaces or characters other than ASCII")
	}
	return deployer.Credential{Token: secret.New(strings.Clone(token))}, nil
}

// configuration is what a product is deployed with, in the body that deploys or upgrades.
type configuration struct {
	Values       map[string]any    `json:"values,omitempty" doc:"By the paths of the product's form, dotted or nested. What is not given has the default of the form, and in an upgrade stays as it is; null leaves it to the chart."`
	Secrets      map[string]string `json:"secrets,omitempty" doc:"Those of the form's secret fields, by path. They are shown nowhere. In an upgrade those that are not given stay as they are."`
	ClearSecrets []string          `json:"clear_secrets,omitempty" doc:"In an upgrade: the paths of secrets that are left to the chart."`
	Licence      string            `json:"licence,omitempty" doc:"The file of a licence that the customer brings along, in base64; at most 512 KiB."`
	LicenceName  string            `json:"licence_name,omitempty" doc:"What the file is called." example:"licence.key"`
	LicenceLater bool              `json:"licence_later,omitempty" doc:"The licence is entered after the deployment, where the product has it so."`
	Accepted     []acceptance      `json:"accepted,omitempty" doc:"Every document of the product that needs consent; a review needs none."`
	Confirm      bool              `json:"confirm_warnings,omitempty" doc:"Go on in spite of the warnings of the review."`
}

// licence returns the licence that was sent; it is not set if none was.
func (c configuration) licence() (secret.Text, error) {
	if c.Licence == "" {
		return secret.Text{}, nil
	}
	text, err := base64.StdEncoding.Strict().DecodeString(c.Licence)
	if err != nil {
		return secret.Text{}, refuse(fiber.StatusBadRequest, "bad_request", "licence is not base64")
	}
	return secret.New(string(text)), nil
}

// consents returns what was accepted, in the terms of the domain.
func (c configuration) consents() []identity.Consent {
	out := make([]identity.Consent, len(c.Accepted))
	for i, a := range c.Accepted {
		out[i] = identity.Consent{DocumentID: a.DocumentID, Digest: a.Digest}
	}
	return out
}

// configure fills a draft in.
func (p *Portal) configure(r *request, d deployer.Draft, c configuration) error {
	licence, err := c.licence()
	if err != nil {
		return err
	}
	f, err := p.deploying.Form(r.ctx, r.by, d.ID)
	if err != nil {
		return err
	}
	in, err := inputOf(f, d, c)
	if err != nil {
		return err
	}
	if p.needsLicence(d) || licence.IsSet() || c.LicenceLater {
		name := c.LicenceName
		if name == "" {
			name = "text"
		}
		if _, err := p.deploying.SetLicence(r.ctx, r.by, d.ID, name, licence, c.LicenceLater); err != nil {
			return err
		}
	}
	if len(c.ClearSecrets) > 0 {
		if _, err := p.deploying.ClearSecrets(r.ctx, r.by, d.ID, c.ClearSecrets); err != nil {
			return err
		}
	}
	_, err = p.deploying.SetInput(r.ctx, r.by, d.ID, in, nil)
	return err
}

// needsLicence says whether a draft cannot be reviewed without a word on the licence: then the domain says what is missing.
func (p *Portal) needsLicence(d deployer.Draft) bool {
	product, ok := p.catalog().Product(d.ProductID)
	return ok && product.CCE != nil && product.CCE.BYOL != nil && d.WorkloadID == ""
}

// discard throws a draft away that nobody else knows of. What stays of it ends by itself.
func (p *Portal) discard(r *request, id string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.ctx), discardTimeout)
	defer cancel()
	if err := p.deploying.Discard(ctx, r.by, id); err != nil {
		p.log.Warn("a draft of a request has not been discarded", slog.String("draft", id), slog.Any("err", err))
	}
}
