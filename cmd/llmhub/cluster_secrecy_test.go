package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io/fs"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// planted is a text that is no secret and goes the same ways: where secrets are looked for it has to be found.
const planted = "Planted-Canary GmbH"

// proveSecrecy looks for every secret that llmhub was given in everything that it has written and said. The process is stopped for it.
func (w *clusterWorld) proveSecrecy(t *testing.T) {
	t.Helper()
	for _, u := range w.people {
		u.readEverything(t)
	}
	w.readOperatorsSide(t)
	w.terminate()
	if code, words := w.exit(); code != exitOK {
		t.Errorf("exit code %d after SIGTERM:\n%s", code, words)
	}
	for _, text := range w.iam.Revoked() {
		w.seen.secret("token that llmhub has got itself", text)
	}
	code, stdout, stderr := command(t, "", testToken, "ledger", "verify", "--config", w.config)
	if code != exitOK {
		t.Errorf("ledger verify: %s", stderr)
	}
	w.seen.note("llmhub ledger verify", []byte(stdout+stderr))
	places := w.files(t)
	places["log"] = w.log.Bytes()
	w.seen.mu.Lock()
	defer w.seen.mu.Unlock()
	maps.Copy(places, w.seen.said)
	found := map[string]bool{}
	for where, text := range places {
		if bytes.Contains(text, []byte(planted)) {
			kind, _, _ := strings.Cut(where, " ")
			found[kind] = true
		}
		w.seen.search(t, where, text)
	}
	for _, kind := range []string{"file", "GET"} {
		if !found[kind] {
			t.Errorf("what was planted is not found in any %s: the search is worth nothing", kind)
		}
	}
	t.Logf("%d secrets looked for in %d places", len(w.seen.secrets), len(places))
}

// search reports secrets in a text, as they are and in the forms in which documents carry them. s.mu is held.
func (s *sightings) search(t *testing.T, where string, text []byte) {
	t.Helper()
	for secret, what := range s.secrets {
		quoted, _ := json.Marshal(secret)
		for _, form := range []string{
			secret, strings.Trim(string(quoted), `"`), url.QueryEscape(secret), base64.StdEncoding.EncodeToString([]byte(secret)), base64.RawURLEncoding.EncodeToString([]byte(secret)),
		} {
			if i := bytes.Index(text, []byte(form)); i >= 0 {
				t.Errorf("%s has a %s: …%q", where, what, text[max(0, i-60):i])
				break
			}
		}
	}
}

// readEverything reads what there is to see of the user's deployments.
func (u *clusterUser) readEverything(t *testing.T) {
	t.Helper()
	u.api(t, "GET", "/openapi.json", nil)
	u.api(t, "GET", "/audit?limit=100", nil)
	list := u.api(t, "GET", "/workloads?per_page=100", nil)
	removed := u.api(t, "GET", "/workloads?per_page=100&state=removed", nil)
	for _, path := range []string{"/workloads", "/workloads?state=removed", "/organization", "/audit", "/catalog"} {
		u.page(t, path)
	}
	for _, a := range []apiAnswer{list, removed} {
		rows, _ := a.body["data"].([]any)
		for _, row := range rows {
			w := row.(map[string]any)
			id := w["id"].(string)
			for _, path := range []string{"", "/resources", "/revisions"} {
				u.api(t, "GET", "/workloads/"+id+path, nil)
			}
			for _, path := range []string{"", "/agreement", "/rollback", "/uninstall", "/forget"} {
				u.page(t, "/workloads/"+id+path)
			}
			u.w.readEvents(t, w["target"].(map[string]any)["namespace"].(string))
		}
	}
	u.cli(t, "workload", "list", "--json")
}

// readEvents reads all of a namespace that is not a Secret and that llmhub can write.
func (w *clusterWorld) readEvents(t *testing.T, namespace string) {
	t.Helper()
	events, err := w.kubernetes.CoreV1().Events(namespace).List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	deployments, err := w.kubernetes.AppsV1().Deployments(namespace).List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	maps, err := w.kubernetes.CoreV1().ConfigMaps(namespace).List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	secrets, err := w.kubernetes.CoreV1().Secrets(namespace).List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var names []metav1.ObjectMeta // of Secrets, without what is in them
	for _, s := range secrets.Items {
		names = append(names, s.ObjectMeta)
	}
	text, err := json.Marshal([]any{events.Items, deployments.Items, maps.Items, names})
	if err != nil {
		t.Fatal(err)
	}
	w.seen.note("namespace "+namespace, text)
}

// readOperatorsSide reads what operators can.
func (w *clusterWorld) readOperatorsSide(t *testing.T) {
	t.Helper()
	for _, args := range [][]string{{"audit", "--limit", "200"}, {"audit", "--limit", "200", "--json"}, {"workload", "list"}, {"tenant", "list"}} {
		code, stdout, stderr := command(t, w.url, testToken, args...)
		if code != exitOK {
			t.Errorf("%v: %s", args, stderr)
		}
		w.seen.note("llmhub "+strings.Join(args, " "), []byte(stdout+stderr))
	}
}

// files returns the contents of the data folder.
func (w *clusterWorld) files(t *testing.T) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	root := filepath.Join(filepath.Dir(w.config), "data")
	if err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		text, err := os.ReadFile(path)
		files["file "+strings.TrimPrefix(path, root)] = text
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return files
}
