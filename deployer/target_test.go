package deployer

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"llmhub/catalog"
	"llmhub/fault"
	"llmhub/identity"
	"llmhub/secret"
)

func catalogChart(schema string) []catalog.ChartFile {
	return []catalog.ChartFile{{Name: "values.schema.json", Data: []byte(schema)}}
}

func projectIDs(projects []identity.Project) string {
	var ids []string
	for _, p := range projects {
		ids = append(ids, p.ID)
	}
	return strings.Join(ids, " ")
}

func TestProjects(t *testing.T) {
	f := newFixture(t)
	globex := f.user(f.tenant("globex"), "usr_g") // the configured cluster lab is its domain's
	got, err := f.Projects(t.Context(), f.jo, f.cred)
	if err != nil || projectIDs(got) != "eu nl" {
		t.Errorf("%v, %v", got, err)
	}
	got, err = f.Projects(t.Context(), globex, f.credential("globex"))
	if err != nil || projectIDs(got) != "eu nl configured" {
		t.Errorf("%v, %v", got, err)
	}
	got, err = f.Projects(t.Context(), globex, Credential{})
	if err != nil || projectIDs(got) != ConfiguredProject {
		t.Errorf("%v, %v", got, err)
	}
	_, err = f.Projects(t.Context(), f.jo, Credential{})
	isReason(t, err, AccessEnded)
	_, err = f.Projects(t.Context(), f.jo, Credential{Token: secret.New("unknown")})
	isReason(t, err, AccessEnded)
	// A directory that is down keeps nobody from the configured clusters.
	f.directory.set(func(d *fakeDirectory) { d.err = fmt.Errorf("dial: %w", identity.ErrUnavailable) })
	got, err = f.Projects(t.Context(), globex, f.credential("globex"))
	isReason(t, err, Unreachable)
	if projectIDs(got) != ConfiguredProject {
		t.Errorf("%v", got)
	}
	if _, err := f.Projects(t.Context(), identity.Administrator(), f.cred); err == nil {
		t.Error("an operator has projects")
	}
	f.o.Directory, f.o.Source = nil, nil
	if got, err := f.Projects(t.Context(), f.jo, f.cred); err != nil || len(got) != 0 {
		t.Errorf("%v, %v", got, err)
	}
	_, err = f.Clusters(t.Context(), f.jo, f.cred, "eu")
	isReason(t, err, ClusterGone)
}

// A token of another domain is refused wherever it is shown, although its own user could use it.
func TestCredentialOfAnotherDomain(t *testing.T) {
	f := newFixture(t)
	other := f.credential("globex")
	d := f.draft("cache")
	for name, call := range map[string]func() error{
		"Projects":  func() error { _, err := f.Projects(t.Context(), f.jo, other); return err },
		"Clusters":  func() error { _, err := f.Clusters(t.Context(), f.jo, other, "eu"); return err },
		"Cluster":   func() error { _, err := f.Cluster(t.Context(), f.jo, other, "eu", "c1"); return err },
		"SetTarget": func() error { _, err := f.SetTarget(t.Context(), f.jo, other, d.ID, goal()); return err },
	} {
		err := call()
		isFault(t, err, fault.Forbidden, "")
		if strings.Contains(fmt.Sprint(err), "canary") {
			t.Errorf("%s: the error holds the token", name)
		}
	}
	ready := f.prepared("cache")
	_, err := f.Review(t.Context(), f.jo, other, ready.ID)
	isFault(t, err, fault.Forbidden, "")
	_, err = f.Deploy(t.Context(), f.jo, other, ready.ID, "en", f.consents("cache"), true)
	isFault(t, err, fault.Forbidden, "")
}

func TestClusters(t *testing.T) {
	f := newFixture(t)
	globex, cred := f.user(f.tenant("globex"), "usr_g"), f.credential("globex")
	got, err := f.Clusters(t.Context(), f.jo, f.cred, "eu")
	if err != nil || len(got) != 2 || got[0].ID != "c1" || got[1].ID != "c2" {
		t.Errorf("%v, %v", got, err)
	}
	got, err = f.Clusters(t.Context(), globex, Credential{}, ConfiguredProject)
	if err != nil || len(got) != 1 || got[0].ID != "lab" || !got[0].Available {
		t.Errorf("%v, %v", got, err)
	}
	if got, err := f.Clusters(t.Context(), f.jo, Credential{}, ConfiguredProject); err != nil || len(got) != 0 {
		t.Errorf("another tenant sees %v, %v", got, err)
	}
	_, err = f.Clusters(t.Context(), f.jo, f.cred, "unknown")
	isReason(t, err, AccessDenied)
	f.source.set(func(s *fakeSource) { s.err = &Reason{Code: Unreachable} })
	_, err = f.Clusters(t.Context(), globex, cred, "eu")
	isReason(t, err, Unreachable)
}

