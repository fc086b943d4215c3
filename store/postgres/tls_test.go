package postgres

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net"
	neturl "net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"llmhub/secret"
	"llmhub/store/postgres/pgtest"
)

// authority signs certificates. Its own is in a file, for sslrootcert.
type authority struct {
	t    *testing.T
	cert *x509.Certificate
	key  crypto.Signer
	file string
}

func newAuthority(t *testing.T, name string) *authority {
	t.Helper()
	a := &authority{t: t}
	a.cert = &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	cert, _, key := a.sign(a.cert)
	a.key, a.file = key, a.write(name+".pem", cert)
	return a
}

// sign returns a certificate and its new key in PEM, and the key.
func (a *authority) sign(c *x509.Certificate) (cert, key []byte, signer crypto.Signer) {
	a.t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	by := a.key
	if by == nil {
		by = private // its own
	}
	der, err := x509.CreateCertificate(rand.Reader, c, a.cert, private.Public(), by)
	if err != nil {
		a.t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		a.t.Fatal(err)
	}
	encode := func(kind string, b []byte) []byte { return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: b}) }
	return encode("CERTIFICATE", der), encode("PRIVATE KEY", pkcs8), private
}

// serverPair returns certificate and key of a server that is localhost and 127.0.0.1.
func (a *authority) serverPair() (cert, key []byte) {
	a.t.Helper()
	cert, key, _ = a.sign(&x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "db"}, NotBefore: a.cert.NotBefore, NotAfter: a.cert.NotAfter,
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	})
	return cert, key
}

// clientFiles returns the parameters of a URL with a certificate for a role of the database.
func (a *authority) clientFiles(role string) string {
	a.t.Helper()
	cert, key, _ := a.sign(&x509.Certificate{
		SerialNumber: big.NewInt(3), Subject: pkix.Name{CommonName: role}, NotBefore: a.cert.NotBefore, NotAfter: a.cert.NotAfter,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	return "sslcert=" + a.write("client.pem", cert) + "&sslkey=" + a.write("client.key", key)
}

func (a *authority) write(name string, content []byte) string {
	a.t.Helper()
	path := filepath.Join(a.t.TempDir(), name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		a.t.Fatal(err)
	}
	return path
}

// withQuery returns a URL with other parameters, and to another host unless that is empty.
func withQuery(t *testing.T, url, host, query string) secret.Text {
	t.Helper()
	u, err := neturl.Parse(url)
	if err != nil {
		t.Fatal(err)
	}
	if host != "" {
		u.Host = net.JoinHostPort(host, u.Port())
	}
	u.RawQuery = query
	return secret.New(u.String())
}

// logged collects what a store logs.
type logged struct {
	mu      sync.Mutex
	written bytes.Buffer
	line    chan struct{} // a line has come
}

func (l *logged) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case l.line <- struct{}{}:
	default:
	}
	return l.written.Write(b)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.written.String()
}

// tellsURL says whether a text has a URL or its password.
func tellsURL(text string, url secret.Text) bool {
	return strings.Contains(text, url.Reveal()) || strings.Contains(text, "a-secret-of-the-tests")
}

