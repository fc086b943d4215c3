package main

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"llmhub/config"
	"llmhub/secret"
	"llmhub/store"
	"llmhub/store/local"
	"llmhub/store/postgres"
)

// engine is a store that has been opened. Nothing but what opens it knows which one it is.
type engine interface {
	store.Documents
	store.Ledger
	Close() error
}

// orphansEvery is how often requests are looked for that a process which has died meanwhile had begun.
const orphansEvery = 10 * time.Second

// retention returns how long single requests are kept; 0 means for ever.
func retention(cfg *config.Config) time.Duration {
	return time.Duration(cfg.Billing.RequestRetentionDays) * 24 * time.Hour
}

func storeOptions(cfg *config.Config, log *slog.Logger) local.Options {
	return local.Options{Location: cfg.Billing.TimeZone, FloorBytes: cfg.FreeSpaceFloorBytes, Retention: retention(cfg), Logger: log}
}

// openStore opens the database of the configuration, or the data folder with the given options.
func openStore(ctx context.Context, cfg *config.Config, log *slog.Logger, o local.Options) (engine, error) {
	if p := cfg.Store.Postgres; p != nil {
		s, err := postgres.Open(ctx, p.URL, postgres.Options{
			Location: cfg.Billing.TimeZone, ListenURL: p.ListenURL, Connections: p.Connections,
			StatementTimeout: p.StatementTimeout, LockTimeout: p.LockTimeout, Patience: p.Patience, Retention: retention(cfg), Logger: log,
		})
		if err != nil {
			return nil, err
		}
		return s, nil
	}
	s, err := local.Open(cfg.Data, o)
	if err != nil {
		return nil, err
	}
	return s, nil
}

// The keys by the names of their files in the data folder: what API keys are hashed with, what the IDs of responses are
// sealed with, and what sessions, deployments and webhooks are sealed with.
const (
	pepperKey    = "pepper"
	responsesKey = "responses"
	sealKey      = "seal.key"
)

// sharedKeys returns the keys that the configuration gives, nil where they lie in the data folder.
func (s *server) sharedKeys() map[string]secret.Text {
	p := s.cfg.Store.Postgres
	if p == nil {
		return nil
	}
	return map[string]secret.Text{pepperKey: p.Keys.Pepper, responsesKey: p.Keys.Responses, sealKey: p.Keys.Seal}
}

// key returns a key: that of the configuration, or that of the data folder, which is made if there is none.
func (s *server) key(name string) ([]byte, error) {
	if shared := s.sharedKeys(); shared != nil {
		return []byte(shared[name].Reveal()), nil
	}
	return secret.LoadKey(s.cfg.Data, name)
}

// keyPrints is the document that says which keys the data were made with, without giving them away.
type keyPrints struct {
	Prints map[string]string `json:"prints"`
}

// keyPrint is a print of a random key of 32 bytes, from which nobody finds the key.
func keyPrint(name string, key secret.Text) string {
	mac := hmac.New(sha256.New, []byte(key.Reveal()))
	mac.Write([]byte("llmhub key print " + name))
	return hex.EncodeToString(mac.Sum(nil)[:16])
}

// checkSharedKeys refuses keys that differ from those of the processes before: they would take good API keys for bad
// ones, and could open nothing that was sealed. The first process says what the keys are.
func (s *server) checkSharedKeys(ctx context.Context) error {
	shared := s.sharedKeys()
	if shared == nil {
		return nil
	}
	own := keyPrints{Prints: map[string]string{}}
	for name, key := range shared {
		own.Prints[name] = keyPrint(name, key)
	}
	prints := store.NewCollection[keyPrints](s.store, "installation", nil)
	_, err := store.Change(ctx, s.store, func() ([]store.Write, error) {
		_, err := prints.Get(ctx, "keys")
		if !errors.Is(err, store.ErrNotFound) {
			return nil, err
		}
		w, err := prints.Write("keys", 0, own)
		return []store.Write{w}, err
	})
	if err != nil {
		return fmt.Errorf("compare the keys with those of the database: %w", err)
	}
	stored, err := prints.Get(ctx, "keys")
	if err != nil {
		return fmt.Errorf("compare the keys with those of the database: %w", err)
	}
	for _, k := range []struct{ name, setting string }{{pepperKey, "pepper"}, {responsesKey, "responses"}, {sealKey, "seal"}} {
		if stored.Value.Prints[k.name] != own.Prints[k.name] {
			return fmt.Errorf("store.postgres.keys.%s is not the key that the data in the database were made with: all processes need the same", k.setting)
		}
	}
	return nil
}
