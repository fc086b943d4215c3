package deployer

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"llmhub/catalog"
	"llmhub/identity"
	"llmhub/secret"
	"llmhub/store"
)

// canary is in every secret of the tests.
const canary = "canary-7f3a"

// lab is the fixture in a bubble of synctest: time passes when everybody waits, and no goroutine may stay behind.
type lab struct {
	*fixture
	directory *revoker
	helm      *helm
}

// revoker is a directory that keeps which tokens have been revoked.
type revoker struct {
	*fakeDirectory
	revoked []string
}

func (d *revoker) Revoke(_ context.Context, token secret.Text) error {
	d.set(func(*fakeDirectory) { d.revoked = append(d.revoked, token.Reveal()) })
	return nil
}

func inLab(t *testing.T, test func(t *testing.T, l *lab)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { test(t, newLab(t)) })
}

func newLab(t *testing.T) *lab {
	t.Helper()
	l := &lab{fixture: newFixture(t)}
	l.directory = &revoker{fakeDirectory: l.fixture.directory}
	l.helm = &helm{fakeReleases: l.releases}
	l.releases.manifests = []byte("kind: Deployment\n")
	l.ready()
	l.Service = l.service(l.store, nil)
	return l
}

// service returns a service as a process of its own has it; m may end it.
func (l *lab) service(d store.Documents, m *mortal) *Service {
	o := l.Service.o
	o.Documents, o.Directory, o.Now, o.Releases = d, l.directory, time.Now, l.helm
	if m != nil {
		o.Releases = mortalReleases{l.helm, m}
		o.Kubernetes = mortalKubernetes{o.Kubernetes, m}
	}
	return NewService(o)
}

// ready lets every release have one ready pod.
func (l *lab) ready() {
	l.observe(Observation{Ready: true, Resources: []Resource{{Object: Object{Kind: "Deployment", Name: "web"}, Ready: 1, Wanted: 1}}})
}

// stuck lets no release become ready.
func (l *lab) stuck(r *Reason) {
	l.observe(Observation{Reason: r, Resources: []Resource{
		{Object: Object{Kind: "Deployment", Name: "web"}, Ready: 1, Wanted: 3},
		{Object: Object{Kind: "Service", Name: "web"}, Ready: 1, Wanted: 1},
	}, Event: Event{Object: "Pod/web-0", Reason: "Failed", Message: "with " + canary + "-password in it"}})
}

func (l *lab) observe(o Observation) { l.cluster.set(func(c *fakeCluster) { c.observation = o }) }

// process is a process that runs a service on the store.
type process struct {
	*Service
	stop func()
	*mortal
}

// start begins a process.
func (l *lab) start() *process { return l.startAs(l.store) }

// startAs begins a process that sees a store in its own way.
func (l *lab) startAs(d store.Documents) *process { return l.begin(d, &mortal{}) }

// startDoomed begins a process that dies by a call that reaches out of it, as mortal says.
func (l *lab) startDoomed(dies int64, after bool) *process {
	return l.begin(l.store, &mortal{dies: dies, after: after})
}

func (l *lab) begin(d store.Documents, m *mortal) *process {
	p := &process{Service: l.service(mortalDocuments{d, m}, m), mortal: m}
	ctx, cancel := context.WithCancel(l.t.Context())
	m.cancel = cancel
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	var once sync.Once
	p.stop = func() {
		once.Do(func() {
			cancel()
			if err := <-done; err != nil {
				l.t.Error(err)
			}
		})
	}
	l.t.Cleanup(p.stop)
	return p
}

