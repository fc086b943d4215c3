// Package audio tells how long a recording is. It reads what players go by, the containers and the headers of frames, and
// decodes nothing. The formats are those that OpenAI's transcriptions take: WAV, FLAC, MP3 and the other layers of MPEG audio,
// MP4 with its fragments, Ogg and WebM; and AAC as it is.
package audio

import "bytes"

const (
	// maxMilliseconds is the longest length that is believed: 1,000 hours, which no file of an upload's size can hold.
	maxMilliseconds = 1000 * 60 * 60 * 1000
	// maxSteps bounds the frames, pages, boxes and elements of a file that are looked at: eleven hours of blocks of 20 ms.
	maxSteps = 2 << 20
	// maxTags bounds the tags one behind the other.
	maxTags = 16
)

// Milliseconds returns the length of a recording, and 0 and false if its format is not known or does not tell. It allocates nothing,
// goes through the file once, and makes of a damaged one what players do: what is there until the damage counts. Of a part that was cut
// out of a longer recording, whose times go on, the part counts.
func Milliseconds(file []byte) (ms int64, ok bool) {
	if ms = lengthOf(file); ms <= 0 || ms > maxMilliseconds {
		return 0, false
	}
	return ms, true
}

func lengthOf(file []byte) int64 {
	file = behindID3(file)
	switch {
	case hasAt(file, 0, "RIFF") && hasAt(file, 8, "WAVE"), hasAt(file, 0, "RF64") && hasAt(file, 8, "WAVE"):
		return wave(file)
	case hasAt(file, 0, "fLaC"):
		return flac(file)
	case hasAt(file, 0, "OggS"):
		return ogg(file)
	case hasAt(file, 4, "ftyp"):
		return mp4(file)
	case hasAt(file, 0, "\x1a\x45\xdf\xa3"):
		return matroska(file)
	}
	return frames(file)
}

// behindID3 returns what is behind the tag that encoders put before FLAC and MPEG audio (ID3v2.4 §3.1).
func behindID3(file []byte) []byte {
	for n := 0; n < maxTags && len(file) >= 10 && hasAt(file, 0, "ID3"); n++ {
		size := 10
		for i, b := range file[6:10] {
			size += int(b&0x7f) << (7 * (3 - i))
		}
		if file[5]&0x10 != 0 {
			size += 10 // a footer
		}
		file = file[min(size, len(file)):]
	}
	return file
}

func hasAt(b []byte, at int, text string) bool {
	return len(b) >= at+len(text) && string(b[at:at+len(text)]) == text
}

// milliseconds returns how long so many samples take, 0 if that is not known or too long.
func milliseconds(samples int64, perSecond int64) int64 {
	if perSecond <= 0 || samples <= 0 || samples/perSecond > maxMilliseconds/1000 {
		return 0
	}
	return samples/perSecond*1000 + samples%perSecond*1000/perSecond
}

// big returns the number that all of b is, with the most significant byte first; of more than eight bytes the last ones count.
func big(b []byte) (n uint64) {
	for _, c := range b {
		n = n<<8 | uint64(c)
	}
	return n
}

func little16(b []byte) uint16 { return uint16(b[0]) | uint16(b[1])<<8 }

func little32(b []byte) uint32 {
	return uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16 | uint32(b[3])<<24
}

// next returns where text occurs in b at or behind from; len(b) if it does not.
func next(b []byte, from int, text string) int {
	from = min(from, len(b))
	if i := bytes.Index(b[from:], []byte(text)); i >= 0 {
		return from + i
	}
	return len(b)
}
