package main

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/gofiber/fiber/v2"

	"llmhub/store/local"
)

const (
	// backupPath is served beside the API, since its answer is no JSON.
	backupPath      = "/backup"
	backupMediaType = "application/x-tar"
	// withoutSecrets is the parameter that leaves the keys of the data folder out.
	withoutSecrets = "without_secrets"
	// backupWriteTimeout is how long who takes a backup may take to accept a piece of it.
	backupWriteTimeout = time.Minute
)

// keyFiles are the keys in the data folder.
var keyFiles = []string{pepperKey, responsesKey, sealKey}

func backupOptions(without bool) local.BackupOptions {
	o := local.BackupOptions{Program: buildVersion().Version, Secrets: keyFiles}
	if without {
		o.Secrets = nil
	}
	return o
}

// sendBackup streams a backup to the administrator. It is cut where it fails, and then has no valid end.
func (s *server) sendBackup(c *fiber.Ctx) error {
	c.Set(fiber.HeaderCacheControl, "no-store")
	if !s.adminAuthorized(c) {
		c.Set(fiber.HeaderWWWAuthenticate, `Bearer realm="llmhub"`)
		return refuseBackup(c, http.StatusUnauthorized, "unauthorized", "a backup takes the administrator's token")
	}
	without := false
	if text := c.Query(withoutSecrets); text != "" {
		var err error
		if without, err = strconv.ParseBool(text); err != nil {
			return refuseBackup(c, http.StatusBadRequest, "bad_request", withoutSecrets+" is true or false")
		}
	}
	folder, ok := s.store.(*local.Store)
	if !ok {
		return refuseBackup(c, http.StatusConflict, "invalid_state", "the data are in PostgreSQL, which is backed up by its own means")
	}
	if !s.backups.TryLock() {
		return refuseBackup(c, http.StatusConflict, "conflict", "another backup is under way")
	}
	b := newBackupBody(c.Context().Conn(), &s.backups)
	b.write(s.backupsEnd, func(ctx context.Context, w io.Writer) error {
		m, err := folder.Backup(ctx, w, backupOptions(without))
		if err != nil {
			s.log.Warn("a backup was not finished", "err", err)
			return err
		}
		s.log.Info("backup taken", "frames", m.Frames, "rows", m.Rows, "parts", len(m.Parts), "secrets", len(m.Secrets) > 0)
		return nil
	})
	c.Set(fiber.HeaderContentType, backupMediaType)
	c.Context().Response.SetBodyStream(b, -1)
	return nil
}

func refuseBackup(c *fiber.Ctx, status int, code, message string) error {
	return c.Status(status).JSON(fiber.Map{"error": fiber.Map{"code": code, "message": message}})
}

// backupBody is what is sent: the reading end of a pipe that the store writes to.
type backupBody struct {
	*io.PipeReader
	w      *io.PipeWriter
	client net.Conn
	held   *sync.Mutex
	stop   context.CancelFunc
	done   chan struct{}
	once   sync.Once
}

func newBackupBody(client net.Conn, held *sync.Mutex) *backupBody {
	b := &backupBody{client: client, held: held, done: make(chan struct{})}
	b.PipeReader, b.w = io.Pipe()
	return b
}

// write has fn write the body until the client has it all, has gone, or ctx ends.
func (b *backupBody) write(ctx context.Context, fn func(context.Context, io.Writer) error) {
	ctx, b.stop = context.WithCancel(ctx)
	cut := context.AfterFunc(ctx, func() { b.w.CloseWithError(errBackupEnds) })
	go func() {
		defer close(b.done)
		defer cut()
		b.w.CloseWithError(fn(ctx, b.w)) // nil is the end of the file
	}()
}

// errBackupEnds ends a backup whose client has gone, or that is under way when the server stops.
var errBackupEnds = errors.New("the backup is broken off")

// Read gives what the store writes. The deadline is that of the piece, not of the whole.
func (b *backupBody) Read(p []byte) (int, error) {
	n, err := b.PipeReader.Read(p)
	if derr := b.client.SetWriteDeadline(time.Now().Add(backupWriteTimeout)); err == nil {
		err = derr
	}
	return n, err
}

// Close waits until the store has stopped writing.
func (b *backupBody) Close() error {
	b.once.Do(func() {
		b.stop()
		<-b.done
		b.held.Unlock()
	})
	return nil
}