// Tokens of projects are exchanged once for some time, each for those who have shown the one that it came from.
func TestTokensOfProjects(t *testing.T) {
	f := newFixture(t)
	clusters := func(cred Credential, project string) {
		t.Helper()
		if _, err := f.Clusters(t.Context(), f.jo, cred, project); err != nil {
			t.Fatal(err)
		}
	}
	second := Credential{Token: secret.New("second")}
	f.directory.set(func(d *fakeDirectory) { d.domains["second"] = "id-acme" })
	for range 3 {
		clusters(f.cred, "eu")
	}
	clusters(f.cred, "nl")
	clusters(second, "eu")
	if f.directory.rescopes != 3 {
		t.Errorf("%d exchanges", f.directory.rescopes)
	}
	f.pass(24*time.Hour - tokenMargin)
	clusters(f.cred, "eu")
	if f.directory.rescopes != 4 {
		t.Errorf("%d exchanges after the end", f.directory.rescopes)
	}
	// One that the cloud does not take any more is not shown again.
	f.source.set(func(s *fakeSource) { s.err = &Reason{Code: AccessEnded} })
	_, err := f.Clusters(t.Context(), f.jo, f.cred, "eu")
	isReason(t, err, AccessEnded)
	f.source.set(func(s *fakeSource) { s.err = nil })
	clusters(f.cred, "eu")
	if f.directory.rescopes != 5 {
		t.Errorf("%d exchanges after a refusal", f.directory.rescopes)
	}
	// Whose it is is asked again after a while.
	f.directory.set(func(d *fakeDirectory) { delete(d.domains, "second") })
	f.pass(vouchedFor)
	_, err = f.Clusters(t.Context(), f.jo, second, "eu")
	isReason(t, err, AccessEnded)
	for i := range maxTokens + 10 {
		f.tokens.put(second.Token, projectToken{identity.Project{ID: fmt.Sprint(i)}, second.Token, f.now().Add(time.Hour)})
		f.tokens.vouch(fmt.Sprint(i), second.Token)
	}
	if len(f.tokens.projects) != maxTokens || len(f.tokens.tenants) != maxTokens {
		t.Errorf("%d and %d are kept", len(f.tokens.projects), len(f.tokens.tenants))
	}
}

func TestCluster(t *testing.T) {
	f := newFixture(t)
	got, err := f.Cluster(t.Context(), f.jo, f.cred, "eu", "c1")
	if err != nil || got.Facts.Version != "v1.29.1-r4" || len(got.Namespaces) != 3 || len(got.StorageClasses) != 1 {
		t.Errorf("%+v, %v", got, err)
	}
	if token := f.kubernetes.opened[0].Token.Reveal(); !strings.Contains(token, "/eu/") {
		t.Errorf("opened with %q", token)
	}
	for _, id := range []string{"c2", "c9", ""} {
		_, err = f.Cluster(t.Context(), f.jo, f.cred, "eu", id)
		isReason(t, err, ClusterGone)
	}
	_, err = f.Cluster(t.Context(), f.jo, f.cred, ConfiguredProject, "lab")
	isReason(t, err, ClusterGone)
	f.cluster.set(func(c *fakeCluster) { c.fail["Namespaces"] = &Reason{Code: AccessDenied} })
	if got, err := f.Cluster(t.Context(), f.jo, f.cred, "eu", "c1"); err != nil || got.Namespaces != nil || got.Facts.Version == "" {
		t.Errorf("a user who may not list namespaces: %+v, %v", got, err)
	}
	f.cluster.set(func(c *fakeCluster) { c.fail = map[string]error{"Namespaces": &Reason{Code: Unreachable}} })
	_, err = f.Cluster(t.Context(), f.jo, f.cred, "eu", "c1")
	isReason(t, err, Unreachable)
	for _, method := range []string{"Facts", "StorageClasses"} {
		f.cluster.set(func(c *fakeCluster) { c.fail = map[string]error{method: &Reason{Code: AccessDenied}} })
		_, err := f.Cluster(t.Context(), f.jo, f.cred, "eu", "c1")
		isReason(t, err, AccessDenied)
	}
	f.kubernetes.err = &Reason{Code: Unreachable}
	_, err = f.Cluster(t.Context(), f.jo, f.cred, "eu", "c1")
	isReason(t, err, Unreachable)
}

