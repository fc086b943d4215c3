package pgtest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
)

// Bouncer is a running PgBouncer in transaction mode before a server.
type Bouncer struct {
	server *Server
	port   int
	dir    string
	cmd    *exec.Cmd
	exited chan struct{}
}

// Bouncer starts a PgBouncer with the given number of connections to each database of the server. Before a server with
// ssl on it takes nothing but TLS, with the certificate of the server, and speaks that to the server, too. Stop must be
// called.
func (s *Server) Bouncer(connections int) (*Bouncer, error) {
	program, err := exec.LookPath("pgbouncer")
	if err != nil {
		program = "/usr/sbin/pgbouncer"
		if _, err := os.Stat(program); err != nil {
			return nil, errors.New("these tests need PgBouncer: install the Debian package pgbouncer")
		}
	}
	b := &Bouncer{server: s, exited: make(chan struct{})}
	if b.port, err = freePort(); err != nil {
		return nil, err
	}
	if b.dir, err = os.MkdirTemp("", "pgb"); err != nil {
		return nil, err
	}
	settings := filepath.Join(b.dir, "pgbouncer.ini")
	users := filepath.Join(b.dir, "users")
	text := fmt.Sprintf(`[databases]
* = host=127.0.0.1 port=%d
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = %d
unix_socket_dir =
auth_type = plain
auth_file = %s
pool_mode = transaction
default_pool_size = %d
max_client_conn = 500
`, s.port, b.port, users, connections)
	if s.tls {
		text += fmt.Sprintf("server_tls_sslmode = require\nclient_tls_sslmode = require\nclient_tls_cert_file = %s\nclient_tls_key_file = %s\n",
			filepath.Join(s.data(), "server.crt"), filepath.Join(s.data(), "server.key"))
	}
	err = errors.Join(os.WriteFile(settings, []byte(text), 0o644),
		os.WriteFile(users, fmt.Appendf(nil, "%q %q\n", app, password), 0o644), os.Chmod(b.dir, 0o755))
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(b.dir))
	}
	b.cmd = exec.Command(program, "-q", settings)
	b.cmd.Dir = b.dir
	b.cmd.SysProcAttr = &syscall.SysProcAttr{Credential: s.as, Pdeathsig: syscall.SIGKILL}
	if err := b.cmd.Start(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(b.dir))
	}
	go func() { _ = b.cmd.Wait(); close(b.exited) }()
	if err := await(b.URL("postgres"), b.exited); err != nil {
		return nil, errors.Join(fmt.Errorf("PgBouncer: %w", err), b.Stop())
	}
	return b, nil
}

// URL returns the URL of a database by way of PgBouncer.
func (b *Bouncer) URL(database string) string { return b.server.URL("127.0.0.1", b.port, database) }

// Stop ends PgBouncer and removes its folder.
func (b *Bouncer) Stop() error {
	_ = b.cmd.Process.Kill()
	<-b.exited
	return os.RemoveAll(b.dir)
}
