package audio

// frame is what the header of a frame of MPEG audio or AAC tells.
type frame struct {
	bytes         int
	samples, rate int64
	// kind is what all frames of a stream have alike.
	kind uint32
}

// maxJunk is how many bytes are passed over, in all, in search of frames: what takes longer is no recording.
const maxJunk = 1 << 20

// frames reads a stream of frames that stand behind one another, MPEG audio (ISO 11172-3, 13818-3) or AAC in ADTS (ISO 13818-7),
// by going from each to the next. What is between them, tags and damage, is passed over; what follows may be of another kind.
func frames(file []byte) int64 {
	var nanoseconds int64
	var kind uint32 // of the frame just before; 0 where there is none
	junk := 0
	for at, steps := 0, 0; at+4 <= len(file) && junk <= maxJunk && steps < maxSteps; steps++ {
		f, ok := frameAt(file[at:])
		if ok && (f.kind == kind && at+f.bytes >= len(file) || follows(file, at+f.bytes, f)) {
			if f.kind == kind || !describes(file[at:min(len(file), at+f.bytes)]) {
				nanoseconds += f.samples * 1e9 / f.rate
			}
			kind = f.kind
			at += f.bytes
			continue
		}
		kind = 0
		if n := tagAt(file[at:]); n > 0 {
			at += n
			continue
		}
		from := at
		for at++; at < len(file) && file[at] != 0xff && file[at] != 'I' && file[at] != 'A'; {
			at++
		}
		junk += at - from
	}
	return nanoseconds / 1e6
}

// tagAt returns how long the tag is that begins there, ID3v2 or APE; 0 if there is none.
func tagAt(b []byte) int {
	switch {
	case len(b) >= 10 && hasAt(b, 0, "ID3"):
		return len(b) - len(behindID3(b))
	case len(b) >= 32 && hasAt(b, 0, "APETAGEX"):
		return int(min(32+int64(little32(b[12:])), int64(len(b))))
	}
	return 0
}

// follows says whether a frame is followed by another one, or by the tag at the end or nothing: two bytes alone are too easily
// taken for the beginning of one.
func follows(file []byte, at int, f frame) bool {
	if at == len(file) || hasAt(file, at, "TAG") || hasAt(file, at, "APETAGEX") || hasAt(file, at, "ID3") {
		return true
	}
	if at > len(file) {
		return false
	}
	g, ok := frameAt(file[at:])
	return ok && g.kind == f.kind
}

// describes says whether the first frame holds no sound but the encoder's words about the others.
func describes(f []byte) bool {
	for at := 4; at < min(len(f), 48); at++ {
		if hasAt(f, at, "Xing") || hasAt(f, at, "Info") || hasAt(f, at, "VBRI") {
			return true
		}
	}
	return false
}

// bitrates in kbit/s, by MPEG 1 or one of its extensions, and by layer.
var bitrates = [2][3][15]int{
	{
		{0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448},
		{0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384},
		{0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320},
	}, {
		{0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256},
		{0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160},
		{0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160},
	},
}

var (
	mpegRates = [3]int64{44100, 48000, 32000}
	aacRates  = [13]int64{96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350}
)

// frameAt reads the header of a frame.
func frameAt(b []byte) (f frame, ok bool) {
	if len(b) < 4 || b[0] != 0xff || b[1]&0xe0 != 0xe0 {
		return f, false
	}
	version, layer := b[1]>>3&3, 3-int(b[1]>>1&3) // layer counts from 0
	if layer == 3 {
		return adtsAt(b)
	}
	code, rateCode := int(b[2]>>4), int(b[2]>>2&3)
	if version == 1 || code == 0 || code == 15 || rateCode == 3 {
		return f, false
	}
	f.kind = uint32(b[1]&0xfe)<<8 | uint32(b[2]&0x0c)
	f.rate, f.samples = mpegRates[rateCode], 1152
	extended := 0
	switch version {
	case 2:
		f.rate, extended = f.rate/2, 1
	case 0:
		f.rate, extended = f.rate/4, 1
	}
	switch {
	case layer == 0:
		f.samples = 384
	case layer == 2 && extended == 1:
		f.samples = 576
	}
	slot := 1
	if layer == 0 {
		slot = 4
	}
	bits := bitrates[extended][layer][code] * 1000
	f.bytes = (int(f.samples)/8/slot*bits/int(f.rate) + int(b[2]>>1&1)) * slot
	return f, f.bytes >= 4
}

// adtsAt reads the header of a frame of AAC.
func adtsAt(b []byte) (f frame, ok bool) {
	if len(b) < 7 || b[1]&0xf6 != 0xf0 {
		return f, false
	}
	rateCode := int(b[2] >> 2 & 15)
	if rateCode >= len(aacRates) {
		return f, false
	}
	f.kind = uint32(b[1])<<8 | uint32(b[2]&0xfc)
	f.rate, f.samples = aacRates[rateCode], 1024*(int64(b[6]&3)+1)
	f.bytes = int(b[3]&3)<<11 | int(b[4])<<3 | int(b[5])>>5
	return f, f.bytes >= 7
}
