package postgres

import (
	"context"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"

	"llmhub/secret"
)

// listenConfig is that of the one connection with a session.
func (s *Store) listenConfig(url secret.Text) (*pgx.ConnConfig, error) {
	if s.options.ListenURL.IsSet() {
		url = s.options.ListenURL
	}
	c, err := pgx.ParseConfig(url.Reveal())
	if err != nil {
		return nil, errURL
	}
	adapt(c)
	return c, nil
}

const (
	// listenRest is the pause before a lost connection for hints is made anew.
	listenRest = 2 * time.Second
	// listenSilence is how long a connection for hints may be silent before it is tried.
	listenSilence = 30 * time.Second
)

// listen wakes the watches when another process says that documents have changed. It is a hint: without it they look
// twice a second. That there is none, though the database answers, is told once until there is one again.
func (s *Store) listen(config *pgx.ConnConfig) {
	told := false
	for s.stop.Err() == nil {
		heard, err := s.listenOnce(config)
		told = told && !heard
		if err != nil && s.stop.Err() == nil {
			level := slog.LevelDebug
			if !heard && !told && s.away.Load() == 0 {
				level, told = slog.LevelWarn, true
			}
			s.logger.Log(s.stop, level, "no hints of changes from the database: they are looked for twice a second", "err", translate(s.stop, err))
		}
		select {
		case <-s.stop.Done():
		case <-time.After(listenRest):
		}
	}
}

// listenOnce listens until the connection ends; heard says whether there was one to be told by.
func (s *Store) listenOnce(config *pgx.ConnConfig) (heard bool, err error) {
	conn, err := pgx.ConnectConfig(s.stop, config)
	if err != nil {
		return false, err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = conn.Close(ctx) // the session ends with the connection, however that ends
	}()
	if _, err := conn.Exec(s.stop, "listen "+notifyChannel); err != nil {
		return false, err
	}
	s.announce() // what came before is not told of
	for {
		wait, cancel := context.WithTimeout(s.stop, listenSilence)
		_, err := conn.WaitForNotification(wait)
		cancel()
		if err == nil {
			s.announce()
			continue
		}
		if wait.Err() == nil || s.stop.Err() != nil {
			return true, err
		}
		// Silence: a connection that was cut without a word shows when it is used. A wait that ran out leaves the
		// connection usable.
		ping, cancel := context.WithTimeout(s.stop, connectTimeout)
		err = conn.Ping(ping)
		cancel()
		if err != nil {
			return true, err
		}
	}
}
