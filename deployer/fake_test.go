package deployer

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"llmhub/catalog"
	"llmhub/identity"
	"llmhub/secret"
)

// fakeKubernetes opens clusters that are kept in memory, which are found by the server of the access.
type fakeKubernetes struct {
	mu       sync.Mutex
	clusters map[string]*fakeCluster
	// err is what Open fails with; opened is what it was called with.
	err    error
	opened []Access
}

func newFakeKubernetes() *fakeKubernetes { return &fakeKubernetes{clusters: map[string]*fakeCluster{}} }

func (k *fakeKubernetes) Open(a Access) (Cluster, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.opened = append(k.opened, a)
	if k.err != nil {
		return nil, k.err
	}
	c, ok := k.clusters[a.Server]
	if !ok {
		return nil, &Reason{Code: Unreachable, Detail: "no route"}
	}
	return c, nil
}

// add returns a new cluster with the namespace default and the storage class csi-disk.
func (k *fakeKubernetes) add(server string) *fakeCluster {
	c := &fakeCluster{
		facts:      Facts{Version: "v1.29.1-r4", Nodes: 2, ReadyNodes: 2, FreeMilliCPU: 4000, FreeMemoryMiB: 8192},
		namespaces: []Namespace{{Name: "default", Usable: true}, {Name: "ending"}, {Name: "kube-system", Usable: true}},
		classes:    []StorageClass{{Name: "csi-disk", Provisioner: "everest", Default: true, Expandable: true}},
		secrets:    map[string]map[string]string{}, fail: map[string]error{},
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.clusters[server] = c
	return c
}

// fakeCluster is a cluster in memory. Its fields are changed within set.
type fakeCluster struct {
	mu          sync.Mutex
	facts       Facts
	namespaces  []Namespace
	classes     []StorageClass
	inventory   Inventory
	observation Observation
	// secrets are by NAMESPACE/NAME.
	secrets map[string]map[string]string
	// fail holds what methods fail with, by their names; inspected is what Inspect was called with.
	fail      map[string]error
	inspected []Inspection
}

func (c *fakeCluster) set(f func(c *fakeCluster)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f(c)
}

// answer returns what a method fails with, with the cluster locked until unlock.
func (c *fakeCluster) answer(ctx context.Context, method string) (unlock func(), err error) {
	c.mu.Lock()
	if err := ctx.Err(); err != nil {
		return c.mu.Unlock, err
	}
	return c.mu.Unlock, c.fail[method]
}

func (c *fakeCluster) Facts(ctx context.Context) (Facts, error) {
	unlock, err := c.answer(ctx, "Facts")
	defer unlock()
	return c.facts, err
}

func (c *fakeCluster) Namespaces(ctx context.Context) ([]Namespace, error) {
	unlock, err := c.answer(ctx, "Namespaces")
	defer unlock()
	return slices.Clone(c.namespaces), err
}

func (c *fakeCluster) StorageClasses(ctx context.Context) ([]StorageClass, error) {
	unlock, err := c.answer(ctx, "StorageClasses")
	defer unlock()
	return slices.Clone(c.classes), err
}

func (c *fakeCluster) Inspect(ctx context.Context, in Inspection) (Inventory, error) {
	unlock, err := c.answer(ctx, "Inspect")
	defer unlock()
	c.inspected = append(c.inspected, in)
	return c.inventory, err
}

func (c *fakeCluster) CreateNamespace(ctx context.Context, name string) error {
	unlock, err := c.answer(ctx, "CreateNamespace")
	defer unlock()
	if err == nil && !slices.ContainsFunc(c.namespaces, func(n Namespace) bool { return n.Name == name }) {
		c.namespaces = append(c.namespaces, Namespace{Name: name, Usable: true})
	}
	return err
}

func (c *fakeCluster) PutSecret(ctx context.Context, namespace, name, _ string, data map[string]secret.Text) error {
	unlock, err := c.answer(ctx, "PutSecret")
	defer unlock()
	if err != nil {
		return err
	}
	plain := map[string]string{}
	for key, text := range data {
		plain[key] = text.Reveal()
	}
	c.secrets[namespace+"/"+name] = plain
	return nil
}

func (c *fakeCluster) DeleteSecret(ctx context.Context, namespace, name, _ string) error {
	unlock, err := c.answer(ctx, "DeleteSecret")
	defer unlock()
	if err == nil {
		delete(c.secrets, namespace+"/"+name)
	}
	return err
}

func (c *fakeCluster) Observe(ctx context.Context, _, _ string, _ []byte) (Observation, error) {
	unlock, err := c.answer(ctx, "Observe")
	defer unlock()
	return c.observation, err
}

// fakeReleases is Helm without charts: releases are kept in memory by the server of their cluster, namespace and name.
type fakeReleases struct {
	mu     sync.Mutex
	charts map[string]Chart // by the name of the reference
	// manifests is what every chart gives. fail holds what methods fail with, by their names.
	manifests []byte
	fail      map[string]error
	// run takes the place of what Run does; nil makes a revision and tells both stages.
	run      func(ctx context.Context, job Job, tell func(Stage)) error
	rendered []RenderInput
	jobs     []Job
	releases map[string][]Release // newest first
	now      func() time.Time
}

func newFakeReleases(now func() time.Time) *fakeReleases {
	return &fakeReleases{charts: map[string]Chart{}, fail: map[string]error{}, releases: map[string][]Release{}, now: now}
}

func (r *fakeReleases) set(f func(r *fakeReleases)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f(r)
}

// Fetch returns the files of a chart that is part of the catalog, or else one of charts.
func (r *fakeReleases) Fetch(_ context.Context, ref catalog.ChartRef) (Chart, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.fail["Fetch"]; err != nil {
		return Chart{}, err
	}
	if files := ref.Files(); files != nil {
		return Chart{Name: ref.Name, Version: ref.Version, Digest: ref.Digest, Files: files}, nil
	}
	c, ok := r.charts[ref.Name]
	switch {
	case !ok:
		return Chart{}, &Reason{Code: ChartMissing, Object: ref.Name}
	case ref.Digest != "" && ref.Digest != c.Digest:
		return Chart{}, &Reason{Code: ChartDigest, Object: ref.Name}
	}
	return c, nil
}

func (r *fakeReleases) Render(ctx context.Context, in RenderInput) ([]byte, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.rendered = append(r.rendered, in)
	if err := r.fail["Render"]; err != nil {
		return nil, err
	}
	return r.manifests, ctx.Err()
}

func releaseKey(a Access, namespace, release string) string {
	return a.Server + " " + namespace + "/" + release
}

func (r *fakeReleases) Run(ctx context.Context, job Job, tell func(Stage)) error {
	r.mu.Lock()
	r.jobs = append(r.jobs, job)
	run, err := r.run, r.fail["Run"]
	r.mu.Unlock()
	switch {
	case err != nil:
		return err
	case run != nil:
		return run(ctx, job, tell)
	}
	tell(StageRendered)
	tell(StageApplied)
	r.keep(job, StatusDeployed)
	return nil
}

// keep does to what the cluster holds what a job does that ends in a status.
func (r *fakeReleases) keep(job Job, status ReleaseStatus) {
	r.mu.Lock()
	defer r.mu.Unlock()
	key := releaseKey(job.Access, job.Namespace, job.Release)
	if job.Kind == JobUninstall {
		delete(r.releases, key)
		return
	}
	old := slices.Clone(r.releases[key])
	for i := range old {
		if old[i].Status == StatusDeployed && status == StatusDeployed {
			old[i].Status = StatusSuperseded
		}
	}
	next := Release{
		Namespace: job.Namespace, Name: job.Release, Revision: len(old) + 1, Status: status, Operation: job.Operation,
		ChartName: job.Chart.Name, ChartVersion: job.Chart.Version, UpdatedAt: r.now(),
		Description: fmt.Sprint(job.Kind, " complete"), Manifests: r.manifests,
	}
	r.releases[key] = append([]Release{next}, old...)
}

func (r *fakeReleases) Get(ctx context.Context, a Access, namespace, release string) (Release, bool, error) {
	all, err := r.History(ctx, a, namespace, release)
	if err != nil || len(all) == 0 {
		return Release{}, false, err
	}
	return all[0], true, nil
}

func (r *fakeReleases) History(ctx context.Context, a Access, namespace, release string) ([]Release, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.fail["Get"]; err != nil {
		return nil, err
	}
	return slices.Clone(r.releases[releaseKey(a, namespace, release)]), ctx.Err()
}

// fakeSource knows the clusters of projects. The access to one has the server https://CLUSTER and the token that was shown.
type fakeSource struct {
	mu       sync.Mutex
	clusters map[string][]ClusterInfo // by project
	err      error
	tokens   []string
}

func newFakeSource() *fakeSource { return &fakeSource{clusters: map[string][]ClusterInfo{}} }

func (s *fakeSource) set(f func(s *fakeSource)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(s)
}

func (s *fakeSource) Clusters(_ context.Context, p identity.Project, token secret.Text) ([]ClusterInfo, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tokens = append(s.tokens, token.Reveal())
	if p.Name == "" {
		return nil, s.err // as CCE: without the name, which tells the region, nobody can be asked
	}
	return slices.Clone(s.clusters[p.ID]), s.err
}

func (s *fakeSource) Access(_ context.Context, p identity.Project, clusterID string, token secret.Text) (Access, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tokens = append(s.tokens, token.Reveal())
	if s.err != nil {
		return Access{}, s.err
	}
	if p.Name == "" || !slices.ContainsFunc(s.clusters[p.ID], func(c ClusterInfo) bool { return c.ID == clusterID && c.Available }) {
		return Access{}, &Reason{Code: ClusterGone}
	}
	return Access{Server: "https://" + clusterID, Token: token}, nil
}

// fakeDirectory knows tokens. Those of projects are TOKEN/PROJECT/NUMBER and hold for a day.
type fakeDirectory struct {
	mu       sync.Mutex
	domains  map[string]string // of tokens
	projects []identity.Project
	err      error
	rescopes int
	now      func() time.Time
}

func newFakeDirectory(now func() time.Time) *fakeDirectory {
	return &fakeDirectory{domains: map[string]string{}, now: now}
}

func (d *fakeDirectory) set(f func(d *fakeDirectory)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f(d)
}

// known returns what a call with a token fails with.
func (d *fakeDirectory) known(token secret.Text) error {
	if d.err != nil {
		return d.err
	}
	if d.domains[token.Reveal()] == "" {
		return fmt.Errorf("token: %w", identity.ErrCredentials)
	}
	return nil
}

func (d *fakeDirectory) SignIn(context.Context, identity.Credentials) (identity.Account, error) {
	return identity.Account{}, identity.ErrCredentials
}

func (d *fakeDirectory) Account(_ context.Context, token secret.Text) (identity.Account, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return identity.Account{DomainID: d.domains[token.Reveal()], Token: token}, d.known(token)
}

func (d *fakeDirectory) Projects(_ context.Context, token secret.Text) ([]identity.Project, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.projects), d.known(token)
}

func (d *fakeDirectory) Rescope(_ context.Context, token secret.Text, projectID string) (secret.Text, time.Time, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.known(token); err != nil {
		return secret.Text{}, time.Time{}, err
	}
	if !slices.ContainsFunc(d.projects, func(p identity.Project) bool { return p.ID == projectID }) {
		return secret.Text{}, time.Time{}, identity.ErrCredentials
	}
	d.rescopes++
	return secret.New(fmt.Sprintf("%s/%s/%d", token.Reveal(), projectID, d.rescopes)), d.now().Add(24 * time.Hour), nil
}

func (d *fakeDirectory) Revoke(_ context.Context, token secret.Text) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.domains, token.Reveal())
	return nil
}
