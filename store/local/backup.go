package local

import (
	"archive/tar"
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/dgraph-io/badger/v4"

	"llmhub/store"
	"llmhub/store/local/usagelog"
)

// A backup is a tar archive and a trailer behind it: a magic and the SHA-256 of everything before the trailer. The archive
// has the database's rows in parts, the segments of the log, key files, and the manifest at its end, where all is known.
// docs/FORMAT.md draws it.
const (
	backupFormat = 1
	backupMagic  = "llmhubBK"

	backupRows     = "rows/"
	backupLog      = "log/"
	backupSecrets  = "secrets/"
	backupManifest = "manifest.json"

	backupTrailerBytes = len(backupMagic) + sha256.Size
	backupRowsBytes    = 4 << 20 // a part of rows is ended once it has as much
	maxBackupSecret    = 64 << 10
)

// ErrBackupRuns says that another backup of the store is under way.
var ErrBackupRuns = errors.New("another backup is under way")

// BackupOptions say what goes into a backup beside the store.
type BackupOptions struct {
	// Secrets are the names of key files in the data folder; those that do not exist are passed over.
	Secrets []string
	// Program is the version of llmhub that the manifest names.
	Program string
}

// BackupManifest says what a backup holds.
type BackupManifest struct {
	Format  int       `json:"format"`
	Program string    `json:"program"`
	TakenAt time.Time `json:"taken_at"`
	// TimeZone is the billing time zone of the data folder.
	TimeZone string `json:"time_zone"`
	// Frames is the number of the log's last frame; the log ends at Offset of Segment.
	Frames  uint64 `json:"frames"`
	Segment uint32 `json:"segment"`
	Offset  int64  `json:"offset"`
	// Folded is the last frame that the sums contain; what is behind it is added when the folder is opened.
	Folded uint64 `json:"folded"`
	// Version is that of the last commit of documents.
	Version uint64 `json:"version"`
	// Source is the last source number given out.
	Source uint32 `json:"source"`
	// Rows counts those rows of the database that do not expire; RowsSHA256 is taken over them.
	Rows       int64  `json:"rows"`
	RowsSHA256 string `json:"rows_sha256"`
	// Secrets are the names of the key files.
	Secrets []string `json:"secrets"`
	// Parts are the other entries of the archive, in order.
	Parts []BackupPart `json:"parts"`
}

// BackupPart is one entry of the archive.
type BackupPart struct {
	Name   string `json:"name"`
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"`
}

// Backup writes a backup of one moment of the open store, while it goes on serving: documents, sums and log are those of
// that moment, when appends wait for at most one commit of the database. It is complete only if the error is nil. A second
// backup at the same time is ErrBackupRuns. Memory is bounded; the time that w takes does not matter to others.
func (s *Store) Backup(ctx context.Context, w io.Writer, o BackupOptions) (BackupManifest, error) {
	if err := s.enter(); err != nil {
		return BackupManifest{}, err
	}
	defer s.leave()
	if !s.backingUp.TryLock() {
		return BackupManifest{}, ErrBackupRuns
	}
	defer s.backingUp.Unlock()
	s.copying.RLock()
	defer s.copying.RUnlock()
	b, err := s.beginBackup(ctx, w, o)
	if err != nil {
		return BackupManifest{}, err
	}
	defer b.txn.Discard()
	if err := s.log.SyncTo(b.manifest.Frames); err != nil {
		return BackupManifest{}, s.noteOutcome(err)
	}
	return b.manifest, badgerError(b.run())
}

// BackupFolder does the same with a data folder that no process uses; nothing is changed.
func BackupFolder(ctx context.Context, dir string, w io.Writer, lo Options, o BackupOptions) (BackupManifest, error) {
	if _, err := os.Stat(filepath.Join(dir, "log")); err != nil {
		return BackupManifest{}, fmt.Errorf("%s is not a data folder: %w", dir, err)
	}
	s, err := openParts(dir, lo, usagelog.OpenReadOnly)
	if err != nil {
		return BackupManifest{}, fmt.Errorf("back up data folder %s: %w", dir, err)
	}
	b, err := s.beginBackup(ctx, w, o)
	if err == nil {
		err = b.run()
		b.txn.Discard()
	}
	if err = errors.Join(badgerError(err), s.closeParts()); err != nil {
		return BackupManifest{}, fmt.Errorf("back up data folder %s: %w", dir, err)
	}
	return b.manifest, nil
}

// backupWriter writes one backup.
type backupWriter struct {
	ctx      context.Context
	store    *Store
	options  BackupOptions
	txn      *badger.Txn
	manifest BackupManifest
	pieces   []usagelog.Piece
	secrets  map[string][]byte

	out   *bufio.Writer
	whole hash.Hash
	tar   *tar.Writer
}

// beginBackup holds the moment: a view of the database, and the end that the log has at the same time. Frames are kept
// from being appended until both are known, so that the view cannot contain a fold of frames behind that end, nor miss a
// document that a frame before it relies on.
func (s *Store) beginBackup(ctx context.Context, w io.Writer, o BackupOptions) (*backupWriter, error) {
	b := &backupWriter{ctx: ctx, store: s, options: o, secrets: map[string][]byte{}, whole: sha256.New()}
	b.out = bufio.NewWriterSize(io.MultiWriter(w, b.whole), 256<<10)
	b.tar = tar.NewWriter(b.out)
	if err := b.readSecrets(); err != nil {
		return nil, err
	}
	s.ledger.order.Lock()
	b.txn = s.db.NewTransaction(false)
	end, frames := s.log.End(), s.log.LastSeq()
	s.ledger.order.Unlock()
	if err := b.describe(end, frames); err != nil {
		b.txn.Discard()
		return nil, badgerError(err)
	}
	return b, nil
}

