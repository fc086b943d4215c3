package audio

import "math"

// The elements that are read (RFC 9559).
const (
	idSegment     = 0x18538067
	idInfo        = 0x1549a966
	idTracks      = 0x1654ae6b
	idTrack       = 0xae
	idNumber      = 0xd7
	idType        = 0x83
	idScale       = 0x2ad7b1
	idDuration    = 0x4489
	idCluster     = 0x1f43b675
	idTime        = 0xe7
	idSimpleBlock = 0xa3
	idGroup       = 0xa0
	idBlock       = 0xa1
	idLasts       = 0x9b
)

// typeSound is what a track of sound has for its type.
const typeSound = 2

// sound is what has been read of the sound in such a file. Times are in ticks.
type sound struct {
	scale        uint64 // of a tick, in nanoseconds
	said         float64
	number, kind uint64 // of the track that is being described, 0 if not known yet
	tracks       uint64 // a bit for each track of sound
	others       bool   // there are other tracks
	cluster      uint64
	heard, begun bool // the last block is of sound, and any was
	block        uint64
	first, last  uint64
}

// matroska reads WebM and its like. The length goes from the first block of sound to the last, and to the end that the file says where
// that is near: what is recorded as it is sent says none, and what has been cut says that of the whole.
func matroska(file []byte) int64 {
	s := sound{scale: 1_000_000}
	for at, steps := 0, 0; at < len(file) && steps < maxSteps; steps++ {
		id, n := elementID(file[at:])
		size, m := elementSize(file[at+n:])
		if n == 0 || m == 0 {
			break
		}
		at += n + m
		switch id {
		case idTrack:
			s.number, s.kind = 0, 0
			continue
		case idSegment, idInfo, idCluster, idGroup, idTracks:
			continue // what is in it comes next, however long it is
		}
		if size > uint64(len(file)-at) {
			break // cut, or without a length where there must be one
		}
		s.element(id, file[at:at+int(size)])
		at += int(size)
	}
	return s.milliseconds()
}

func (s *sound) element(id uint64, content []byte) {
	switch id {
	case idScale:
		s.scale = big(content)
	case idDuration:
		s.said = float(content)
	case idNumber:
		s.number = big(content)
		s.track()
	case idType:
		s.kind = big(content)
		s.track()
	case idTime:
		s.cluster = big(content)
	case idSimpleBlock, idBlock:
		of, n := elementSize(content)
		if s.heard = n > 0 && len(content) >= n+2 && s.tracks&(1<<(of&63)) != 0; s.heard {
			s.block = s.cluster + uint64(int64(int16(big(content[n:n+2]))))
			if s.last = later(s.last, s.block); !s.begun {
				s.first, s.begun = s.last, true
			}
		}
	case idLasts:
		if s.heard {
			s.last = later(s.last, s.block+big(content))
		}
	}
}

// track notes a track when its number and its kind are known, which may come in either order.
func (s *sound) track() {
	switch {
	case s.number == 0 || s.kind == 0:
	case s.kind == typeSound:
		s.tracks |= 1 << (s.number & 63)
	default:
		s.others = true
	}
}

func (s *sound) milliseconds() int64 {
	tick := float64(s.scale) / 1e6 // in milliseconds
	end := float64(s.last)
	if s.begun && !s.others && s.said > end && (s.said-end)*tick < 1000 {
		end = s.said
	}
	ms := (end - float64(s.first)) * tick
	if !(ms > 0 && ms <= maxMilliseconds) {
		return 0
	}
	return int64(math.Round(ms))
}

// later returns the later time of the two. One that is beyond all reason is before the beginning.
func later(a, b uint64) uint64 {
	if b > a && b < 1<<62 {
		return b
	}
	return a
}

// elementID reads an ID with its marker, and returns how many bytes it has; 0 if it is none.
func elementID(b []byte) (id uint64, n int) {
	if n = vintLength(b); n == 0 || n > 4 {
		return 0, 0
	}
	return big(b[:n]), n
}

// elementSize reads a size, of which the marker is no part, or the number of a track.
func elementSize(b []byte) (size uint64, n int) {
	if n = vintLength(b); n == 0 {
		return 0, 0
	}
	return big(b[:n]) & (1<<(7*n) - 1), n
}

// vintLength returns how many bytes a number has that tells its length by the zeros it begins with; 0 if it is none.
func vintLength(b []byte) int {
	for n := 1; n <= 8 && len(b) > 0; n++ {
		if b[0]&(0x80>>(n-1)) != 0 {
			if n > len(b) {
				return 0
			}
			return n
		}
	}
	return 0
}

func float(b []byte) float64 {
	switch len(b) {
	case 4:
		return float64(math.Float32frombits(uint32(big(b))))
	case 8:
		return math.Float64frombits(big(b))
	}
	return 0
}
