// Package pgtest runs a private PostgreSQL for tests: the real server, from the binaries on this machine, in a folder
// of its own. Where tests run as root, which the server refuses, it runs as the user nobody.
//
// LLMHUB_TEST_POSTGRES names another folder of binaries than the newest one on this machine, and
// LLMHUB_TEST_POSTGRES_MAJOR insists on a version: tests that would run on another one fail.
package pgtest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"net"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// superuser is the role that initdb makes, app the one the tests' stores use: it owns its databases and is no more.
const (
	superuser = "postgres"
	app       = "llmhub"
	password  = "a-secret-of-the-tests"
)

const (
	binariesVariable = "LLMHUB_TEST_POSTGRES"
	majorVariable    = "LLMHUB_TEST_POSTGRES_MAJOR"
)

// Server is a running PostgreSQL. Its methods may be called concurrently, but for Start, Stop and Kill.
type Server struct {
	dir  string // everything is in here
	bin  string
	port int
	args []string            // of the server's process
	as   *syscall.Credential // nil: as the tests
	tls  bool                // the server takes connections by TLS

	process   *exec.Cmd
	exited    chan struct{}
	databases atomic.Int64
}

// Option changes how a server is set up.
type Option func(*plan)

// plan is what a server is set up with: parameters of postgresql.conf, lines of pg_hba.conf for all but the superuser,
// and files in the folder of its data.
type plan struct {
	settings map[string]string
	access   []string
	files    map[string][]byte
}

// With sets a parameter of postgresql.conf.
func With(name, value string) Option { return func(p *plan) { p.settings[name] = value } }

// WithFile puts a file beside the data, which the server alone may read. Parameters name it without a folder; the
// certificate of a server with ssl on is server.crt, its key server.key.
func WithFile(name string, content []byte) Option { return func(p *plan) { p.files[name] = content } }

// WithAccess sets the lines of pg_hba.conf that hold for the role of the tests, which otherwise comes by TCP with its
// password.
func WithAccess(lines ...string) Option { return func(p *plan) { p.access = lines } }

// New sets a server up and starts it. Stop and Remove must be called. It does not sync to disk unless With says so.
func New(options ...Option) (*Server, error) {
	bin, err := findBinaries()
	if err != nil {
		return nil, err
	}
	s := &Server{bin: bin}
	if s.as, err = credential(); err != nil {
		return nil, err
	}
	if s.dir, err = os.MkdirTemp("", "pg"); err != nil { // short: the path of a socket has 107 bytes at most
		return nil, err
	}
	if err := s.setUp(options); err != nil {
		return nil, errors.Join(err, s.Remove())
	}
	return s, nil
}

func (s *Server) setUp(options []Option) error {
	if err := s.own(s.dir); err != nil {
		return err
	}
	if err := s.reachBinaries(); err != nil {
		return err
	}
	init := s.command("initdb", "--pgdata", s.data(), "--username", superuser, "--auth", "trust", "--encoding", "UTF8",
		"--locale", "C", "--no-sync")
	if out, err := init.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w\n%s", err, out)
	}
	port, err := freePort()
	if err != nil {
		return err
	}
	s.port = port
	p := plan{
		settings: map[string]string{
			"fsync": "off", "listen_addresses": "127.0.0.1", "port": strconv.Itoa(s.port), "unix_socket_directories": s.dir,
			"shared_buffers": "32MB", "max_connections": "100", "log_min_messages": "warning", "autovacuum_naptime": "10s",
		},
		access: []string{"local all all scram-sha-256", "host all all 127.0.0.1/32 scram-sha-256"},
		files:  map[string][]byte{},
	}
	for _, o := range options {
		o(&p)
	}
	s.tls = p.settings["ssl"] == "on"
	if err := s.write(p); err != nil {
		return err
	}
	if err := s.Start(); err != nil {
		return err
	}
	if err := s.checkMajor(); err != nil {
		return err
	}
	return s.Exec("postgres", fmt.Sprintf("create role %s login password '%s'", app, password))
}

// write puts what a plan says beside the data.
func (s *Server) write(p plan) error {
	access := slices.Concat([]string{"local all " + superuser + " trust", "host all " + superuser + " 127.0.0.1/32 trust",
		"host replication " + superuser + " 127.0.0.1/32 trust"}, p.access)
	var conf strings.Builder
	for name, value := range p.settings {
		fmt.Fprintf(&conf, "%s = '%s'\n", name, value)
	}
	files := maps.Clone(p.files)
	files["pg_hba.conf"] = []byte(strings.Join(access, "\n") + "\n")
	files["postgresql.auto.conf"] = []byte(conf.String())
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(s.data(), name), content, 0o600); err != nil {
			return err
		}
	}
	return s.own(s.data())
}

// own makes the user of the server the owner of a folder and of everything in it.
func (s *Server) own(dir string) error {
	if s.as == nil {
		return nil
	}
	return filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, int(s.as.Uid), int(s.as.Gid))
	})
}