func (b *backupWriter) readSecrets() error {
	b.manifest.Secrets = []string{}
	for _, name := range b.options.Secrets {
		content, err := os.ReadFile(filepath.Join(b.store.dir, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		b.secrets[name] = content
		b.manifest.Secrets = append(b.manifest.Secrets, name)
	}
	return nil
}

// describe fills the manifest with what is known of the moment.
func (b *backupWriter) describe(end usagelog.Position, frames uint64) error {
	isNew, err := b.store.checkFormat(b.txn)
	if err != nil {
		return err
	}
	if isNew {
		return errors.New("there is nothing to back up yet: the folder has never been used")
	}
	at, err := foldedIn(b.txn)
	if err == nil {
		err = b.store.checkLogReaches(at)
	}
	if err != nil {
		return err
	}
	version, err := lastVersion(b.txn)
	if err != nil {
		return err
	}
	source, err := getUint64(b.txn, metaSource)
	if err != nil {
		return err
	}
	m := &b.manifest
	m.Format, m.Program, m.TakenAt, m.TimeZone = backupFormat, b.options.Program, time.Now().UTC().Truncate(time.Second), b.store.location.String()
	m.Frames, m.Segment, m.Offset, m.Folded = frames, end.Segment, end.Offset, at.seq
	m.Version, m.Source = uint64(version), uint32(source)
	if frames > 0 {
		b.pieces, err = b.store.log.Pieces(end)
	}
	return err
}

// run writes everything.
func (b *backupWriter) run() error {
	if err := b.rows(); err != nil {
		return err
	}
	for _, p := range b.pieces {
		err := b.part(backupLog+p.Name, p.Bytes, func(w io.Writer) error { return b.store.log.CopyPiece(w, p) })
		if err != nil {
			return err
		}
	}
	for _, name := range b.manifest.Secrets {
		if err := b.bytes(backupSecrets+name, b.secrets[name]); err != nil {
			return err
		}
	}
	text, err := json.Marshal(b.manifest)
	if err != nil {
		return err
	}
	if err := b.header(backupManifest, int64(len(text))); err != nil {
		return err
	}
	if _, err := b.tar.Write(text); err != nil {
		return err
	}
	if err := errors.Join(b.tar.Close(), b.out.Flush()); err != nil {
		return err
	}
	if _, err := b.out.Write(b.whole.Sum([]byte(backupMagic))); err != nil {
		return err
	}
	return b.out.Flush()
}

// rows writes all rows of the database.
func (b *backupWriter) rows() error {
	it := b.txn.NewIterator(badger.IteratorOptions{})
	defer it.Close()
	sum := newRowsSum()
	var chunk []byte
	number := 0
	flush := func() error {
		number++
		err := b.bytes(fmt.Sprintf("%s%08d", backupRows, number), chunk)
		chunk = chunk[:0]
		return err
	}
	for it.Rewind(); it.Valid(); it.Next() {
		item := it.Item()
		err := item.Value(func(value []byte) error {
			begun := len(chunk)
			chunk = appendRow(chunk, item.Key(), value, item.ExpiresAt())
			sum.add(chunk[begun:], item.ExpiresAt())
			return nil
		})
		if err == nil && len(chunk) >= backupRowsBytes {
			err = flush()
		}
		if err != nil {
			return err
		}
	}
	b.manifest.Rows, b.manifest.RowsSHA256 = sum.count, sum.text()
	return flush()
}

// appendRow appends a row as it stands in a backup: when it expires (Unix seconds, 0 for never), key and value.
func appendRow(b, key, value []byte, expires uint64) []byte {
	b = binary.AppendUvarint(b, expires)
	b = append(binary.AppendUvarint(b, uint64(len(key))), key...)
	return append(binary.AppendUvarint(b, uint64(len(value))), value...)
}

// rowsSum is a checksum of rows in the order of their keys. It passes over those that expire, since they may be gone when
// it is taken again.
type rowsSum struct {
	hash  hash.Hash
	count int64
}

func newRowsSum() *rowsSum { return &rowsSum{hash: sha256.New()} }

func (s *rowsSum) add(row []byte, expires uint64) {
	if expires == 0 {
		s.hash.Write(row)
		s.count++
	}
}

func (s *rowsSum) text() string { return hex.EncodeToString(s.hash.Sum(nil)) }

func (b *backupWriter) header(name string, size int64) error {
	if err := b.ctx.Err(); err != nil {
		return err
	}
	return b.tar.WriteHeader(&tar.Header{Name: name, Size: size, Mode: 0o600, ModTime: b.manifest.TakenAt, Typeflag: tar.TypeReg, Format: tar.FormatUSTAR})
}

// part writes an entry and notes its checksum.
func (b *backupWriter) part(name string, size int64, write func(io.Writer) error) error {
	if err := b.header(name, size); err != nil {
		return err
	}
	sum := sha256.New()
	if err := write(io.MultiWriter(b.tar, sum)); err != nil {
		return err
	}
	b.manifest.Parts = append(b.manifest.Parts, BackupPart{Name: name, Bytes: size, SHA256: hex.EncodeToString(sum.Sum(nil))})
	return nil
}

func (b *backupWriter) bytes(name string, content []byte) error {
	return b.part(name, int64(len(content)), func(w io.Writer) error {
		_, err := w.Write(content)
		return err
	})
}

// errBackup describes a backup that is not what was written.
func errBackup(format string, args ...any) error {
	return fmt.Errorf("%w: the backup is truncated or has been altered: %s", store.ErrDamaged, fmt.Sprintf(format, args...))
}
