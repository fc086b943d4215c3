package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"llmhub/proxy/proxytest"
)

const (
	// providerMode is the argument that makes the binary the scripted model server.
	providerMode = "provider"
	upstreamKey  = "bench-upstream-key"
	adminToken   = "bench-admin-token-0123456789"
	modelName    = "bench-model"
	stopTimeout  = 15 * time.Second
)

// process is a process that the benchmark has started and stops.
type process struct {
	cmd  *exec.Cmd
	in   io.WriteCloser
	out  *bufio.Reader
	done chan error
	log  string
}

// startProcess starts a command with its standard error in a log file. Piped ones get their jobs through standard input,
// and end with it.
func startProcess(cmd *exec.Cmd, log string, piped bool) (*process, error) {
	f, err := os.OpenFile(log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	p := &process{cmd: cmd, done: make(chan error, 1), log: log}
	cmd.Stderr = f
	// A signal from the terminal goes to the benchmark alone, which then stops the others.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if piped {
		out, err := cmd.StdoutPipe()
		if err != nil {
			return nil, err
		}
		if p.in, err = cmd.StdinPipe(); err != nil {
			return nil, err
		}
		p.out = bufio.NewReader(out)
	} else {
		cmd.Stdout = f
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", filepath.Base(cmd.Path), err)
	}
	if !piped {
		go func() { p.done <- cmd.Wait() }()
	}
	return p, nil
}

// stop ends the process and waits for it.
func (p *process) stop() {
	if p.in != nil {
		p.in.Close()
		timer := time.AfterFunc(stopTimeout, func() { _ = p.cmd.Process.Kill() })
		// How it ended does not matter any more; its work has been judged by its answers.
		_ = p.cmd.Wait()
		timer.Stop()
		return
	}
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(stopTimeout):
		_ = p.cmd.Process.Kill()
		<-p.done
	}
}

// died adds what the process logged last to an error.
func (p *process) died(err error) error {
	text, readErr := os.ReadFile(p.log)
	if readErr != nil {
		return err
	}
	return fmt.Errorf("%w; the end of %s:\n%s", err, p.log, text[max(0, len(text)-2000):])
}

// waitFor asks url until it answers 200.
func (p *process) waitFor(ctx context.Context, url string) error {
	client := http.Client{Timeout: time.Second}
	defer client.CloseIdleConnections()
	for end := time.Now().Add(20 * time.Second); ; {
		resp, err := client.Get(url)
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
			err = errors.New(resp.Status)
		}
		if time.Now().After(end) {
			return p.died(fmt.Errorf("no answer from %s: %w", url, err))
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-p.done:
			p.done <- err
			return p.died(fmt.Errorf("%s ended: %v", filepath.Base(p.cmd.Path), err))
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// runProvider is the scripted model server as a process: it prints its address and serves until its input ends.
func runProvider(in io.Reader, out io.Writer) error {
	p, err := proxytest.Start(proxytest.Options{APIKey: upstreamKey, Keep: -1})
	if err != nil {
		return err
	}
	p.Script(modelName, proxytest.Script{})
	if _, err := fmt.Fprintln(out, strings.TrimSuffix(strings.TrimPrefix(p.URL(), "http://"), "/v1")); err != nil {
		return errors.Join(err, p.Close())
	}
	_, err = io.Copy(io.Discard, in)
	return errors.Join(err, p.Close())
}

// self starts the benchmark's own binary in another mode.
func self(mode, dir string) (*process, error) {
	path, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return startProcess(exec.Command(path, mode), filepath.Join(dir, mode+".log"), true)
}

// totals asks the scripted model server what it handed out to a user.
func totals(addr, user string) (proxytest.Counts, error) {
	resp, err := http.Get("http://" + addr + proxytest.TotalsPath)
	if err != nil {
		return proxytest.Counts{}, err
	}
	defer resp.Body.Close()
	var t proxytest.Totals
	if err := json.NewDecoder(resp.Body).Decode(&t); err != nil {
		return proxytest.Counts{}, fmt.Errorf("totals: %w", err)
	}
	return t.ByUser[user], nil
}

// freeAddr returns an address that was free a moment ago.
func freeAddr() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

const nginxConfig = `%sworker_processes %d;
daemon off;
pid %s/nginx.pid;
error_log %s/nginx-error.log warn;
worker_rlimit_nofile 16384;
events { worker_connections 8192; }
http {
  access_log off;
  client_body_temp_path %s/nginx-body;
  proxy_temp_path %s/nginx-proxy;
  fastcgi_temp_path %s/nginx-fastcgi;
  uwsgi_temp_path %s/nginx-uwsgi;
  scgi_temp_path %s/nginx-scgi;
  upstream provider { server %s; keepalive 512; keepalive_requests 100000000; }
  server {
    listen %s;
    keepalive_requests 100000000;
    location / {
      proxy_pass http://provider;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_buffering off;
      proxy_read_timeout 600s;
    }
  }
}
`

func nginxPath() (string, error) {
	for _, name := range []string{"nginx", "/usr/sbin/nginx"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", errors.New("nginx is not installed: apt-get install nginx-light (or leave it out: --only direct,llmhub)")
}

// startNginx starts nginx as a plain proxy.
func startNginx(ctx context.Context, dir, upstream string, workers int) (*process, string, error) {
	path, err := nginxPath()
	if err != nil {
		return nil, "", err
	}
	addr, err := freeAddr()
	if err != nil {
		return nil, "", err
	}
	user := ""
	if os.Geteuid() == 0 {
		user = "user root;\n"
	}
	text := fmt.Sprintf(nginxConfig, user, workers, dir, dir, dir, dir, dir, dir, dir, upstream, addr)
	file := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return nil, "", err
	}
	p, err := startProcess(exec.Command(path, "-c", file, "-e", filepath.Join(dir, "nginx.log")), filepath.Join(dir, "nginx.log"), false)
	if err != nil {
		return nil, "", err
	}
	if err := p.waitFor(ctx, "http://"+addr+proxytest.TotalsPath); err != nil {
		p.stop()
		return nil, "", err
	}
	return p, addr, nil
}

func nginxVersion() string {
	path, err := nginxPath()
	if err != nil {
		return "none"
	}
	out, err := exec.Command(path, "-v").CombinedOutput()
	if err != nil {
		return "unknown"
	}
	_, version, _ := strings.Cut(string(bytes.TrimSpace(out)), "nginx/")
	return strconv.Quote(version)
}
