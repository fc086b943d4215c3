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

// matroska reads WebM and its like. The length is where the last block of sound begins, and if there is nothing else in the file
// no less than what it says: what is recorded as it is sent says nothing.
func matroska(file []byte) int64 {
	scale, said := uint64(1_000_000), 0.0    // a tick in nanoseconds, and the length in ticks
	var number, sounds, cluster, last uint64 // sounds has a bit for each track of sound
	var block uint64
	others, heard, sounded := false, false, false
	for at := 0; at < len(file); {
		id, n := elementID(file[at:])
		size, m := elementSize(file[at+n:])
		if n == 0 || m == 0 {
			break
		}
		at += n + m
		switch id {
		case idSegment, idInfo, idCluster, idGroup, idTracks, idTrack:
			continue // what is in it comes next, however long it is
		}
		if size > uint64(len(file)-at) {
			break // cut, or without a length where there must be one
		}
		content := file[at : at+int(size)]
		at += int(size)
		switch id {
		case idScale:
			scale = big(content)
		case idDuration:
			said = float(content)
		case idNumber:
			number = big(content) & 63
		case idType:
			if big(content) == typeSound {
				sounds |= 1 << number
			} else {
				others = true
			}
		case idTime:
			cluster = big(content)
		case idSimpleBlock, idBlock:
			of, n := elementSize(content)
			if heard = n > 0 && len(content) >= n+2 && sounds&(1<<(of&63)) != 0; heard {
				block = cluster + uint64(int64(int16(big(content[n:n+2]))))
				last, sounded = later(last, block), true
			}
		case idLasts:
			if heard {
				last = later(last, block+big(content))
			}
		}
	}
	ticks := float64(last)
	if sounded && !others {
		ticks = max(ticks, said)
	}
	ms := ticks * (float64(scale) / 1e6)
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
