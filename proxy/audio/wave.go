package audio

// The codes of formats whose bytes per second follow from the rest of the header, and of those in blocks of samples.
const (
	wavePCM        = 0x0001
	waveADPCM      = 0x0002
	waveFloat      = 0x0003
	waveALaw       = 0x0006
	waveMuLaw      = 0x0007
	waveIMA        = 0x0011
	waveExtensible = 0xfffe
)

// wave reads RIFF WAVE. What is written without knowing its length in advance has a size that is too large.
func wave(file []byte) int64 {
	var format []byte
	for at := 12; at+8 <= len(file); {
		size := int64(little32(file[at+4:]))
		content := file[at+8:]
		content = content[:min(size, int64(len(content)))]
		switch {
		case hasAt(file, at, "fmt ") && len(content) >= 16:
			format = content
		case hasAt(file, at, "data"):
			return waveLength(format, int64(len(content)))
		}
		at += 8 + len(content) + len(content)&1
	}
	return 0
}

func waveLength(format []byte, bytes int64) int64 {
	if format == nil {
		return 0
	}
	rate, perSecond, block := int64(little32(format[4:])), int64(little32(format[8:])), int64(little16(format[12:]))
	switch little16(format) {
	case wavePCM, waveFloat, waveALaw, waveMuLaw, waveExtensible:
		return milliseconds(bytes, rate*block)
	case waveADPCM, waveIMA:
		if len(format) >= 20 && block > 0 {
			return milliseconds((bytes+block-1)/block*int64(little16(format[18:])), rate)
		}
	}
	return milliseconds(bytes, perSecond)
}