// A server that takes nothing but TLS: by what a URL says, the store trusts it or not, and shows a certificate of its
// own. Neither errors nor the log have the password.
func TestTLS(t *testing.T) {
	ours, other := newAuthority(t, "ours"), newAuthority(t, "other")
	cert, key := ours.serverPair()
	authorities, err := os.ReadFile(ours.file)
	if err != nil {
		t.Fatal(err)
	}
	encrypted, err := pgtest.New(pgtest.With("ssl", "on"), pgtest.WithFile("server.crt", cert), pgtest.WithFile("server.key", key),
		pgtest.WithFile("authorities.crt", authorities), pgtest.With("ssl_ca_file", "authorities.crt"), pgtest.With("listen_addresses", "127.0.0.1,127.0.0.2"),
		pgtest.WithAccess("hostssl by_certificate all 127.0.0.0/8 cert", "hostssl by_both all 127.0.0.0/8 scram-sha-256 clientcert=verify-full",
			"hostssl all all 127.0.0.0/8 scram-sha-256"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := encrypted.Remove(); err != nil {
			t.Error(err)
		}
	})
	database, url, err := encrypted.Database()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"by_certificate", "by_both"} {
		if err := encrypted.Exec("postgres", "create database "+name+" owner llmhub"); err != nil {
			t.Fatal(err)
		}
	}
	at := func(database string) string { return encrypted.URL("127.0.0.1", encrypted.Port(), database) }
	byCertificate, byBoth := at("by_certificate"), at("by_both")
	bouncer, err := encrypted.Bouncer(3)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := bouncer.Stop(); err != nil {
			t.Error(err)
		}
	})
	_, plain := newDatabase(t)

	full := "sslmode=verify-full&sslrootcert=" + ours.file
	for _, c := range []struct {
		name, url, host, query string
		refused                string // what the error says; empty: it opens
	}{
		{"verify-full", url, "", full, ""},
		{"verify-full by name", url, "localhost", full, ""},
		{"verify-full, another authority", url, "", "sslmode=verify-full&sslrootcert=" + other.file, "certificate signed by unknown authority"},
		{"verify-full, those of the system", url, "", "sslmode=verify-full", "certificate signed by unknown authority"},
		{"verify-full, another host", url, "127.0.0.2", full, "certificate is valid for 127.0.0.1, not 127.0.0.2"},
		{"verify-ca, another host", url, "127.0.0.2", "sslmode=verify-ca&sslrootcert=" + ours.file, ""},
		{"verify-ca, another authority", url, "", "sslmode=verify-ca&sslrootcert=" + other.file, "certificate signed by unknown authority"},
		{"require", url, "", "sslmode=require", ""},
		{"require with another authority", url, "", "sslmode=require&sslrootcert=" + other.file, "certificate signed by unknown authority"},
		{"nothing said", url, "", "", ""},
		{"disable", url, "", "sslmode=disable", "no encryption"},
		{"no such file", url, "", full + ".missing", "the files of sslrootcert, sslcert and sslkey must be readable"},
		{"PgBouncer", bouncer.URL(database), "", full, ""},
		{"PgBouncer, another authority", bouncer.URL(database), "", "sslmode=verify-full&sslrootcert=" + other.file, "certificate signed by unknown authority"},
		{"PgBouncer, disable", bouncer.URL(database), "", "sslmode=disable", "SSL required"},
		{"server without TLS", plain.Reveal(), "", full, "server refused TLS"},
		{"server without TLS, nothing said", plain.Reveal(), "", "", ""},
		{"client certificate", byCertificate, "", full + "&" + ours.clientFiles("llmhub"), ""},
		{"client certificate of another role", byCertificate, "", full + "&" + ours.clientFiles("stranger"), `authentication failed for user "llmhub"`},
		{"client certificate of another authority", byCertificate, "", full + "&" + other.clientFiles("llmhub"), "connection requires a valid client certificate"},
		{"no client certificate", byCertificate, "", full, "connection requires a valid client certificate"},
		{"password and client certificate", byBoth, "", full + "&" + ours.clientFiles("llmhub"), ""},
		{"password alone", byBoth, "", full, "connection requires a valid client certificate"},
	} {
		t.Run(c.name, func(t *testing.T) {
			url := withQuery(t, c.url, c.host, c.query)
			s, err := Open(t.Context(), url, Options{noListen: true})
			if err == nil {
				err = s.Close()
				if c.refused != "" {
					t.Fatal("it opens")
				}
			}
			if c.refused == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if text := err.Error(); !strings.Contains(text, c.refused) || tellsURL(text, url) {
				t.Error(text)
			}
		})
	}

	t.Run("hints", func(t *testing.T) {
		url := withQuery(t, url, "", full)
		o := Options{pollEvery: time.Hour} // so that nothing but a hint tells of a change
		a, b := openTest(t, url, o), openTest(t, url, o)
		seenByA, _ := follow(t, a)
		seenByB, _ := follow(t, b)
		for _, id := range []string{"1", "2"} { // the first may be seen at the first look
			waitFor(t, seenByB, mustPut(t, a, "a"+id, 0))
			waitFor(t, seenByA, mustPut(t, b, "b"+id, 0))
		}
		if err := encrypted.Exec("postgres", `do $$ begin
				if (select count(*) from pg_stat_activity where datname = '`+database+`' and query like 'listen %') <> 2 then
					raise exception 'there are not two connections for hints';
				end if;
				if exists (select from pg_stat_activity join pg_stat_ssl using (pid) where datname = '`+database+`' and not ssl) then
					raise exception 'a connection is not encrypted';
				end if;
			end $$`); err != nil {
			t.Error(err)
		}
	})

	t.Run("hints refused", func(t *testing.T) {
		l := &logged{line: make(chan struct{}, 1)}
		wrong := withQuery(t, url, "", "sslmode=verify-full&sslrootcert="+other.file)
		openTest(t, withQuery(t, url, "", full), Options{
			ListenURL: wrong,
			Logger:    slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelWarn})),
		})
		for !strings.Contains(l.String(), "no hints of changes") {
			select {
			case <-l.line:
			case <-time.After(20 * time.Second):
				t.Fatalf("nothing is said of hints: %s", l)
			}
		}
		if text := l.String(); !strings.Contains(text, "certificate signed by unknown authority") || tellsURL(text, wrong) {
			t.Error(text)
		}
	})
}