// product returns what a new workload of a product is, with an operation.
func (l *lab) workload(productID string, kind JobKind, state State) Workload {
	p, _ := l.catalog().Product(productID)
	op := l.newOperation(l.jo, kind)
	op.ProductVersion, op.ChartVersion, op.ChartDigest = p.Version, p.CCE.Chart.Version, p.CCE.Chart.Digest
	op.Values, op.SecretPaths = map[string]any{"size": "8Gi"}, []string{"auth.password"}
	return Workload{
		ID: identity.NewID("wl_"), TenantID: l.jo.TenantID, State: state, Operation: &op, CreatedAt: l.Service.stamp(), CreatedBy: l.jo.Name,
		Target:    Target{ProjectID: "eu", ProjectName: "eu-de", ClusterID: "c1", ClusterName: "main", Namespace: "shop", NewNamespace: true, Release: "web"},
		ProductID: p.ID, ProductName: p.Name, ProductVersion: p.Version, ChartName: productID, ChartVersion: p.CCE.Chart.Version, ChartDigest: p.CCE.Chart.Digest,
		Licence: string(p.Licence), Values: op.Values, SecretPaths: op.SecretPaths,
	}
}

// request puts a workload as Deploy does, and returns its ID.
func (l *lab) request(w Workload) string {
	l.t.Helper()
	w.Operation.Sealed = l.box(w.ID, w.Licence == string(catalog.BYOL))
	place, err := l.takePlace(w)
	l.put(place, err)
	l.put(l.workloads.Write(w.ID, 0, w))
	return w.ID
}

// box returns what an operation of a workload has sealed.
func (l *lab) box(id string, licence bool) []byte {
	l.t.Helper()
	c := sealed{
		Token: secret.New(canary + "-token"), TokenEnds: time.Now().Add(time.Hour),
		Secrets: map[string]secret.Text{"auth.password": secret.New(canary + "-password")},
	}
	if licence {
		c.Licence = secret.New(canary + "-licence")
	}
	box, err := l.seal(id, c)
	if err != nil {
		l.t.Fatal(err)
	}
	return box
}

// install asks for an installation of the product cache.
func (l *lab) install() string { return l.request(l.workload("cache", JobInstall, Requested)) }

// installed returns a workload that is ready, as revision 1.
func (l *lab) installed() string {
	l.t.Helper()
	id := l.install()
	p := l.start()
	l.passes(3 * time.Second)
	p.stop()
	l.is(id, Ready, "")
	return id
}

