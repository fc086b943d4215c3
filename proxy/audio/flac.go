package audio

// stream is what the header of a FLAC stream tells (RFC 9639 §8.2).
type stream struct {
	block          int64 // samples of each frame but the last one, where that is fixed
	rate, channels int64
	samples        int64 // 0 if it does not tell
}

const streamInfoBytes = 18 // as far as it is read

func streamInfo(b []byte) (s stream) {
	if len(b) < streamInfoBytes {
		return s
	}
	n := big(b[10:18])
	return stream{
		block: int64(big(b[2:4])), rate: int64(n >> 44), channels: int64(n>>41&7) + 1, samples: int64(n & (1<<36 - 1)),
	}
}

// flac reads a FLAC stream: from its first frame to its last one, and where that is not found as long as its header says.
func flac(file []byte) int64 {
	if len(file) < 8 || file[4]&0x7f != 0 {
		return 0 // the header does not come first
	}
	s := streamInfo(file[8:])
	if s.rate == 0 {
		return 0
	}
	at, last := 4, false
	for !last {
		if at+4 > len(file) {
			return 0
		}
		last = file[at]&0x80 != 0
		at += 4 + int(big(file[at+1:at+4]))
	}
	frames := file[min(at, len(file)):]
	begin, _, ok := s.frame(frames)
	if !ok {
		return 0 // there is nothing in it
	}
	if end := s.lastFrame(frames); end > begin {
		return milliseconds(end-begin, s.rate)
	}
	return milliseconds(s.samples, s.rate)
}

// lastFrameBytes is how far from the end the last frame is looked for: most have less than 20,000, and there may be tags behind it.
const lastFrameBytes = 1 << 20

// lastFrame returns where the last frame ends, in samples. A frame is known by the check of its header, and by being like the first.
func (s *stream) lastFrame(frames []byte) int64 {
	first := frames[:4]
	for at := len(frames) - 6; at >= max(0, len(frames)-lastFrameBytes); at-- {
		b := frames[at:]
		if b[0] == 0xff && b[1] == first[1] && b[2]&15 == first[2]&15 && b[3]&15 == first[3]&15 {
			if _, end, ok := s.frame(b); ok {
				return end
			}
		}
	}
	return 0
}

// frame returns where a frame begins and ends, in samples of the stream (RFC 9639 §9.1).
func (s *stream) frame(b []byte) (begin, end int64, ok bool) {
	if len(b) < 6 || b[0] != 0xff || b[1]&0xfe != 0xf8 {
		return 0, 0, false
	}
	sizeCode, rateCode := b[2]>>4, b[2]&15
	difference := s.channels == 2 && b[3]>>4 >= 8 && b[3]>>4 <= 10 // one of the two channels
	if sizeCode == 0 || rateCode == 15 || b[3]&1 != 0 || int64(b[3]>>4)+1 != s.channels && !difference {
		return 0, 0, false
	}
	variable := b[1]&1 != 0
	at := 4
	number, n := codedNumber(b[at:])
	if n == 0 {
		return 0, 0, false
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
			return 0, 0, false
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
		return 0, 0, false
	}
	if variable {
		return number, number + size, true
	}
	return number * s.block, number*s.block + size, size <= s.block
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
