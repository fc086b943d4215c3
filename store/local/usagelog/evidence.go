package usagelog

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// evidenceName is the file that says up to which frame the log was synced:
//
//	0 magic 8 · 8 seq 8 · 16 checksum of all before 4
//
// It is rewritten after each sync and itself synced only by Close: it outlives the process always and a power cut in
// an older state, which is still true.
const (
	evidenceName  = "synced"
	evidenceBytes = 20
)

var evidenceMagic = []byte("llmhubUS")

func encodeEvidence(seq uint64) []byte {
	b := make([]byte, 0, evidenceBytes)
	b = append(b, evidenceMagic...)
	b = binary.BigEndian.AppendUint64(b, seq)
	return binary.BigEndian.AppendUint32(b, checksum(0, b))
}

// readEvidence returns the number of the last frame that is known to have been synced. The file is additional
// evidence: if it is absent or unreadable, nothing is known, and 0 returned.
func (l *Log) readEvidence() uint64 {
	path := filepath.Join(l.dir, evidenceName)
	b, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return 0
	}
	if err != nil || len(b) != evidenceBytes || !bytes.Equal(b[:8], evidenceMagic) ||
		binary.BigEndian.Uint32(b[16:]) != checksum(0, b[:16]) {
		l.logger.Warn("usage log: ignoring an unreadable note of what was synced", "file", path, "error", err)
		return 0
	}
	return binary.BigEndian.Uint64(b[8:])
}

// openEvidence opens the file for rewriting. Without it the log works as well, with weaker checks when next opened.
func (l *Log) openEvidence() {
	f, err := os.OpenFile(filepath.Join(l.dir, evidenceName), os.O_RDWR|os.O_CREATE, 0o600)
	if err == nil {
		err = errors.Join(f.Truncate(evidenceBytes), syncFolder(l.dir))
	}
	if err != nil {
		l.logger.Warn("usage log: cannot note what is synced", "error", err)
	}
	l.evidence = f
}

// noteSynced records that all frames up to seq are on disk. The caller holds syncing, or is alone.
func (l *Log) noteSynced(seq uint64) {
	l.synced.Store(seq)
	if l.evidence == nil {
		return
	}
	if _, err := l.evidence.WriteAt(encodeEvidence(seq), 0); err != nil {
		l.logger.Warn("usage log: cannot note what is synced", "error", err)
	}
}

// syncEvidence makes the note durable.
func (l *Log) syncEvidence() error {
	if l.evidence == nil {
		return nil
	}
	if err := l.evidence.Sync(); err != nil {
		return fmt.Errorf("usage log: %w", err)
	}
	return nil
}
