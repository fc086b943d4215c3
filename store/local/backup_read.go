package local

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"

	"llmhub/store/local/usagelog"
)

const (
	maxBackupManifest = 256 << 20
	// maxBackupRows bounds a part of rows, the last of which may be of any size that the database takes.
	maxBackupRows = backupRowsBytes + 16<<20
)

// CheckBackup reads a backup to its end and compares all checksums. The error wraps store.ErrDamaged if it is not what was
// written. progress is told how many bytes have been read; it may be nil.
func CheckBackup(ctx context.Context, file string, progress func(done, all int64)) (BackupManifest, error) {
	f, err := os.Open(file)
	if err != nil {
		return BackupManifest{}, err
	}
	defer f.Close()
	r := backupReader{ctx: ctx, file: f, progress: progress}
	if err := r.read(); err != nil {
		return BackupManifest{}, fmt.Errorf("backup %s: %w", file, err)
	}
	return r.manifest, nil
}

// backupReader reads a backup once.
type backupReader struct {
	ctx      context.Context
	file     *os.File
	progress func(done, all int64)
	// entry is handed each part, in order; it must read it to its end. nil passes over them.
	entry func(name string, size int64, r io.Reader) error

	manifest BackupManifest
	found    bool
	parts    []BackupPart
}

// progressReader tells of what is read, and ends when its context does.
type progressReader struct {
	*backupReader
	r         io.Reader
	done, all int64
}

func (p *progressReader) Read(b []byte) (int, error) {
	if err := p.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := p.r.Read(b)
	p.done += int64(n)
	if p.progress != nil {
		p.progress(p.done, p.all)
	}
	return n, err
}

// read reads everything. Only once it returns nil is anything that it has given known to be right.
func (r *backupReader) read() error {
	info, err := r.file.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return errors.New("it is not a regular file")
	}
	size := info.Size() - int64(backupTrailerBytes)
	trailer := make([]byte, backupTrailerBytes)
	if size <= 0 {
		return errBackup("it has %d bytes only", info.Size())
	}
	if _, err := r.file.ReadAt(trailer, size); err != nil {
		return err
	}
	if !bytes.HasPrefix(trailer, []byte(backupMagic)) {
		return errBackup("its end is missing")
	}
	whole := sha256.New()
	body := io.TeeReader(&progressReader{backupReader: r, r: io.NewSectionReader(r.file, 0, size), all: size}, whole)
	err = r.entries(tar.NewReader(body))
	if r.ctx.Err() != nil {
		return r.ctx.Err()
	}
	if err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, body); err != nil {
		return err
	}
	if !bytes.Equal(whole.Sum(nil), trailer[len(backupMagic):]) {
		return errBackup("its checksum is wrong")
	}
	return r.compare()
}

func (r *backupReader) entries(t *tar.Reader) error {
	for {
		h, err := t.Next()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return errBackup("%s", err)
		case r.found || h.Typeflag != tar.TypeReg:
			return errBackup("%q does not belong there", h.Name)
		case h.Name == backupManifest:
			err = r.readManifest(h, t)
		default:
			err = r.readPart(h, t)
		}
		if err != nil {
			return err
		}
	}
}

func (r *backupReader) readManifest(h *tar.Header, t io.Reader) error {
	if h.Size > maxBackupManifest {
		return errBackup("the manifest has %d bytes", h.Size)
	}
	text, err := io.ReadAll(t)
	if err != nil {
		return errBackup("%s", err)
	}
	if err := json.Unmarshal(text, &r.manifest); err != nil {
		return errBackup("the manifest: %s", err)
	}
	r.found = true
	return nil
}

// readPart hands on one part and notes its checksum.
func (r *backupReader) readPart(h *tar.Header, t io.Reader) error {
	if err := r.admitPart(h.Name, h.Size); err != nil {
		return err
	}
	sum := sha256.New()
	from := io.TeeReader(t, sum)
	if r.entry != nil {
		if err := r.entry(h.Name, h.Size, from); err != nil {
			return err
		}
	}
	if _, err := io.Copy(io.Discard, from); err != nil {
		return errBackup("%s: %s", h.Name, err)
	}
	r.parts = append(r.parts, BackupPart{Name: h.Name, Bytes: h.Size, SHA256: hex.EncodeToString(sum.Sum(nil))})
	return nil
}

// admitPart refuses names that no backup has, before anything is written under them.
func (r *backupReader) admitPart(name string, size int64) error {
	dir, base := path.Split(name)
	ok := false
	switch dir {
	case backupRows:
		ok = size <= maxBackupRows
	case backupLog:
		ok = usagelog.IsPieceName(base)
	case backupSecrets:
		ok = size <= maxBackupSecret && base != "" && base != "." && base != ".." && base != "db" && base != "log" && !strings.ContainsAny(base, `/\`)
	}
	if !ok || slices.ContainsFunc(r.parts, func(p BackupPart) bool { return dir != backupRows && p.Name == name }) {
		return errBackup("%q does not belong there", name)
	}
	return nil
}

// compare compares the manifest with what was read.
func (r *backupReader) compare() error {
	if !r.found {
		return errBackup("the manifest is missing")
	}
	if r.manifest.Format != backupFormat {
		return fmt.Errorf("it has format %d; this program knows %d", r.manifest.Format, backupFormat)
	}
	if !slices.Equal(r.parts, r.manifest.Parts) {
		return errBackup("the parts are not those of its manifest")
	}
	return nil
}
