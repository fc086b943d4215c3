package usagelog

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// Piece is the base, or the beginning of a segment's file. What it holds is never rewritten, so that it can be copied while
// the log grows, but not while it is trimmed.
type Piece struct {
	// Name of the file within the log's folder.
	Name string
	// Bytes from the file's start that belong to the piece.
	Bytes int64
}

// Pieces returns what makes up the log up to a position that End has given, in order. The files put together in a folder
// are a log that ends there.
func (l *Log) Pieces(end Position) ([]Piece, error) {
	if now, err := l.readable(); err != nil {
		return nil, err
	} else if now.Before(end) {
		return nil, fmt.Errorf("usage log: it ends at %s, before %s", now, end)
	}
	l.writing.Lock()
	begin := l.first
	l.writing.Unlock()
	var pieces []Piece
	if begin.number > 1 {
		pieces = append(pieces, Piece{Name: baseName, Bytes: baseHeaderBytes + begin.bytes})
	}
	for n := begin.number; n <= end.Segment; n++ {
		path := l.segmentPath(n)
		size := end.Offset
		if n < end.Segment {
			info, err := os.Stat(path)
			if errors.Is(err, os.ErrNotExist) {
				return nil, l.missingSegment(n)
			}
			if err != nil {
				return nil, fmt.Errorf("usage log: %w", err)
			}
			size = info.Size()
		}
		pieces = append(pieces, Piece{Name: filepath.Base(path), Bytes: size})
	}
	return pieces, nil
}

// CopyPiece writes a piece to w, or less than its bytes with an error that wraps store.ErrDamaged if the file has become
// shorter.
func (l *Log) CopyPiece(w io.Writer, p Piece) error {
	path := filepath.Join(l.dir, p.Name)
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("usage log: %w", err)
	}
	defer f.Close()
	n, err := io.CopyN(w, f, p.Bytes)
	if errors.Is(err, io.EOF) {
		return damaged(path, n, "the segment is shorter than it has been")
	}
	return err
}

// IsPieceName says whether a piece can have the name.
func IsPieceName(name string) bool {
	_, ok := segmentNumber(name)
	return ok || name == baseName
}

// Identity returns a text that tells the log from all others, but for its copies: its salt.
func (l *Log) Identity() string { return fmt.Sprintf("%08x", l.salt) }
