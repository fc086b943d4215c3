package helm_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"github.com/distribution/distribution/v3/configuration"
	"github.com/distribution/distribution/v3/registry/handlers"
	_ "github.com/distribution/distribution/v3/registry/storage/driver/inmemory"
	"github.com/sirupsen/logrus"
	"helm.sh/helm/v3/pkg/registry"
	"helm.sh/helm/v3/pkg/repo"

	"llmhub/catalog"
	"llmhub/deployer"
	"llmhub/deployer/helm"
)

// entry is a file in an archive.
type entry struct {
	name, text string
	kind       byte
}

// pack returns a .tgz.
func pack(t *testing.T, entries ...entry) []byte {
	t.Helper()
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	w := tar.NewWriter(z)
	for _, e := range entries {
		h := &tar.Header{Name: e.name, Mode: 0o644, Size: int64(len(e.text)), Typeflag: e.kind}
		if e.kind == tar.TypeSymlink {
			h.Size, h.Linkname = 0, "/etc/passwd"
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(e.text[:h.Size])); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func goodArchive(t *testing.T) []byte {
	return pack(t, entry{"probe/Chart.yaml", chartYAML, tar.TypeReg}, entry{"probe/values.yaml", "a: 1\n", tar.TypeReg}, entry{"probe/templates/a.yaml", configMap, tar.TypeReg})
}

func digestOf(data []byte) string { return fmt.Sprintf("sha256:%x", sha256.Sum256(data)) }

// repository serves archives with an index that Helm has built. base is what the index puts in front of the archives' names.
func repository(t *testing.T, base string, archives map[string][]byte) *httptest.Server {
	t.Helper()
	dir := t.TempDir()
	for name, data := range archives {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	server := httptest.NewServer(http.FileServer(http.Dir(dir)))
	t.Cleanup(server.Close)
	if base == "self" {
		base = server.URL
	}
	index, err := repo.IndexDirectory(dir, base)
	if err != nil {
		t.Fatal(err)
	}
	if err := index.WriteFile(filepath.Join(dir, "index.yaml"), 0o600); err != nil {
		t.Fatal(err)
	}
	return server
}

func refOf(server *httptest.Server) catalog.ChartRef {
	return catalog.ChartRef{Kind: catalog.ChartRepository, URL: server.URL, Name: "probe", Version: "1.0.0"}
}

func TestFetchRepository(t *testing.T) {
	packed := goodArchive(t)
	for _, base := range []string{"", "self", "nested/.."} {
		s := repository(t, base, map[string][]byte{"probe-1.0.0.tgz": packed})
		r := newReleases(t, nil)
		ref := refOf(s)
		ref.Digest = digestOf(packed)
		c, err := r.Fetch(t.Context(), ref)
		if err != nil {
			t.Fatalf("%q: %v", base, err)
		}
		names := []string{}
		for _, f := range c.Files {
			names = append(names, f.Name)
		}
		if c.Name != "probe" || c.Version != "1.0.0" || c.AppVersion != "7" || c.Digest != digestOf(packed) || !slices.Equal(names, []string{"Chart.yaml", "templates/a.yaml", "values.yaml"}) {
			t.Errorf("%q: got %+v", base, c)
		}
		s.Close()
		if _, err := r.Fetch(t.Context(), ref); err != nil {
			t.Errorf("what is known by its digest is fetched again: %v", err)
		}
		if _, err := newReleases(t, nil).Fetch(t.Context(), ref); reasonOf(t, err).Code != deployer.ChartMissing {
			t.Errorf("a repository that is not there: %v", err)
		}
	}
}

// ociRegistry starts the real registry, with a chart pushed by Helm's own client.
func ociRegistry(t *testing.T, packed []byte, version string) *httptest.Server {
	t.Helper()
	config := &configuration.Configuration{Storage: configuration.Storage{"inmemory": configuration.Parameters{}}}
	config.HTTP.Secret = "of no use"
	logrus.SetOutput(io.Discard)
	server := httptest.NewServer(handlers.NewApp(t.Context(), config))
	t.Cleanup(server.Close)
	client, err := registry.NewClient(registry.ClientOptPlainHTTP(), registry.ClientOptCredentialsFile(filepath.Join(t.TempDir(), "none")), registry.ClientOptWriter(&bytes.Buffer{}))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Push(packed, strings.TrimPrefix(server.URL, "http://")+"/charts/probe:"+version); err != nil {
		t.Fatal(err)
	}
	return server
}

func TestFetchOCI(t *testing.T) {
	const version = "1.0.0+build.2"
	packed := pack(t, entry{"probe/Chart.yaml", strings.Replace(chartYAML, "1.0.0", version, 1), tar.TypeReg}, entry{"probe/templates/a.yaml", configMap, tar.TypeReg})
	s := ociRegistry(t, packed, version)
	ref := catalog.ChartRef{Kind: catalog.ChartOCI, URL: strings.Replace(s.URL, "http://", "oci://", 1) + "/charts/probe", Name: "probe", Version: version}
	r := newReleases(t, nil)
	c, err := r.Fetch(t.Context(), ref)
	if err != nil || c.Digest != digestOf(packed) || c.Version != version || len(c.Files) != 2 {
		t.Fatalf("got %+v, %v", c, err)
	}
	for _, tc := range []struct {
		name string
		tune func(*catalog.ChartRef)
		want deployer.ReasonCode
	}{
		{"another digest", func(r *catalog.ChartRef) { r.Digest = digestOf(nil) }, deployer.ChartDigest},
		{"another version", func(r *catalog.ChartRef) { r.Version = "2.0.0" }, deployer.ChartMissing},
		{"another name", func(r *catalog.ChartRef) { r.URL += "x" }, deployer.ChartMissing},
		{"not an address", func(r *catalog.ChartRef) { r.URL = "oci://" }, deployer.ChartMissing},
	} {
		wrong := ref
		tc.tune(&wrong)
		if _, err := r.Fetch(t.Context(), wrong); reasonOf(t, err).Code != tc.want {
			t.Errorf("%s: %v", tc.name, err)
		}
	}
}

// A registry that sends something else than its manifest says is not believed.
func TestFetchOCIOfALiar(t *testing.T) {
	packed := goodArchive(t)
	s := ociRegistry(t, packed, "1.0.0")
	liar := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if strings.Contains(q.URL.Path, "/blobs/") {
			_, _ = w.Write(bytes.Repeat([]byte{1}, len(packed)))
			return
		}
		s.Config.Handler.ServeHTTP(w, q)
	}))
	defer liar.Close()
	_, err := newReleases(t, nil).Fetch(t.Context(), catalog.ChartRef{Kind: catalog.ChartOCI, URL: strings.Replace(liar.URL, "http://", "oci://", 1) + "/charts/probe", Name: "probe", Version: "1.0.0"})
	if reasonOf(t, err).Code != deployer.ChartDigest {
		t.Errorf("got %v", err)
	}
}

