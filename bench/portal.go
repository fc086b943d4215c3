package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"llmhub/identity/iam/iamtest"
)

// portalMode measures the portal's pages in place of the gateway.
const portalMode = "portal"

const portalUsage = `Usage: go run ./bench portal [flags]

Starts the large demo, signs in as a customer and as an operator, asks for each page
of the portal many times, and prints Markdown: how long the server took for each, as
it says itself. Run it from the repository's root. It asserts nothing about times.

Flags:
`

// portalOptions are the command line's.
type portalOptions struct {
	options
	size string
	// visits is how many addresses of each page are asked for, again how often each is asked for again.
	visits, again int
	only          string
}

// portalBench is one run.
type portalBench struct {
	portalOptions
	log    io.Writer
	server *process
	url    string
	// password is the operator's.
	password string
	// made is how long the demo took until it served; memory is what it held then, idle after it, and at the end.
	made                time.Duration
	serving, idle, last int64
	clients             map[visitor]*http.Client
	found               found
	results             []pageResult
}

func runPortal(ctx context.Context, args []string, out, log io.Writer) error {
	o, err := parsePortal(args, log)
	if err == flag.ErrHelp {
		return nil
	}
	if err != nil {
		return err
	}
	b := &portalBench{portalOptions: o, log: log, found: found{}, clients: map[visitor]*http.Client{nobody: newBrowser()}}
	var remove func()
	if b.dir, remove, err = folder(o.dir, log); err != nil {
		return err
	}
	defer remove()
	if err := b.start(ctx); err != nil {
		return err
	}
	defer b.server.stop()
	if err := b.measure(ctx); err != nil {
		return err
	}
	b.report(out)
	return nil
}

func parsePortal(args []string, log io.Writer) (portalOptions, error) {
	o := portalOptions{}
	f := flag.NewFlagSet("bench portal", flag.ContinueOnError)
	f.SetOutput(log)
	f.Usage = func() {
		fmt.Fprint(log, portalUsage)
		f.PrintDefaults()
	}
	f.StringVar(&o.size, "size", "large", "size of the demo: small or large")
	f.IntVar(&o.visits, "visits", 40, "different addresses of each page, where it has so many")
	f.IntVar(&o.again, "again", 3, "how often each address is asked for again")
	f.StringVar(&o.only, "only", "", "measure only pages whose path contains this")
	f.StringVar(&o.dir, "dir", "", "folder for data and logs, on a real disk; kept (default a temporary one)")
	f.StringVar(&o.llmhub, "llmhub", "", "an llmhub binary (default built from ./cmd/llmhub)")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if f.NArg() > 0 || o.visits < 1 || o.again < 1 {
		return o, errors.New("arguments out of range; see --help")
	}
	return o, nil
}

// start starts the demo and waits until it has been made.
func (b *portalBench) start(ctx context.Context) error {
	binary, err := build(ctx, b.options, b.dir)
	if err != nil {
		return err
	}
	fmt.Fprintln(b.log, "making the demo")
	cmd := exec.Command(binary, "demo", "--size", b.size, "--listen", "127.0.0.1:0")
	cmd.Env = append(os.Environ(), "TMPDIR="+b.dir)
	log := filepath.Join(b.dir, "demo.log")
	if err := os.RemoveAll(log); err != nil { // what a former run was greeted with is not to be read
		return err
	}
	began := time.Now()
	if b.server, err = startProcess(cmd, log, false); err != nil {
		return err
	}
	if err := b.greeted(ctx); err != nil {
		b.server.stop()
		return err
	}
	b.made = time.Since(began)
	b.serving, _, err = memory(b.server.cmd.Process.Pid)
	return err
}

// What the demo prints.
var (
	demoServes   = regexp.MustCompile(`running on (http://\S+) `)
	demoOperator = regexp.MustCompile(`/operator/login\s+name operator\s+password (\S+)`)
)