// reachBinaries makes sure that the user of the server can run it. Out of a folder that only the user of the tests may
// enter, such as one of root's, everything is copied to the server's own folder.
func (s *Server) reachBinaries() error {
	out, err := s.command("postgres", "--version").CombinedOutput()
	if err != nil && s.as != nil && errors.Is(err, fs.ErrPermission) {
		copied := filepath.Join(s.dir, "server")
		if err := os.CopyFS(copied, os.DirFS(filepath.Dir(s.bin))); err != nil {
			return fmt.Errorf("copy the server to where user %d may run it: %w", s.as.Uid, err)
		}
		if err := s.own(copied); err != nil {
			return err
		}
		s.bin = filepath.Join(copied, filepath.Base(s.bin))
		out, err = s.command("postgres", "--version").CombinedOutput()
	}
	if err != nil {
		return fmt.Errorf("the server in %s does not run: %w\n%s", s.bin, err, out)
	}
	return nil
}

// checkMajor fails on a server of another version than the one that the environment insists on.
func (s *Server) checkMajor() error {
	wanted := os.Getenv(majorVariable)
	if wanted == "" {
		return nil
	}
	major, err := strconv.Atoi(wanted)
	if err != nil {
		return fmt.Errorf("%s is no number: %q", majorVariable, wanted)
	}
	return s.Exec("postgres", fmt.Sprintf(`do $$ begin
		if current_setting('server_version_num')::int / 10000 <> %d then
			raise exception 'the server in %s is PostgreSQL %%, and %s asks for %d', current_setting('server_version');
		end if;
	end $$`, major, s.bin, majorVariable, major))
}

// freePort returns a port that nobody listens on, outside of the range that the system gives to outgoing connections: one
// of those could take it while the server is down.
func freePort() (int, error) {
	var err error
	for range 100 {
		port := 12_000 + rand.IntN(18_000)
		var listener net.Listener
		if listener, err = net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(port)); err == nil {
			return port, listener.Close()
		}
	}
	return 0, fmt.Errorf("no free port: %w", err)
}

func (s *Server) data() string { return filepath.Join(s.dir, "data") }

// Standby sets up a hot standby of the server and starts it, and has commits of the server wait for it. The server is
// stopped for the moment that its files are copied in. Remove must be called.
func (s *Server) Standby() (*Server, error) {
	dir, err := os.MkdirTemp("", "pg")
	if err != nil {
		return nil, err
	}
	standby := &Server{dir: dir, bin: s.bin, as: s.as, tls: s.tls}
	if err := s.follow(standby); err != nil {
		return nil, errors.Join(err, standby.Remove())
	}
	return standby, nil
}

func (s *Server) follow(standby *Server) (err error) {
	if standby.port, err = freePort(); err != nil {
		return err
	}
	// A copy at rest, since not every build of the server comes with pg_basebackup.
	s.Stop()
	err = os.CopyFS(standby.data(), os.DirFS(s.data()))
	if err := errors.Join(err, s.Start()); err != nil {
		return err
	}
	err = errors.Join(os.WriteFile(filepath.Join(standby.data(), "standby.signal"), nil, 0o600), os.Chmod(standby.data(), 0o700),
		standby.own(standby.dir))
	if err != nil {
		return err
	}
	standby.args = []string{
		"-c", "port=" + strconv.Itoa(standby.port), "-c", "unix_socket_directories=" + standby.dir,
		"-c", fmt.Sprintf("primary_conninfo=host=127.0.0.1 port=%d user=%s", s.port, superuser),
		"-c", "synchronous_standby_names=", // once promoted, it waits for no other
	}
	if err := standby.Start(); err != nil {
		return err
	}
	if err := s.Exec("postgres", "alter system set synchronous_standby_names = '*'"); err != nil {
		return err
	}
	if err := s.Exec("postgres", "select pg_reload_conf()"); err != nil {
		return err
	}
	return s.awaitStandby()
}

// awaitStandby waits until a standby is one that commits wait for.
func (s *Server) awaitStandby() error {
	const ready = `do $$ begin
		if not exists (select from pg_stat_replication where state = 'streaming' and sync_state in ('sync', 'quorum')) then
			raise exception 'no standby follows';
		end if;
	end $$`
	var err error
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if err = s.Exec("postgres", ready); err == nil {
			return nil
		}
	}
	return err
}

// Promote makes a standby take writes.
func (s *Server) Promote() error { return s.Exec("postgres", "select pg_promote(wait => true)") }