// Charts of the catalog are there already, as folders and as archives.
func TestFetchOwn(t *testing.T) {
	const dir = "products/valkey/"
	files := fstest.MapFS{}
	if err := fs.WalkDir(os.DirFS("../../catalog/default"), ".", func(name string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			var text []byte
			text, err = os.ReadFile("../../catalog/default/" + name)
			files[name] = &fstest.MapFile{Data: text}
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	var entries []entry
	for name, f := range files {
		if inner, ok := strings.CutPrefix(name, dir+"chart/"); ok {
			entries = append(entries, entry{"valkey/" + inner, string(f.Data), tar.TypeReg})
		}
	}
	product := string(files[dir+"product.yaml"].Data)
	packed := pack(t, entries...)
	for _, want := range []catalog.ChartKind{catalog.ChartFolder, catalog.ChartArchive} {
		if want == catalog.ChartArchive {
			files[dir+"chart.tgz"] = &fstest.MapFile{Data: packed}
			files[dir+"product.yaml"] = &fstest.MapFile{Data: []byte(strings.Replace(product, "folder: chart", "archive: chart.tgz", 1))}
		}
		c, err := catalog.Load(files)
		if err != nil {
			t.Fatal(err)
		}
		p, _ := c.Product("valkey")
		got, err := newReleases(t, nil).Fetch(t.Context(), p.CCE.Chart)
		if err != nil || p.CCE.Chart.Kind != want || got.Digest != p.CCE.Chart.Digest || got.Name != p.CCE.Chart.Name || len(got.Files) != len(entries) {
			t.Errorf("%s: got %s of %d files, %v", want, got.Digest, len(got.Files), err)
		}
		if want == catalog.ChartArchive && got.Digest != digestOf(packed) {
			t.Errorf("the digest is not that of the archive")
		}
	}
}

func TestFetchRefuses(t *testing.T) {
	good := goodArchive(t)
	file := func(name, text string) entry { return entry{"probe/" + name, text, tar.TypeReg} }
	meta := file("Chart.yaml", chartYAML)
	for _, c := range []struct {
		name    string
		archive []byte
		tune    func(*catalog.ChartRef)
		want    deployer.ReasonCode
		detail  string
	}{
		{"another digest", good, func(r *catalog.ChartRef) { r.Digest = digestOf(nil) }, deployer.ChartDigest, digestOf(good)},
		{"another version", good, func(r *catalog.ChartRef) { r.Version = "1.0.1" }, deployer.ChartMissing, "1.0.1"},
		{"another name", good, func(r *catalog.ChartRef) { r.Name = "other" }, deployer.ChartMissing, "other"},
		{"not an archive", []byte("hello"), nil, deployer.ChartInvalid, "gzip"},
		{"cut", good[:len(good)/2], nil, deployer.ChartInvalid, "tar"},
		{"empty", pack(t), nil, deployer.ChartInvalid, ""},
		{"no Chart.yaml", pack(t, file("values.yaml", "a: 1")), nil, deployer.ChartInvalid, "Chart.yaml"},
		{"path out of the folder", pack(t, meta, file("../../etc/x", "")), nil, deployer.ChartInvalid, "regular file"},
		{"absolute path", pack(t, meta, entry{"/etc/x", "", tar.TypeReg}), nil, deployer.ChartInvalid, "regular file"},
		{"link", pack(t, meta, entry{"probe/x", "", tar.TypeSymlink}), nil, deployer.ChartInvalid, "regular file"},
		{"a file twice", pack(t, meta, meta), nil, deployer.ChartInvalid, "twice"},
		{"too much unpacked", pack(t, meta, file("big", strings.Repeat("a", 5<<20))), nil, deployer.ChartInvalid, "4 MiB"},
		{"too many files", pack(t, append([]entry{meta}, slices.Repeat([]entry{file("x", "")}, 600)...)...), nil, deployer.ChartInvalid, ""},
		{"too large", append(slices.Clone(good), make([]byte, catalog.MaxArchiveBytes)...), nil, deployer.ChartInvalid, "1 MiB"},
		{"inner bomb", pack(t, meta, file("charts/sub-1.0.0.tgz", string(pack(t, entry{"sub/Chart.yaml", chartYAML, tar.TypeReg}, entry{"sub/big", strings.Repeat("a", 64<<20), tar.TypeReg})))), nil, deployer.ChartInvalid, "maximum file size"},
		{"library", pack(t, file("Chart.yaml", chartYAML+"type: library\n")), nil, deployer.ChartInvalid, "library"},
		{"dependency", pack(t, file("Chart.yaml", chartYAML+"dependencies: [{name: base, version: 1.0.0, repository: \"https://x.example\"}]\n")), nil, deployer.ChartInvalid, "base"},
		{"schema that leads out", pack(t, meta, file("values.schema.json", `{"properties":{"a":{"$ref":"file:///etc/passwd"}}}`)), nil, deployer.ChartInvalid, "leads out"},
		{"schema of an own draft", pack(t, meta, file("values.schema.json", `{"$schema":"https://x.example/draft"}`)), nil, deployer.ChartInvalid, "leads out"},
		{"another chart", pack(t, file("Chart.yaml", strings.Replace(chartYAML, "probe", "other", 1))), nil, deployer.ChartInvalid, "other"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := serveRaw(t, c.archive)
			ref := refOf(s)
			if c.tune != nil {
				c.tune(&ref)
			}
			_, err := newReleases(t, nil).Fetch(t.Context(), ref)
			if r := reasonOf(t, err); r.Code != c.want || !strings.Contains(r.Detail, c.detail) {
				t.Errorf("got %v, want %s, %q", r, c.want, c.detail)
			}
		})
	}
}

// serveRaw serves whatever it is given as probe 1.0.0, with a plain index.
func serveRaw(t *testing.T, archive []byte) *httptest.Server {
	t.Helper()
	return serve(t, map[string][]byte{"/index.yaml": []byte(indexOf("probe.tgz", digestOf(archive))), "/probe.tgz": archive})
}

func indexOf(address, digest string) string {
	return fmt.Sprintf("apiVersion: v1\nentries:\n  probe:\n  - version: 1.0.0\n    urls: [%q]\n    digest: %q\n", address, digest)
}

func serve(t *testing.T, files map[string][]byte) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		data, ok := files[q.URL.Path]
		if !ok {
			http.NotFound(w, q)
			return
		}
		_, _ = w.Write(data)
	}))
	t.Cleanup(s.Close)
	return s
}

