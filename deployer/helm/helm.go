// Package helm is Helm for the deployer: it fetches and renders charts, and installs, upgrades, rolls back and uninstalls
// releases. It is the only one that knows the Helm SDK.
//
// Charts are other people's programs: a template may never end, and a few bytes of YAML or gzip may fill any memory, neither of
// which can be stopped within a process. So all of Helm runs in a child, the same executable started with an argument that
// leads to Main, which is limited in memory, is killed when rendering takes too long, and ends with its parent, whichever way
// that ends. What the child needs goes through a pipe, since others can read arguments and environments. The child reads no
// file of Helm, Docker or Kubernetes, and its environment holds nothing but how the network is reached.
//
// Revisions are kept by Helm in Secrets of the release's namespace, each with the label LabelOperation. Volume claims that are
// part of a chart are deleted with its release, as Helm does; those that Kubernetes makes of the volumeClaimTemplates of a
// StatefulSet stay.
package helm

import (
	"context"
	"slices"
	"time"

	"llmhub/catalog"
	"llmhub/deployer"
)

// Options are what Releases needs.
type Options struct {
	// Command starts a process that calls Main: an executable with its arguments.
	Command []string
	// RenderTimeout bounds fetching, and loading and rendering a chart; 0 means 20 s.
	RenderTimeout time.Duration
	// Parallel is how many charts are rendered at the same time, and how often one cluster or one place of charts is asked; 0
	// means 4. It does not bound Run.
	Parallel int
	// PlainHTTP lets charts come from hosts other than this one without TLS.
	PlainHTTP bool
}

// Releases is a deployer.Releases. It may be used concurrently.
type Releases struct {
	o      Options
	turns  *turns
	charts *charts
}

var _ deployer.Releases = (*Releases)(nil)

// New returns Releases.
func New(o Options) *Releases {
	if o.RenderTimeout == 0 {
		o.RenderTimeout = 20 * time.Second
	}
	if o.Parallel == 0 {
		o.Parallel = 4
	}
	return &Releases{o: o, turns: newTurns(o.Parallel), charts: newCharts()}
}

// Fetch returns the chart that a product names. Its files are shared by all who fetch it, and must not be changed. A chart
// whose digest is demanded is fetched once as long as it is remembered.
func (r *Releases) Fetch(ctx context.Context, ref catalog.ChartRef) (deployer.Chart, error) {
	if c, ok := r.charts.get(ref); ok {
		return c, nil
	}
	q := fetchRequest{Kind: ref.Kind, URL: ref.URL, Name: ref.Name, Version: ref.Version, Digest: ref.Digest, Files: ref.Files(), PlainHTTP: r.o.PlainHTTP}
	q.Timeout = r.o.RenderTimeout
	m, err := r.ask(ctx, request{Fetch: &q})
	if err != nil {
		return deployer.Chart{}, err
	}
	if m.Chart == nil {
		return deployer.Chart{}, lost("no chart")
	}
	r.charts.put(*m.Chart)
	return *m.Chart, nil
}

// Render returns the manifests that a chart gives, custom resource definitions and hooks included. Since there is no cluster,
// the template function lookup finds nothing.
func (r *Releases) Render(ctx context.Context, in deployer.RenderInput) ([]byte, error) {
	m, err := r.ask(ctx, request{Render: &renderRequest{
		Chart: in.Chart, Namespace: in.Namespace, Release: in.Release, Values: values{in.Values.Reveal(), in.SecretPaths},
		KubeVersion: in.KubeVersion, APIVersions: in.APIVersions, Upgrade: in.Upgrade,
	}})
	return m.Manifests, err
}

// Run does one operation to its end. When ctx ends, the child has some seconds to mark the release as failed. A context that
// has passed its deadline is NotReady, one that was cancelled is its error.
//
// Hooks and waiting have five minutes each where the job sets no Timeout. A rollback, and an uninstallation, render nothing: of the stages they reach StageApplied at most. Uninstalling what is not
// there is done already.
func (r *Releases) Run(ctx context.Context, job deployer.Job, tell func(deployer.Stage)) error {
	if err := usable(job.Access); err != nil {
		return err
	}
	_, err := r.talk(ctx, request{Job: &jobRequest{
		Kind: job.Kind, Access: reveal(job.Access), Namespace: job.Namespace, Release: job.Release, Operation: job.Operation,
		Chart: job.Chart, Values: values{job.Values.Reveal(), job.SecretPaths}, Keep: job.Keep,
		Revision: job.Revision, Timeout: job.Timeout, Repair: job.Repair,
	}}, tell)
	return err
}

// Get returns what the cluster holds of a release, and whether it holds anything.
func (r *Releases) Get(ctx context.Context, a deployer.Access, namespace, release string) (deployer.Release, bool, error) {
	found, err := r.look(ctx, lookRequest{Access: reveal(a), Namespace: namespace, Release: release}, a)
	if err != nil || len(found) == 0 {
		return deployer.Release{}, false, err
	}
	return found[0], true, nil
}

// History returns the revisions that the cluster holds, newest first, without their manifests.
func (r *Releases) History(ctx context.Context, a deployer.Access, namespace, release string) ([]deployer.Release, error) {
	return r.look(ctx, lookRequest{Access: reveal(a), Namespace: namespace, Release: release, All: true}, a)
}

func (r *Releases) look(ctx context.Context, q lookRequest, a deployer.Access) ([]deployer.Release, error) {
	if err := usable(a); err != nil {
		return nil, err
	}
	m, err := r.ask(ctx, request{Look: &q})
	return m.Releases, err
}

// ask is talk for what is short, which takes turns.
func (r *Releases) ask(ctx context.Context, q request) (message, error) {
	done, err := r.turns.take(ctx, q.place())
	if err != nil {
		return message{}, q.ended(ctx)
	}
	defer done()
	return r.talk(ctx, q, func(deployer.Stage) {})
}

// usable says what keeps an access from being used, before anybody is asked.
func usable(a deployer.Access) error {
	if !a.ExpiresAt.IsZero() && !time.Now().Before(a.ExpiresAt) {
		return &deployer.Reason{Code: deployer.AccessEnded}
	}
	return nil
}

// reveal makes an access ready for the pipe.
func reveal(a deployer.Access) access {
	return access{
		Server: a.Server, ServerName: a.ServerName, CA: slices.Clone(a.CA), Insecure: a.Insecure,
		Token: a.Token.Reveal(), ClientCert: slices.Clone(a.ClientCert), ClientKey: a.ClientKey.Reveal(),
	}
}