// An operation reaches its cluster with the token that it has, and with nothing else.
func TestAccessByToken(t *testing.T) {
	f := newFixture(t)
	target := goal()
	target.ProjectName = "eu-de"
	a, err := f.accessBy(t.Context(), f.jo.TenantID, secret.New("of the project"), target)
	if err != nil || a.Server != "https://c1" || f.source.tokens[0] != "of the project" || f.directory.rescopes != 0 {
		t.Errorf("%+v, %v", a, err)
	}
	_, err = f.accessBy(t.Context(), f.jo.TenantID, secret.Text{}, target)
	isReason(t, err, AccessEnded)
	target.ProjectID, target.ClusterID = ConfiguredProject, "lab"
	_, err = f.accessBy(t.Context(), f.jo.TenantID, secret.New("x"), target)
	isReason(t, err, ClusterGone)
	if a, err := f.accessBy(t.Context(), f.tenant("globex"), secret.Text{}, target); err != nil || a.Server != "https://lab" {
		t.Errorf("%+v, %v", a, err)
	}
	f.o.Source = nil
	_, err = f.accessBy(t.Context(), f.jo.TenantID, secret.New("x"), goal())
	isReason(t, err, ClusterGone)
}

func TestTargetFaults(t *testing.T) {
	f := newFixture(t)
	d := f.draft("cache")
	f.releases.keep(Job{Kind: JobInstall, Access: Access{Server: "https://c1"}, Namespace: "default", Release: "theirs"}, StatusDeployed)
	long := strings.Repeat("a", 64)
	for name, c := range map[string]struct {
		change func(*Target)
		kind   fault.Kind
		fields string
	}{
		"no project":          {func(t *Target) { t.ProjectID = "" }, fault.Invalid, "project"},
		"unknown project":     {func(t *Target) { t.ProjectID = "us" }, fault.Invalid, "project"},
		"disabled project":    {func(t *Target) { t.ProjectID = "old" }, fault.Invalid, "project"},
		"foreign configured":  {func(t *Target) { t.ProjectID = ConfiguredProject }, fault.Invalid, "project"},
		"no cluster":          {func(t *Target) { t.ClusterID = "" }, fault.Invalid, "cluster"},
		"unknown cluster":     {func(t *Target) { t.ClusterID = "c9" }, fault.Invalid, "cluster"},
		"cluster that is off": {func(t *Target) { t.ClusterID = "c2" }, fault.Invalid, "cluster"},
		"no namespace":        {func(t *Target) { t.Namespace = " " }, fault.Invalid, "namespace"},
		"unknown namespace":   {func(t *Target) { t.Namespace = "gone" }, fault.Invalid, "namespace"},
		"ending namespace":    {func(t *Target) { t.Namespace = "ending" }, fault.State, "namespace"},
		"system namespace":    {func(t *Target) { t.Namespace = "kube-system" }, fault.Invalid, "namespace"},
		"no new namespace":    {func(t *Target) { t.Namespace, t.NewNamespace = "", true }, fault.Invalid, "new_namespace"},
		"new and there":       {func(t *Target) { t.NewNamespace = true }, fault.Conflict, "new_namespace"},
		"new and system":      {func(t *Target) { t.Namespace, t.NewNamespace = "kube-mine", true }, fault.Invalid, "new_namespace"},
		"new, capital":        {func(t *Target) { t.Namespace, t.NewNamespace = "Mine", true }, fault.Invalid, "new_namespace"},
		"new, long":           {func(t *Target) { t.Namespace, t.NewNamespace = long, true }, fault.Invalid, "new_namespace"},
		"new, dots":           {func(t *Target) { t.Namespace, t.NewNamespace = "a.b", true }, fault.Invalid, "new_namespace"},
		"new, hyphen":         {func(t *Target) { t.Namespace, t.NewNamespace = "a-", true }, fault.Invalid, "new_namespace"},
		"release, capital":    {func(t *Target) { t.Release = "Mine" }, fault.Invalid, "release"},
		"release, long":       {func(t *Target) { t.Release = long[:54] }, fault.Invalid, "release"},
		"release, dot":        {func(t *Target) { t.Release = "a.b" }, fault.Invalid, "release"},
		"release that is":     {func(t *Target) { t.Release = "theirs" }, fault.Conflict, "release"},
		"two things":          {func(t *Target) { t.Namespace, t.Release = "gone", "-" }, fault.Invalid, "namespace release"},
		"two names":           {func(t *Target) { t.Namespace, t.Release = "Gone", "-" }, fault.Invalid, "namespace release"},
	} {
		target := goal()
		c.change(&target)
		_, err := f.SetTarget(t.Context(), f.jo, f.cred, d.ID, target)
		var fields []string
		for _, e := range flat(err) {
			fields = append(fields, e.Field)
		}
		if strings.Join(fields, " ") != c.fields || flat(err)[0].Kind != c.kind {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got := f.read(d.ID).Target; got != (Target{}) {
		t.Errorf("a wrong target is kept: %+v", got)
	}
}

// flat returns the faults in an error.
func flat(err error) []*fault.Error {
	if err = fault.Join(err); err == nil {
		return []*fault.Error{{}}
	}
	all, ok := err.(fault.Faults)
	if !ok {
		return []*fault.Error{{Field: err.Error()}}
	}
	return all
}

func TestTarget(t *testing.T) {
	f := newFixture(t)
	d := f.draft("cache")
	// What is shown in place of names is not the caller's word.
	got, err := f.SetTarget(t.Context(), f.jo, f.cred, d.ID, Target{
		ProjectID: "eu", ProjectName: "forged", ClusterID: "c1", ClusterName: "forged", Namespace: " new-one ", NewNamespace: true,
	})
	if err != nil || got.Target.ProjectName != "eu-de" || got.Target.ClusterName != "main" || got.Target.Namespace != "new-one" || !got.Target.NewNamespace {
		t.Fatalf("%+v, %v", got.Target, err)
	}
	if !regexp.MustCompile(`^cache-[a-z2-7]{5}$`).MatchString(got.Target.Release) {
		t.Errorf("release %q", got.Target.Release)
	}
	if name := releaseName(strings.Repeat("a", 47) + "-bcd"); checkReleaseName(name) != nil || len(name) > 53 || strings.Contains(name, "--") {
		t.Errorf("release %q", name)
	}
	target := goal()
	target.Release = "mine"
	if got, err := f.SetTarget(t.Context(), f.jo, f.cred, d.ID, target); err != nil || got.Target.Release != "mine" || got.Target.NewNamespace {
		t.Errorf("%+v, %v", got.Target, err)
	}
	globex := f.user(f.tenant("globex"), "usr_g")
	f.kubernetes.add("https://lab")
	own, err := f.NewDraft(t.Context(), globex, "cache")
	if err != nil {
		t.Fatal(err)
	}
	own, err = f.SetTarget(t.Context(), globex, Credential{}, own.ID, Target{ProjectID: ConfiguredProject, ClusterID: "lab", Namespace: "default"})
	if err != nil || own.Target.ClusterName != "lab" {
		t.Errorf("%+v, %v", own.Target, err)
	}
	// Who may not list namespaces can name one.
	f.cluster.set(func(c *fakeCluster) { c.fail["Namespaces"] = &Reason{Code: AccessDenied} })
	target = goal()
	target.Namespace = "my-own"
	if got, err := f.SetTarget(t.Context(), f.jo, f.cred, d.ID, target); err != nil || got.Target.Namespace != "my-own" {
		t.Errorf("%+v, %v", got.Target, err)
	}
	f.releases.set(func(r *fakeReleases) { r.fail["Get"] = &Reason{Code: AccessDenied} })
	_, err = f.SetTarget(t.Context(), f.jo, f.cred, d.ID, goal())
	isReason(t, err, AccessDenied)
}

func TestPlaces(t *testing.T) {
	seen := []string{placeID("ten_a", goal())}
	for _, change := range []func(*Target){
		func(t *Target) { t.ProjectID = "nl" }, func(t *Target) { t.ClusterID = "c2" }, func(t *Target) { t.Namespace = "x" },
		func(t *Target) { t.Release = "x" }, func(t *Target) { t.ProjectID, t.ClusterID = "e", "uc1" },
	} {
		target := goal()
		change(&target)
		id := placeID("ten_a", target)
		if slices.Contains(seen, id) || len(id) > 200 {
			t.Errorf("%+v has the ID %s", target, id)
		}
		seen = append(seen, id)
	}
	named := goal()
	named.ProjectName, named.ClusterName, named.NewNamespace = "p", "c", true
	if placeID("ten_a", named) != seen[0] || placeID("ten_b", goal()) == seen[0] {
		t.Error("the place goes by something else than where it is")
	}
}

// A panic of what is done at once reaches the caller, where it ends one request and not the process.
func TestTogetherPanics(t *testing.T) {
	done := false
	defer func() {
		if p := recover(); p != "broken" || !done {
			t.Errorf("got %v, %v", p, done)
		}
	}()
	err := together(func() error { panic("broken") }, func() error { done = true; return nil })
	t.Errorf("got %v", err)
}
