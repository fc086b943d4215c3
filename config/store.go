package config

import (
	"encoding/base64"
	"time"

	"go.yaml.in/yaml/v3"

	"llmhub/secret"
	"llmhub/yamldoc"
)

// Store says where keys and usage are kept when that is not the data folder.
type Store struct {
	// Postgres is nil for the data folder.
	Postgres *Postgres
}

// Postgres is a database that several processes share.
type Postgres struct {
	// URL names server, database and role; it is a secret as a whole, since it holds the password. ListenURL leads to the
	// server without a pooler between; not set means that URL does.
	URL, ListenURL secret.Text
	// Connections bounds the connections of one process.
	Connections int
	// StatementTimeout bounds each statement and LockTimeout each wait for a lock, at the server.
	StatementTimeout, LockTimeout time.Duration
	// Patience is how long finished requests wait for a database that is away before they fail and new ones are refused.
	Patience time.Duration
	// Keys are the secrets that processes on the same database share.
	Keys SharedKeys
}

// KeyBytes is the size of each of the shared keys.
const KeyBytes = secret.KeyBytes

// SharedKeys take the place of the key files in the data folder. Each has KeyBytes bytes.
type SharedKeys struct {
	// Pepper is what API keys are hashed with, Responses what the IDs of responses are sealed with, and Seal what sessions,
	// deployments and webhooks are sealed with.
	Pepper, Responses, Seal secret.Text
}

// DefaultPostgres returns what holds where the file says nothing.
func DefaultPostgres() *Postgres {
	return &Postgres{Connections: 10, StatementTimeout: 10 * time.Second, LockTimeout: 5 * time.Second, Patience: 10 * time.Second}
}

func hasKey(mapping *yaml.Node, key string) bool {
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		if mapping.Content[i].Value == key {
			return true
		}
	}
	return false
}

func (d *decoder) store(into *Store) reader {
	return func(n node) {
		d.Mapping(n, required("postgres", func(n node) {
			into.Postgres = DefaultPostgres()
			d.postgres(into.Postgres, n)
		}))
	}
}

func (d *decoder) postgres(into *Postgres, n node) {
	d.Mapping(n,
		required("url", d.secret(&into.URL, 1)),
		optional("listen_url", d.secret(&into.ListenURL, 1)),
		optional("connections", yamldoc.Count(d.Decoder, &into.Connections, 3, 1000)),
		optional("statement_timeout", d.duration(&into.StatementTimeout, time.Second, 10*time.Minute)),
		optional("lock_timeout", d.duration(&into.LockTimeout, 100*time.Millisecond, 10*time.Minute)),
		optional("patience", d.duration(&into.Patience, time.Second, 5*time.Minute)),
		required("keys", func(n node) {
			d.Mapping(n,
				required("pepper", d.key(&into.Keys.Pepper)),
				required("responses", d.key(&into.Keys.Responses)),
				required("seal", d.key(&into.Keys.Seal)),
			)
		}),
	)
}

// key reads a reference to a key in base64.
func (d *decoder) key(into *secret.Text) reader {
	return func(n node) {
		at, text, ok := d.reference(n)
		if !ok {
			return
		}
		key, err := base64.StdEncoding.DecodeString(text)
		if err != nil || len(key) != KeyBytes {
			d.Fault(at, "is not a key: %d bytes in base64, as openssl rand -base64 %d prints them", KeyBytes, KeyBytes)
			return
		}
		*into = secret.New(string(key))
	}
}
