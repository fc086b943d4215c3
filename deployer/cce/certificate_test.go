package cce_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"llmhub/deployer"
	"llmhub/deployer/cce"
	"llmhub/deployer/cce/ccetest"
	"llmhub/secret"
)

// The simulated service gives out what its control plane is reached with.
func TestAccessByCertificate(t *testing.T) {
	kubeconfig := nowhere(t)
	f := start(t, kubeconfig, cce.Certificate)
	token := f.token("jana.weber", project)
	for _, id := range []string{alpha, strings.TrimSuffix(alpha, "a") + "b"} {
		a, err := f.source.Access(t.Context(), project, id, token)
		if err != nil {
			t.Fatal(err)
		}
		left := time.Until(a.ExpiresAt)
		if a.Server != "https://127.0.0.1:1" || a.Insecure || len(a.CA) == 0 || len(a.ClientCert) == 0 || !a.ClientKey.IsSet() || a.Token.IsSet() || left < 23*time.Hour || left > 24*time.Hour {
			t.Errorf("access %+v", a)
		}
	}
	last := f.engine.Requests()
	if got := last[len(last)-1]; got.Method != http.MethodPost || !strings.HasSuffix(got.Path, "/clustercert") {
		t.Errorf("the last request is %+v", got)
	}
	c := clusters()[2]
	c.Phase = ccetest.Upgrading
	f.engine.Put(c)
	if _, err := f.source.Access(t.Context(), project, alpha, token); reasoned(t, err).Code != deployer.ClusterGone {
		t.Error(err)
	}
}

// TestKubeconfigs answers each kubeconfig to a request for a certificate.
func TestKubeconfigs(t *testing.T) {
	cert, key := pair(t)
	in := base64.StdEncoding.EncodeToString
	user := fmt.Sprintf(`"users":[{"name":"user","user":{"client-certificate-data":%q,"client-key-data":%q}}]`, in(cert), in(key))
	contexts := func(names ...string) string {
		var all []string
		for _, n := range names {
			cluster := map[string]string{"internal": "internalCluster", "external": "externalCluster", "externalTLSVerify": "externalClusterTLSVerify"}[n]
			all = append(all, fmt.Sprintf(`{"name":%q,"context":{"cluster":%q,"user":"user"}}`, n, cluster))
		}
		return `"contexts":[` + strings.Join(all, ",") + `]`
	}
	cluster := func(name, body string) string { return fmt.Sprintf(`{"name":%q,"cluster":{%s}}`, name, body) }
	ca := fmt.Sprintf(`"certificate-authority-data":%q`, in(cert))
	internal := cluster("internalCluster", `"server":"https://192.168.0.61:5443",`+ca)
	external := cluster("externalCluster", `"server":"https://80.158.1.2:5443","insecure-skip-tls-verify":true`)
	document := func(current string, parts ...string) string {
		return `{"kind":"Config","apiVersion":"v1","preferences":{},"current-context":"` + current + `",` + strings.Join(parts, ",") + `}`
	}
	with := func(body string) string {
		return document("internal", `"clusters":[`+cluster("internalCluster", body)+`]`, contexts("internal"), user)
	}
	as := func(body string) string {
		return document("internal", `"clusters":[`+internal+`]`, contexts("internal"), `"users":[{"name":"user","user":{`+body+`}}]`)
	}
	for _, c := range []struct {
		name, body string
		server     string
		insecure   bool
	}{
		{"internal", document("internal", `"clusters":[`+internal+`]`, contexts("internal"), user), "https://192.168.0.61:5443", false},
		{"external", document("external", `"clusters":[`+internal+","+external+`]`, contexts("internal", "external"), user), "https://80.158.1.2:5443", true},
		{"external that is not the current", document("internal", `"clusters":[`+internal+","+external+`]`, contexts("internal", "external"), user), "https://80.158.1.2:5443", true},
		{"external that is checked", document("external", `"clusters":[`+external+","+cluster("externalClusterTLSVerify", `"server":"https://80.158.1.2:5443",`+ca)+`]`,
			contexts("external", "externalTLSVerify"), user), "https://80.158.1.2:5443", false},
		{"insecure with an authority", with(`"server":"https://192.168.0.61:5443","insecure-skip-tls-verify":true,` + ca), "https://192.168.0.61:5443", true},
		{"no server", with(ca), "https://203.0.113.7:5443", false},
		{"no TLS", with(`"server":"http://192.168.0.61:5443",` + ca), "", false},
		{"password in the server", with(`"server":"https://u:p@192.168.0.61",` + ca), "", false},
		{"authority in a file", with(`"server":"https://192.168.0.61:5443","certificate-authority":"/etc/passwd"`), "", false},
		{"authority that is none", with(`"server":"https://192.168.0.61:5443","certificate-authority-data":"` + in([]byte("none")) + `"`), "", false},
		{"proxy", with(`"server":"https://192.168.0.61:5443","proxy-url":"http://evil.example",` + ca), "", false},
		{"command", as(`"exec":{"command":"/bin/sh"}`), "", false},
		{"files", as(`"client-certificate":"/etc/a","client-key":"/etc/b"`), "", false},
		{"token", as(`"token":"` + canary + `"`), "", false},
		{"nobody", as(``), "", false},
		{"key of another", as(fmt.Sprintf(`"client-certificate-data":%q,"client-key-data":%q`, in(cert), in([]byte("none")))), "", false},
		{"not base64", as(`"client-certificate-data":"%%%","client-key-data":"%%%"`), "", false},
		{"no context", document("", `"clusters":[`+internal+`]`, user), "", false},
		{"context of nothing", document("internal", `"clusters":[]`, contexts("internal"), user), "", false},
		{"null", `null`, "", false},
		{"text", `"apiVersion: v1"`, "", false},
		{"YAML", "apiVersion: v1\nkind: Config\n", "", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := stub(t, cce.Certificate, func(w http.ResponseWriter, r *http.Request) {
				if r.Method == http.MethodPost {
					_, _ = w.Write([]byte(c.body))
					return
				}
				_, _ = w.Write([]byte(strings.Replace(one, `"phase"`, `"endpoints":[{"Internal":"https://192.168.0.61:5443"},{"external":"https://203.0.113.7:5443"}],"phase"`, 1)))
			})
			a, err := s.Access(t.Context(), project, alpha, secret.New(canary))
			if c.server == "" {
				if got := reasoned(t, err); got.Code != deployer.Unreachable || a.Server != "" || a.ClientKey.IsSet() {
					t.Errorf("%+v, %v", a, got)
				}
				harmless(t, err)
				return
			}
			if err != nil || a.Server != c.server || a.Insecure != c.insecure || (len(a.CA) == 0) != c.insecure || string(a.ClientCert) != string(cert) || a.ClientKey.Reveal() != string(key) {
				t.Errorf("%+v, %v", a, err)
			}
		})
	}
}