// findBinaries returns the folder that the environment names, or that of the newest server on this machine.
func findBinaries() (string, error) {
	if folder := os.Getenv(binariesVariable); folder != "" {
		if !filepath.IsAbs(folder) {
			return "", fmt.Errorf("%s must be an absolute path: %q", binariesVariable, folder)
		}
		for _, name := range []string{"postgres", "initdb"} {
			if _, err := os.Stat(filepath.Join(folder, name)); err != nil {
				return "", fmt.Errorf("%s names no folder of a server's programs: %w", binariesVariable, err)
			}
		}
		return folder, nil
	}
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	if err != nil {
		return "", err
	}
	version := func(path string) int {
		n, _ := strconv.Atoi(strings.Split(path, "/")[4])
		return n
	}
	slices.SortFunc(found, func(a, b string) int { return version(b) - version(a) })
	if len(found) == 0 {
		if path, err := exec.LookPath("postgres"); err == nil {
			found = append(found, path)
		}
	}
	for _, path := range found {
		if _, err := os.Stat(filepath.Join(filepath.Dir(path), "initdb")); err == nil {
			return filepath.Dir(path), nil
		}
	}
	return "", errors.New("these tests need a PostgreSQL server: install the Debian package postgresql")
}

// credential returns whom to run the server as; nil for the user of the tests, if that is not root.
func credential() (*syscall.Credential, error) {
	if os.Getuid() != 0 {
		return nil, nil
	}
	u, err := user.Lookup("nobody")
	if err != nil {
		return nil, fmt.Errorf("whom to run the server as: %w", err)
	}
	uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
	gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, errors.Join(err1, err2)
}

func (s *Server) command(name string, args ...string) *exec.Cmd {
	c := exec.Command(filepath.Join(s.bin, name), args...)
	c.Dir = s.dir
	c.Env = []string{"PATH=/usr/bin:/bin", "LC_ALL=C", "TZ=UTC"}
	// The server dies with the tests.
	c.SysProcAttr = &syscall.SysProcAttr{Credential: s.as, Pdeathsig: syscall.SIGQUIT}
	return c
}

// Start starts a stopped server and waits until it answers.
func (s *Server) Start() error {
	log, err := os.OpenFile(filepath.Join(s.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	s.process = s.command("postgres", append([]string{"-D", s.data()}, s.args...)...)
	s.process.Stdout, s.process.Stderr = log, log
	if err := s.process.Start(); err != nil {
		return err
	}
	exited := make(chan struct{})
	s.exited = exited
	go func(c *exec.Cmd) { _ = c.Wait(); close(exited) }(s.process)
	if err := await(s.superURL("postgres"), exited); err != nil {
		return fmt.Errorf("the server: %w\n%s", err, s.Log())
	}
	return nil
}

// await waits until somebody answers at a URL, unless the process that is to ends before.
func await(url string, exited <-chan struct{}) error {
	deadline := time.After(30 * time.Second)
	for {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		conn, err := pgx.Connect(ctx, url)
		if err == nil {
			err = conn.Close(ctx)
		}
		cancel()
		if err == nil {
			return nil
		}
		select {
		case <-exited:
			return fmt.Errorf("has ended: %w", err)
		case <-deadline:
			return fmt.Errorf("does not answer: %w", err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// Log returns what the server has logged.
func (s *Server) Log() string {
	b, err := os.ReadFile(filepath.Join(s.dir, "log"))
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// Stop ends the server in good order, without waiting for its clients.
func (s *Server) Stop() { s.end(syscall.SIGINT) }

// Kill ends the server as a crash does. The processes it leaves behind end by themselves before Kill returns.
func (s *Server) Kill() { s.end(syscall.SIGQUIT) }

func (s *Server) end(signal syscall.Signal) {
	if s.process == nil {
		return
	}
	_ = s.process.Process.Signal(signal)
	<-s.exited
	s.process = nil
}

// Remove stops the server and removes its folder.
func (s *Server) Remove() error {
	s.Stop()
	return os.RemoveAll(s.dir)
}

// PID returns the process ID of the running server; its other processes are children of that one.
func (s *Server) PID() int { return s.process.Process.Pid }

// Port returns the server's port on 127.0.0.1.
func (s *Server) Port() int { return s.port }

func (s *Server) superURL(database string) string {
	return fmt.Sprintf("postgres://%s@127.0.0.1:%d/%s?sslmode=disable", superuser, s.port, database)
}

// URL returns the URL of a database for the role of the tests, by way of a host and port; encrypted where the server does
// that, whatever its certificate.
func (s *Server) URL(host string, port int, database string) string {
	mode := "disable"
	if s.tls {
		mode = "require"
	}
	u := url.URL{Scheme: "postgres", User: url.UserPassword(app, password), Host: net.JoinHostPort(host, strconv.Itoa(port)),
		Path: database, RawQuery: "sslmode=" + mode}
	return u.String()
}

// Database makes an empty database and returns its name and URL.
func (s *Server) Database() (name, url string, err error) {
	name = fmt.Sprintf("test_%d", s.databases.Add(1))
	err = s.Exec("postgres", "create database "+name+" owner "+app)
	return name, s.URL("127.0.0.1", s.port, name), err
}

// Exec runs a statement as the superuser.
func (s *Server) Exec(database, sql string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, s.superURL(database))
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, sql)
	return err
}
