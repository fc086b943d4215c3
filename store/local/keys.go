package local

import (
	"encoding/binary"
	"fmt"

	"llmhub/store"
)

// The first byte of each Badger key says what the row is. Parts of variable length carry their length before them,
// but for a last part; numbers are big-endian, so that rows sort as their parts do.
const (
	rowMeta     = 'M' // name → value
	rowDocument = 'D' // kind, id → version, index entries, body
	rowIndex    = 'X' // kind, index, value, id → nothing
	rowVersion  = 'V' // version, kind, id → 1 if deleted, else nothing

	rowName   = 'n' // first number → names
	rowSeq    = 's' // source → last batch
	rowOpen   = 'o' // request → mark
	rowLast   = 'u' // key → time of last use
	rowFrames = 'i' // key, first frame of the fold → positions of frames
	rowDay    = 'd' // key, day, model → sum
	rowMonth  = 'm' // key, month, model → sum
	rowGlobal = 'g' // day, model → sum
	rowTotal  = 't' // month, key → sum
)

var (
	metaFormat  = metaKey("format")
	metaZone    = metaKey("zone")
	metaVersion = metaKey("version")
	metaSource  = metaKey("source")
	metaFolded  = metaKey("folded")
)

func metaKey(name string) []byte { return append([]byte{rowMeta}, name...) }

func appendPart(b []byte, part string) []byte { return append(append(b, byte(len(part))), part...) }

func kindPrefix(kind string) []byte { return appendPart([]byte{rowDocument}, kind) }

func documentKey(kind, id string) []byte { return append(kindPrefix(kind), id...) }

func indexPrefix(kind, index, value string) []byte {
	return appendPart(appendPart(appendPart([]byte{rowIndex}, kind), index), value)
}

func indexKey(kind, index, value, id string) []byte {
	return append(indexPrefix(kind, index, value), id...)
}

func versionPrefix(v store.Version) []byte {
	return binary.BigEndian.AppendUint64([]byte{rowVersion}, uint64(v))
}

func versionKey(v store.Version, kind, id string) []byte {
	return append(appendPart(versionPrefix(v), kind), id...)
}

// parseVersionKey reads what versionKey writes.
func parseVersionKey(key []byte) (v store.Version, kind, id string, err error) {
	if len(key) < 10 || len(key) < 10+int(key[9]) {
		return 0, "", "", fmt.Errorf("%w: database row %x", store.ErrDamaged, key)
	}
	split := 10 + int(key[9])
	return store.Version(binary.BigEndian.Uint64(key[1:])), string(key[10:split]), string(key[split:]), nil
}

// storedDocument is the content of a document row.
type storedDocument struct {
	version store.Version
	index   []indexEntry
	body    []byte
}

type indexEntry struct{ name, value string }

func (d storedDocument) encode() []byte {
	b := binary.BigEndian.AppendUint64(make([]byte, 0, 64+len(d.body)), uint64(d.version))
	b = binary.AppendUvarint(b, uint64(len(d.index)))
	for _, e := range d.index {
		b = appendPart(appendPart(b, e.name), e.value)
	}
	return append(b, d.body...)
}

// decodeDocument reads what encode writes; the body is part of b.
func decodeDocument(b []byte) (storedDocument, error) {
	bad := fmt.Errorf("%w: a document row in the database", store.ErrDamaged)
	if len(b) < 8 {
		return storedDocument{}, bad
	}
	d := storedDocument{version: store.Version(binary.BigEndian.Uint64(b))}
	count, n := binary.Uvarint(b[8:])
	if n <= 0 || count > uint64(len(b)) {
		return d, bad
	}
	b = b[8+n:]
	part := func() (string, bool) {
		if len(b) == 0 || len(b) < 1+int(b[0]) {
			return "", false
		}
		p := string(b[1 : 1+int(b[0])])
		b = b[1+len(p):]
		return p, true
	}
	for range count {
		name, ok1 := part()
		value, ok2 := part()
		if !ok1 || !ok2 {
			return d, bad
		}
		d.index = append(d.index, indexEntry{name, value})
	}
	d.body = b
	return d, nil
}
