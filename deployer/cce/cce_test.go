package cce_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"llmhub/deployer"
	"llmhub/deployer/cce"
	"llmhub/deployer/cce/ccetest"
	"llmhub/identity"
	"llmhub/secret"
)

func TestClusters(t *testing.T) {
	f := start(t, nil, cce.Gateway)
	found, err := f.source.Clusters(t.Context(), project, f.token("jana.weber", project))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range found {
		got = append(got, fmt.Sprintf("%s %s|%s|%v|%s|%s", c.Name, c.Version, c.Type, c.Available, c.Phase, c.Message))
	}
	want := []string{
		"alpha v1.34|CCE, VirtualMachine|true|Available|",
		"beta v1.34|CCE, VirtualMachine|true|Available|",
		"delta v1.34|CCE, VirtualMachine|false|Hibernation|Put to sleep by its owner.",
		"epsilon v1.34|CCE, VirtualMachine|false|Unavailable|NodesDown: Two nodes do not answer.",
		"gamma v1.29|Turbo, BareMetal|true|Available|",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if found[0].ID != alpha {
		t.Errorf("the ID is %q", found[0].ID)
	}
}

func TestAccessByGateway(t *testing.T) {
	f := start(t, nil, "")
	token := f.token("jana.weber", project)
	a, err := f.source.Access(t.Context(), project, alpha, token)
	if err != nil {
		t.Fatal(err)
	}
	if a.Server != f.engine.URL.String()+"/k8s/"+alpha || !a.Token.Equal(token) || a.Insecure || a.ClientCert != nil || string(a.CA) != string(f.engine.CA) {
		t.Errorf("access %+v", a)
	}
}

// What cannot be opened is said before anything is tried at it.
func TestAccessRefused(t *testing.T) {
	f := start(t, nil, cce.Gateway)
	mine, theirs := f.token("jana.weber", project), f.token("jana.weber", other)
	for _, c := range []struct {
		name, id string
		project  identity.Project
		token    secret.Text
		want     deployer.ReasonCode
	}{
		{"hibernating", strings.TrimSuffix(alpha, "a") + "d", project, mine, deployer.ClusterGone},
		{"unknown", "none", project, mine, deployer.ClusterGone},
		{"another project's", strings.TrimSuffix(alpha, "a") + "f", project, mine, deployer.ClusterGone},
		{"token of another project", alpha, project, theirs, deployer.AccessDenied},
		{"no token", alpha, project, secret.Text{}, deployer.AccessEnded},
		{"unknown token", alpha, project, secret.New("no-token"), deployer.AccessEnded},
		{"token that is none", alpha, project, secret.New("no\r\ntoken: x"), deployer.AccessEnded},
		{"endless token", alpha, project, secret.New(strings.Repeat("t", 200<<10)), deployer.AccessEnded},
	} {
		a, err := f.source.Access(t.Context(), c.project, c.id, c.token)
		if got := reasoned(t, err); got.Code != c.want || a.Server != "" || a.Token.IsSet() {
			t.Errorf("%s: %+v, %v", c.name, a, err)
		}
	}
}

// IDs become parts of hosts and paths, and nothing else is asked for with them.
func TestIdentifiersAreChecked(t *testing.T) {
	s := stub(t, cce.Gateway, func(_ http.ResponseWriter, r *http.Request) { t.Errorf("%s was asked for", r.URL) })
	token := secret.New("token")
	for _, id := range []string{"", ".", "..", "a/b", "a.b", "evil.example/", "a@b", "a:1", "A", "-a", "a-", "a%2fb", "a?b", "a#b", "a\n", "ä", strings.Repeat("a", 64)} {
		if a, err := s.Access(t.Context(), project, id, token); reasoned(t, err).Code != deployer.ClusterGone || a.Server != "" {
			t.Errorf("cluster %q: %+v, %v", id, a, err)
		}
	}
	for _, id := range []string{"", "..", "a/b", "a?b", "a%2f"} {
		p := identity.Project{ID: id, Name: "eu-de"}
		if found, err := s.Clusters(t.Context(), p, token); len(found) != 0 || err != nil {
			t.Errorf("project %q: %v, %v", id, found, err)
		}
	}
}

// The region is that which the project's name begins with. Projects of no region have no CCE, and nobody is asked.
func TestRegions(t *testing.T) {
	for name, want := range map[string]string{"eu-de": "eu-de", "eu-nl_a_b": "eu-nl", "eu-ch2_x": "eu-ch2", "MOS": "", "": "", "evil.example/_x": "", "a@b-c": "", "eu": ""} {
		var asked string
		engine := stubbed(t, func(w http.ResponseWriter, r *http.Request) {
			asked = r.URL.Path
			_, _ = w.Write([]byte(`{"kind":"Cluster","items":[{"metadata":{"name":"c","uid":"c1"},"status":{"phase":"Available"}}]}`))
		})
		s := source(t, cce.Config{URL: engine + "/{region}", KubernetesURL: engine + "/{region}/{cluster_id}/"})
		p := identity.Project{ID: "p1", Name: name}
		found, err := s.Clusters(t.Context(), p, secret.New("token"))
		switch {
		case err != nil:
			t.Errorf("%q: %v", name, err)
		case want == "" && (asked != "" || len(found) != 0):
			t.Errorf("%q: %v after %s", name, found, asked)
		case want != "" && (asked != "/"+want+"/api/v3/projects/p1/clusters" || len(found) != 1):
			t.Errorf("%q: %v after %s", name, found, asked)
		}
	}
}

func TestConfig(t *testing.T) {
	good := cce.Config{URL: "https://cce.{region}.otc.example.com", KubernetesURL: "https://{cluster_id}.cce.{region}.otc.example.com"}
	for _, c := range []struct {
		name   string
		change func(*cce.Config)
		want   string
	}{
		{"as it is", func(*cce.Config) {}, ""},
		{"this machine", func(c *cce.Config) { c.URL, c.KubernetesURL = "http://127.0.0.1:1", "http://[::1]:1/k8s/{cluster_id}/" }, ""},
		{"certificate without a gateway", func(c *cce.Config) { c.Access, c.KubernetesURL = cce.Certificate, "" }, ""},
		{"another machine without TLS", func(c *cce.Config) { c.URL = "http://cce.{region}.example.com" }, "https://"},
		{"gateway without TLS", func(c *cce.Config) { c.KubernetesURL = "http://{cluster_id}.example.com" }, "https://"},
		{"no cluster", func(c *cce.Config) { c.KubernetesURL = "https://gateway.example.com" }, "{cluster_id}"},
		{"other mark", func(c *cce.Config) { c.URL = "https://cce.{zone}.example.com" }, "no other braces"},
		{"no address", func(c *cce.Config) { c.URL = "" }, "with a host"},
		{"user", func(c *cce.Config) { c.URL = "https://u:hunter2@cce.example.com" }, "must not have a user"},
		{"query", func(c *cce.Config) { c.URL = "https://cce.example.com?a" }, "a query"},
		{"way", func(c *cce.Config) { c.Access = "ssh" }, "ssh"},
		{"authorities", func(c *cce.Config) { c.CA = []byte("none") }, "no PEM certificate"},
	} {
		config := good
		c.change(&config)
		_, err := cce.New(config)
		if (err == nil) != (c.want == "") || err != nil && (!strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "hunter2")) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// A token whose time ends, a cluster that is put to sleep and one that is removed are told from each other, in the middle.
func TestInTheMiddle(t *testing.T) {
	f := start(t, nil, cce.Gateway)
	token := f.token("jana.weber", project)
	access := func() error {
		_, err := f.source.Access(t.Context(), project, alpha, token)
		return err
	}
	if err := access(); err != nil {
		t.Fatal(err)
	}
	f.engine.Expire()
	if got := reasoned(t, access()); got.Code != deployer.AccessEnded || got.Detail != "status 401, CCE.01401001: Authorization failed." {
		t.Error(got)
	}
	token = f.token("jana.weber", project)
	if err := access(); err != nil {
		t.Errorf("a token that is fetched anew: %v", err)
	}
	f.identity.Expire()
	if got := reasoned(t, access()); got.Code != deployer.AccessEnded {
		t.Error(got)
	}
	token = f.token("jana.weber", project)
	asleep := clusters()[2]
	asleep.Phase = ccetest.Hibernation
	f.engine.Put(asleep)
	if got := reasoned(t, access()); got.Code != deployer.ClusterGone || !strings.Contains(got.Detail, "Hibernation") {
		t.Error(got)
	}
	f.engine.Remove(alpha)
	if got := reasoned(t, access()); got.Code != deployer.ClusterGone || !strings.Contains(got.Detail, "404") {
		t.Error(got)
	}
	f.engine.Close()
	if got := reasoned(t, access()); got.Code != deployer.Unreachable {
		t.Error(got)
	}
}

// Whatever the service does instead of answering, it is unreachable, within the time.
func TestMoods(t *testing.T) {
	f := start(t, nil, cce.Gateway)
	token := f.token("jana.weber", project)
	s := source(t, f.config(cce.Gateway, 2*time.Second))
	hasty := source(t, f.config(cce.Gateway, 50*time.Millisecond))
	for mood, want := range map[ccetest.Mood]string{
		ccetest.Away: "closed before the end", ccetest.Slow: "no answer within 50ms", ccetest.Endless: "more than", ccetest.Garbled: "not that of a container engine",
		ccetest.HTML: "not that of a container engine", ccetest.Broken: "status 500, CCE.03500001: Internal error.",
	} {
		f.engine.Set(ccetest.API, mood)
		asked := s
		if mood == ccetest.Slow {
			asked = hasty
		}
		_, err := asked.Clusters(t.Context(), project, token)
		if got := reasoned(t, err); got.Code != deployer.Unreachable || !strings.Contains(got.Detail, want) {
			t.Errorf("%s: %v", mood, got)
		}
		_, err = asked.Access(t.Context(), project, alpha, token)
		if got := reasoned(t, err); got.Code != deployer.Unreachable {
			t.Errorf("%s: %v", mood, got)
		}
	}
	f.engine.Set(ccetest.API, ccetest.Well)
	if _, err := s.Clusters(t.Context(), project, token); err != nil {
		t.Error(err)
	}
}
