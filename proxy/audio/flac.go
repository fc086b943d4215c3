package audio

// stream is what the header of a FLAC stream tells (RFC 9639 §8.2).
type stream struct {
	block                int64 // samples of each frame but the last one, where that is fixed
	rate, channels, bits int64
	samples              int64 // 0 if it does not tell
}

const streamInfoBytes = 18 // as far as it is read

func streamInfo(b []byte) (s stream) {
	if len(b) < streamInfoBytes {
		return s
	}
	n := big(b[10:18])
	return stream{
		block: int64(big(b[2:4])), rate: int64(n >> 44), channels: int64(n>>41&7) + 1, bits: int64(n>>36&31) + 1, samples: int64(n & (1<<36 - 1)),
	}
}

// flac reads a FLAC stream. It ends no sooner than its last frame, and is no shorter than if nothing of it were compressed, whatever
// its header says, if that says anything.
func flac(file []byte) int64 {
	if len(file) < 8 || file[4]&0x7f != 0 {
		return 0 // the header does not come first
	}
	s := streamInfo(file[8:])
	at, last := 4, false
	for !last {
		if at+4 > len(file) {
			return 0
		}
		last = file[at]&0x80 != 0
		at += 4 + int(big(file[at+1:at+4]))
	}
	frames := file[min(at, len(file)):]
	if s.rate == 0 {
		return 0
	}
	least := int64(len(frames)) * 8 / (s.channels * s.bits)
	return milliseconds(max(s.samples, s.lastFrame(frames), least), s.rate)
}

// lastFrameBytes is how far from the end the last frame is looked for: most have less than 20,000.
const lastFrameBytes = 128 << 10

// lastFrame returns where the last frame ends, in samples. A frame is known by the check of its header, and by being one of the
// stream.
func (s *stream) lastFrame(frames []byte) int64 {
	for at := len(frames) - 6; at >= max(0, len(frames)-lastFrameBytes); at-- {
		if frames[at] == 0xff && frames[at+1]&0xfe == 0xf8 {
			if end, ok := s.frame(frames[at:]); ok {
				return end
			}
		}
	}
	return 0
}

// frame returns which sample of the stream is behind a frame (RFC 9639 §9.1).
func (s *stream) frame(b []byte) (end int64, ok bool) {
	sizeCode, rateCode := b[2]>>4, b[2]&15
	mono := s.channels <= 2 && b[3]>>4 >= 8 && b[3]>>4 <= 10 // two channels, of which one may be the difference
	if sizeCode == 0 || rateCode == 15 || b[3]&1 != 0 || int64(b[3]>>4)+1 != s.channels && !mono {
		return 0, false
	}
	variable := b[1]&1 != 0
	at := 4
	number, n := codedNumber(b[at:])
	if n == 0 {
		return 0, false
	}
	at += n
	size := int64(0)
	switch {
	case sizeCode == 1:
		size = 192
	case sizeCode <= 5:
		size = 576 << (sizeCode - 2)
	case sizeCode >= 8:
		size = 256 << (sizeCode - 8)
	default:
		n := int(sizeCode) - 5 // bytes
		if at+n > len(b) {
			return 0, false
		}
		size = int64(big(b[at:at+n])) + 1
		at += n
	}
	switch rateCode {
	case 12:
		at++
	case 13, 14:
		at += 2
	}
	if at >= len(b) || crc8(b[:at]) != b[at] {
		return 0, false
	}
	if variable {
		return number + size, true
	}
	return number*s.block + size, size <= s.block
}

// codedNumber reads a number that is written in the manner of UTF-8, of up to 36 bits, and returns how many bytes it has; 0 if
// it is none.
func codedNumber(b []byte) (number int64, n int) {
	if len(b) == 0 {
		return 0, 0
	}
	ones := 0
	for ones < 8 && b[0]<<ones&0x80 != 0 {
		ones++
	}
	switch {
	case ones == 0:
		return int64(b[0]), 1
	case ones == 1, ones == 8, len(b) < ones:
		return 0, 0
	}
	number = int64(b[0] & (0x7f >> ones))
	for _, c := range b[1:ones] {
		if c&0xc0 != 0x80 {
			return 0, 0
		}
		number = number<<6 | int64(c&0x3f)
	}
	return number, ones
}

func crc8(b []byte) (crc byte) {
	for _, c := range b {
		crc ^= c
		for range 8 {
			if crc&0x80 != 0 {
				crc = crc<<1 ^ 0x07
			} else {
				crc <<= 1
			}
		}
	}
	return crc
}