// passes lets time pass.
func (l *lab) passes(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// raw returns a workload as it is kept.
func (l *lab) raw(id string) Workload {
	l.t.Helper()
	r, err := l.workloads.Get(l.t.Context(), id)
	if err != nil {
		l.t.Fatal(err)
	}
	return r.Value
}

// is insists on a state and a reason's code, empty for none.
func (l *lab) is(id string, state State, code ReasonCode) Workload {
	l.t.Helper()
	w := l.raw(id)
	got := ReasonCode("")
	if w.Reason != nil {
		got = w.Reason.Code
	}
	if w.State != state || got != code {
		l.t.Fatalf("the workload is %s (%v), want %s (%s); steps %v\n%s", w.State, w.Reason, state, code, w.steps(), l.log.String())
	}
	return w
}

// ended insists on a state that is an end, and that nothing of the operation is left but its place in the history.
func (l *lab) ended(id string, state State, code ReasonCode) Workload {
	l.t.Helper()
	w := l.is(id, state, code)
	if w.Operation != nil || w.Lease != (Lease{}) || len(w.History) == 0 {
		l.t.Fatalf("the operation has not ended: %+v", w)
	}
	op := w.History[0]
	if op.Sealed != nil || op.EndedAt.IsZero() || (op.Reason == nil) != (code == "") {
		l.t.Errorf("the operation has ended as %+v", op)
	}
	return w
}

func (w Workload) steps() []WorkStep {
	op := w.Operation
	if op == nil {
		op = &w.History[0]
	}
	var names []WorkStep
	for _, s := range op.Steps {
		names = append(names, s.Name)
	}
	return names
}

// actions returns what the audit says of the tenant's workloads, oldest first.
func (l *lab) actions() []string {
	l.t.Helper()
	list, _, err := l.audit.List(l.t.Context(), identity.AuditQuery{TenantID: l.jo.TenantID}, "", 1000)
	if err != nil {
		l.t.Fatal(err)
	}
	var actions []string
	for _, c := range slices.Backward(list) {
		if c.ObjectID != l.jo.TenantID {
			actions = append(actions, c.Action)
		}
	}
	return actions
}

// held returns what the cluster holds of the release web, newest first.
func (l *lab) held() []Release {
	var all []Release
	l.releases.set(func(r *fakeReleases) { all = slices.Clone(r.releases["https://c1 shop/web"]) })
	return all
}

// hold sets what the cluster holds of it.
func (l *lab) holds(all ...Release) {
	for i := range all {
		all[i].Namespace, all[i].Name = "shop", "web"
	}
	l.releases.set(func(r *fakeReleases) { r.releases["https://c1 shop/web"] = all })
}

// jobs returns what Helm was asked to do, such as "install" or "install repair".
func (l *lab) jobs() []string {
	var all []string
	l.releases.set(func(r *fakeReleases) {
		for _, j := range r.jobs {
			name := string(j.Kind)
			if j.Repair {
				name += " repair"
			}
			all = append(all, name)
		}
	})
	return all
}

// helm is a fakeReleases whose jobs take time, and whose process may die in the middle. Like Helm, it refuses what another operation has
// left in the middle, and to install over what is there, unless it repairs.
type helm struct {
	*fakeReleases
	// takes is how long everything takes until it is ready, at least a second; fails is what the wait ends with.
	takes time.Duration
	// stops is how long it takes to end when it is cancelled.
	stops time.Duration
	fails error
	// around is told when work on a release begins and ends, if it is set.
	around func(release string, n int)
	// working counts operations that are under way, most is the largest number at once.
	working, most atomic.Int32
}

func (h *helm) Run(ctx context.Context, job Job, tell func(Stage)) error {
	return h.run(ctx, job, tell, func(string) error { return nil })
}

func (h *helm) run(ctx context.Context, job Job, tell func(Stage), point func(string) error) error {
	n := h.working.Add(1)
	defer h.working.Add(-1)
	if n > h.most.Load() {
		h.most.Store(n)
	}
	if h.around != nil {
		h.around(job.Release, 1)
		defer h.around(job.Release, -1)
	}
	var played func(context.Context, Job, func(Stage)) error
	h.set(func(r *fakeReleases) { r.jobs, played = append(r.jobs, job), r.run })
	if played != nil {
		return played(ctx, job, tell)
	}
	if err := h.refuses(job); err != nil {
		return err
	}
	if job.Kind == JobUninstall {
		if err := errors.Join(point("uninstalling"), h.until(ctx), point("ready")); err != nil {
			return err
		}
		h.keep(job, StatusUninstalled)
		return point("uninstalled")
	}
	tell(StageRendered)
	h.mark(job, map[JobKind]ReleaseStatus{JobInstall: StatusPendingInstall, JobUpgrade: StatusPendingUpgrade, JobRollback: StatusPendingRollback}[job.Kind])
	if err := point("pending"); err != nil {
		return err
	}
	tell(StageApplied)
	if err := point("applied"); err != nil {
		return err
	}
	if err := h.until(ctx); err != nil {
		if killed := point("ended"); killed != nil {
			return killed
		}
		h.mark(job, StatusFailed)
		return err
	}
	if err := point("ready"); err != nil {
		return err
	}
	h.mark(job, StatusDeployed)
	return point("deployed")
}

// until waits until everything is ready.
func (h *helm) until(ctx context.Context) error {
	if !pause(ctx, max(h.takes, time.Second)) {
		time.Sleep(h.stops)
		return ctx.Err()
	}
	return h.fails
}

func (h *helm) refuses(job Job) error {
	all, _ := h.History(context.Background(), job.Access, job.Namespace, job.Release)
	switch {
	case len(all) == 0 && job.Kind != JobInstall:
		return &Reason{Code: ReleaseGone}
	case len(all) > 0 && job.Kind == JobInstall && !(job.Repair && all[0].Operation == job.Operation):
		return &Reason{Code: ReleaseExists}
	case len(all) > 0 && all[0].Status.Pending() && !job.Repair && job.Kind != JobUninstall:
		return &Reason{Code: Rejected, Detail: "another operation is in progress"}
	}
	return nil
}

// mark makes a revision of the job's operation, or changes the status of the latest if that is one.
func (h *helm) mark(job Job, status ReleaseStatus) {
	key := releaseKey(job.Access, job.Namespace, job.Release)
	again := false
	h.set(func(r *fakeReleases) {
		all := r.releases[key]
		again = len(all) > 0 && all[0].Operation == job.Operation
		if again {
			all[0].Status = status
		}
		for i := range all {
			if i > 0 && status == StatusDeployed && all[i].Status == StatusDeployed {
				all[i].Status = StatusSuperseded
			}
		}
	})
	if !again {
		h.keep(job, status)
	}
}

// errKilled is what the parts of a process answer that has been killed.
var errKilled = errors.New("killed")

// mortal is what a process dies by: after kill nothing of it has any effect.
type mortal struct {
	dead   atomic.Bool
	cancel context.CancelFunc
	// calls counts what reaches out of the process; the process dies before the call dies does anything, or after it
	// if after is set. 0 means never.
	calls atomic.Int64
	dies  int64
	after bool
}

// kill ends the process as kill -9 does.
func (m *mortal) kill() {
	m.dead.Store(true)
	m.cancel()
}

// alive does what reaches out of the process, unless that is dead.
func (m *mortal) alive(call func() error) error {
	n := m.calls.Add(1)
	if n == m.dies && !m.after {
		m.kill()
	}
	if m.dead.Load() {
		return errKilled
	}
	err := call()
	if n == m.dies && m.after {
		m.kill()
	}
	if m.dead.Load() {
		return errKilled
	}
	return err
}

type mortalDocuments struct {
	store.Documents
	m *mortal
}

func (d mortalDocuments) Put(ctx context.Context, writes ...store.Write) (v store.Version, err error) {
	err = d.m.alive(func() (err error) { v, err = d.Documents.Put(ctx, writes...); return err })
	return v, err
}

func (d mortalDocuments) Get(ctx context.Context, kind, id string) (store.Document, error) {
	if d.m.dead.Load() {
		return store.Document{}, errKilled
	}
	return d.Documents.Get(ctx, kind, id)
}

type mortalReleases struct {
	*helm
	m *mortal
}

func (r mortalReleases) Fetch(ctx context.Context, ref catalog.ChartRef) (c Chart, err error) {
	err = r.m.alive(func() (err error) { c, err = r.helm.Fetch(ctx, ref); return err })
	return c, err
}

func (r mortalReleases) Run(ctx context.Context, job Job, tell func(Stage)) error {
	return r.m.alive(func() error {
		return r.helm.run(ctx, job, tell, func(string) error { return r.m.alive(func() error { return nil }) })
	})
}

func (r mortalReleases) Get(ctx context.Context, a Access, namespace, release string) (Release, bool, error) {
	if r.m.dead.Load() {
		return Release{}, false, errKilled
	}
	return r.helm.Get(ctx, a, namespace, release)
}

type mortalKubernetes struct {
	Kubernetes
	m *mortal
}

func (k mortalKubernetes) Open(a Access) (Cluster, error) {
	c, err := k.Kubernetes.Open(a)
	return mortalCluster{c, k.m}, err
}

type mortalCluster struct {
	Cluster
	m *mortal
}

func (c mortalCluster) CreateNamespace(ctx context.Context, name string) error {
	return c.m.alive(func() error { return c.Cluster.CreateNamespace(ctx, name) })
}

func (c mortalCluster) PutSecret(ctx context.Context, namespace, name, release string, data map[string]secret.Text) error {
	return c.m.alive(func() error { return c.Cluster.PutSecret(ctx, namespace, name, release, data) })
}

func (c mortalCluster) DeleteSecret(ctx context.Context, namespace, name, release string) error {
	return c.m.alive(func() error { return c.Cluster.DeleteSecret(ctx, namespace, name, release) })
}

func (c mortalCluster) Observe(ctx context.Context, namespace, release string, manifests []byte) (o Observation, err error) {
	err = c.m.alive(func() (err error) { o, err = c.Cluster.Observe(ctx, namespace, release, manifests); return err })
	return o, err
}
