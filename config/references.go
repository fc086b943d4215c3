package config

import (
	"crypto/x509"
	"os"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"llmhub/secret"
	"llmhub/yamldoc"
)

// maxSecretBytes bounds a file that holds a secret, maxCABytes one that holds certificates.
const (
	maxSecretBytes = 64 << 10
	maxCABytes     = 1 << 20
)

const secretForm = "must be a reference: {env: NAME} or {file: PATH}"

var envName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,127}$`)

// secret reads a reference and the secret behind it, at least minimum characters. No fault repeats what is written at
// this place or behind it, as it may be the secret itself.
func (d *decoder) secret(into *secret.Text, minimum int) reader {
	return func(n node) {
		at, text, ok := d.reference(n)
		switch {
		case !ok:
		case strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' }):
			d.Fault(at, "the secret contains spaces or characters other than ASCII")
		case len(text) < minimum:
			d.Fault(at, "the secret has %d characters; at least %d are required", len(text), minimum)
		default:
			*into = secret.New(text)
		}
	}
}

// document reads a reference and the secret text of several lines behind it. No fault repeats any of it.
func (d *decoder) document(into *secret.Text) reader {
	return func(n node) {
		at, text, ok := d.reference(n)
		switch {
		case !ok:
		case !utf8.ValidString(text) || strings.ContainsFunc(text, func(r rune) bool { return unicode.IsControl(r) && !strings.ContainsRune("\t\r\n", r) }):
			d.Fault(at, "is not text")
		default:
			*into = secret.New(text)
		}
	}
}

// reference returns the secret that a reference leads to, and the node that faults of it are about.
func (d *decoder) reference(n node) (at node, text string, ok bool) {
	if !d.Usable(n) {
		return n, "", false
	}
	if n.Kind != yaml.MappingNode {
		d.Fault(n, "a secret is not written into this file; it "+secretForm)
		return n, "", false
	}
	if len(n.Content) != 2 || n.Content[0].Value != "env" && n.Content[0].Value != "file" {
		d.Fault(n, secretForm)
		return n, "", false
	}
	at = n.Below(n.Content[0].Value, n.Content[1])
	ref, ok := d.Scalar(at, "text", "!!str")
	if !ok {
		return at, "", false
	}
	if n.Content[0].Value == "file" {
		text, ok = d.secretFromFile(at, ref)
	} else {
		text, ok = d.secretFromEnv(at, ref)
	}
	if ok && text == "" {
		d.Fault(at, "the secret is empty")
		ok = false
	}
	return at, text, ok
}

func (d *decoder) secretFromEnv(n node, name string) (string, bool) {
	if !envName.MatchString(name) {
		d.Fault(n, "is not the name of an environment variable")
		return "", false
	}
	text, ok := d.lookup(name)
	if !ok {
		d.Fault(n, "environment variable %s is not set", name)
		return "", false
	}
	return text, true
}

// secretFromFile reads the file and takes the line end away that editors and echo leave.
func (d *decoder) secretFromFile(n node, name string) (string, bool) {
	text, ok := d.referred(n, name, maxSecretBytes)
	return strings.TrimSuffix(strings.TrimSuffix(string(text), "\n"), "\r"), ok
}

// referred reads a file that the configuration names.
func (d *decoder) referred(n node, name string, limit int64) ([]byte, bool) {
	path, err := d.relative(name)
	var text []byte
	if err == nil {
		text, err = readBounded(path, limit)
	}
	if err != nil {
		d.Fault(n, "%s cannot be read: %s", yamldoc.Quote(name), yamldoc.Reason(err))
		return nil, false
	}
	return text, true
}

// certificates reads a PEM file of certificates.
func (d *decoder) certificates(into **x509.CertPool) reader {
	return func(n node) {
		if _, pool := d.authorities(n); pool != nil {
			*into = pool
		}
	}
}

// authorities returns what a PEM file of certificates holds, as text too; nil after a fault.
func (d *decoder) authorities(n node) ([]byte, *x509.CertPool) {
	name, ok := d.Scalar(n, "a path", "!!str")
	if !ok {
		return nil, nil
	}
	text, ok := d.referred(n, name, maxCABytes)
	if !ok {
		return nil, nil
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		d.Fault(n, "%s holds no PEM certificate", yamldoc.Quote(name))
		return nil, nil
	}
	return text, pool
}

// folder reads a path and makes it absolute.
func (d *decoder) folder(into *string) reader {
	return func(n node) {
		var name string
		d.Text(&name, 4096, nil, "")(n)
		if name == "" {
			return
		}
		path, err := d.relative(name)
		if err != nil {
			d.Fault(n, "%s", err)
			return
		}
		*into = path
	}
}

// existingFolder reads the path of a folder that is there, and makes it absolute.
func (d *decoder) existingFolder(into *string) reader {
	return func(n node) {
		var path string
		d.folder(&path)(n)
		if path == "" {
			return
		}
		info, err := os.Stat(path)
		switch {
		case err != nil:
			d.Fault(n, "%s cannot be read: %s", yamldoc.Quote(n.Value), yamldoc.Reason(err))
		case !info.IsDir():
			d.Fault(n, "%s is not a folder", yamldoc.Quote(n.Value))
		default:
			*into = path
		}
	}
}

// checked reads a file whose content must pass a check.
func (d *decoder) checked(into *[]byte, limit int64, check func(text []byte) error) reader {
	return func(n node) {
		name, ok := d.Scalar(n, "a path", "!!str")
		if !ok {
			return
		}
		text, ok := d.referred(n, name, limit)
		if !ok {
			return
		}
		if err := check(text); err != nil {
			d.Fault(n, "%s: %s", yamldoc.Quote(name), err)
			return
		}
		*into = text
	}
}