func TestFetchFromABadRepository(t *testing.T) {
	good := goodArchive(t)
	bomb := "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n"
	for i := 1; i < 12; i++ {
		bomb += fmt.Sprintf("a%d: &a%d [%s]\n", i, i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d,", i-1), 10), ","))
	}
	deep, _ := json.Marshal(strings.Repeat("[", 100_000))
	for _, c := range []struct {
		name, index string
		want        deployer.ReasonCode
		detail      string
	}{
		{"no index", "", deployer.ChartMissing, "404"},
		{"not an index", "- a\n", deployer.ChartMissing, "cannot be read"},
		{"YAML bomb", bomb, deployer.ChartMissing, "cannot be read"},
		{"deep", string(deep), deployer.ChartMissing, ""},
		{"large index", strings.Repeat("# comment\n", 3<<20), deployer.ChartInvalid, "20 MiB"},
		{"no address", "entries: {probe: [{version: 1.0.0, urls: []}]}", deployer.ChartMissing, "no chart"},
		{"no archive", indexOf("other.tgz", ""), deployer.ChartMissing, "404"},
		{"digest of the index", indexOf("probe.tgz", digestOf(nil)), deployer.ChartDigest, "index"},
		{"without TLS", indexOf("http://charts.example/probe.tgz", ""), deployer.ChartMissing, "https"},
		{"file", indexOf("file:///etc/passwd", ""), deployer.ChartMissing, "https"},
		{"redirect without TLS", indexOf("out", ""), deployer.ChartMissing, "https"},
		{"redirects without end", indexOf("loop", ""), deployer.ChartMissing, "redirects"},
	} {
		t.Run(c.name, func(t *testing.T) {
			files := http.NewServeMux()
			files.Handle("/probe.tgz", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(good) }))
			files.Handle("/out", http.RedirectHandler("http://charts.example/probe.tgz", http.StatusFound))
			files.Handle("/loop", http.RedirectHandler("/loop", http.StatusFound))
			if c.index != "" {
				files.Handle("/index.yaml", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(c.index)) }))
			}
			s := httptest.NewServer(files)
			defer s.Close()
			_, err := newReleases(t, nil).Fetch(t.Context(), refOf(s))
			if r := reasonOf(t, err); r.Code != c.want || !strings.Contains(r.Detail, c.detail) {
				t.Errorf("got %v, want %s, %q", r, c.want, c.detail)
			}
		})
	}
}

// A repository that does not answer is given up on, and so is one that nobody waits for any more.
func TestFetchFromASilentRepository(t *testing.T) {
	var asked atomic.Int32
	arrived := make(chan struct{}, 2)
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, q *http.Request) {
		asked.Add(1)
		arrived <- struct{}{}
		<-q.Context().Done()
	}))
	defer s.Close()
	r := newReleases(t, func(o *helm.Options) { o.RenderTimeout = time.Second })
	if _, err := r.Fetch(t.Context(), refOf(s)); reasonOf(t, err).Code != deployer.ChartMissing {
		t.Errorf("got %v", err)
	}
	<-arrived
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-arrived
		cancel()
	}()
	if _, err := newReleases(t, nil).Fetch(ctx, refOf(s)); err != context.Canceled {
		t.Errorf("got %v", err)
	}
	if asked.Load() != 2 {
		t.Errorf("asked %d times", asked.Load())
	}
}