// greeted waits until the demo has printed how to use it, and reads that.
func (b *portalBench) greeted(ctx context.Context) error {
	for {
		text, err := os.ReadFile(b.server.log)
		if err != nil {
			return err
		}
		at, operator := demoServes.FindSubmatch(text), demoOperator.FindSubmatch(text)
		if at != nil && operator != nil {
			b.url, b.password = string(at[1]), string(operator[1])
			return b.server.waitFor(ctx, b.url+"/readyz")
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-b.server.done:
			b.server.done <- err
			return b.server.died(fmt.Errorf("the demo ended: %v", err))
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// rest waits until the server is done with what the making of the demo has left to do: folding, compaction, collection.
func (b *portalBench) rest(ctx context.Context) error {
	pid := b.server.cmd.Process.Pid
	before, err := cpuTime(pid)
	for range 60 {
		if err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Second):
		}
		var now time.Duration
		if now, err = cpuTime(pid); now-before < 100*time.Millisecond {
			return err
		}
		before = now
	}
	fmt.Fprintln(b.log, "the server does not come to rest")
	return nil
}

// measure signs in and visits all pages.
func (b *portalBench) measure(ctx context.Context) (err error) {
	if err := b.rest(ctx); err != nil {
		return err
	}
	pid := b.server.cmd.Process.Pid
	if b.idle, _, err = memory(pid); err != nil {
		return err
	}
	jana := iamtest.People()[0].Users[0]
	b.clients[customer], err = b.signIn(ctx, "/login", url.Values{"domain": {iamtest.CustomerDomain}, "user": {jana.Name}, "password": {jana.Password}})
	if err != nil {
		return err
	}
	if b.clients[operator], err = b.signIn(ctx, "/operator/login", url.Values{"name": {"operator"}, "password": {b.password}}); err != nil {
		return err
	}
	for _, p := range portalPages {
		if !strings.Contains(p.path, b.only) && !p.finds {
			continue
		}
		fmt.Fprintln(b.log, p.path)
		r, err := b.visit(ctx, p)
		if err != nil {
			return b.server.died(err)
		}
		b.results = append(b.results, r)
	}
	b.last, _, err = memory(pid)
	return err
}

var formToken = regexp.MustCompile(`name="form_token" value="([^"]+)"`)

// newBrowser returns a client that keeps cookies and does not go where it is sent.
func newBrowser() *http.Client {
	jar, _ := cookiejar.New(nil) // fails never
	return &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// signIn sends a form of the page and returns a client that has signed in.
func (b *portalBench) signIn(ctx context.Context, path string, form url.Values) (*http.Client, error) {
	client := newBrowser()
	page, err := b.get(ctx, client, path)
	if err != nil {
		return nil, err
	}
	token := formToken.FindSubmatch(page.body)
	if token == nil {
		return nil, fmt.Errorf("%s has no form", path)
	}
	form.Set("form_token", string(token[1]))
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, b.url+path, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusSeeOther {
		return nil, fmt.Errorf("signing in at %s gives %s", path, resp.Status)
	}
	return client, nil
}

// answer is a page with the time that the server took for it.
type answer struct {
	status int
	took   time.Duration
	body   []byte
}

// get asks for a page, in German or English as the address decides.
func (b *portalBench) get(ctx context.Context, client *http.Client, address string) (answer, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, b.url+address, nil)
	if err != nil {
		return answer{}, err
	}
	req.Header.Set("Accept", "text/html")
	req.Header.Set("Accept-Language", [...]string{"de", "en"}[len(address)%2])
	resp, err := client.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	a := answer{status: resp.StatusCode}
	if a.body, err = io.ReadAll(resp.Body); err != nil {
		return a, err
	}
	a.took, err = serverTime(resp.Header.Get("Server-Timing"))
	if err != nil {
		return a, fmt.Errorf("%s: %w", address, err)
	}
	return a, nil
}

// serverTime reads app;dur=MILLISECONDS.
func serverTime(header string) (time.Duration, error) {
	text, found := strings.CutPrefix(header, "app;dur=")
	ms, err := strconv.ParseFloat(text, 64)
	if !found || err != nil {
		return 0, fmt.Errorf("the server's time %q is not understood", header)
	}
	return time.Duration(ms * float64(time.Millisecond)), nil
}
