package audio

// The codes of formats whose bytes per second follow from the rest of the header, of those in blocks of samples, and of MP3.
const (
	wavePCM        = 0x0001
	waveADPCM      = 0x0002
	waveFloat      = 0x0003
	waveALaw       = 0x0006
	waveMuLaw      = 0x0007
	waveIMA        = 0x0011
	waveGSM        = 0x0031
	waveMP3        = 0x0055
	waveExtensible = 0xfffe
)

// wave reads RIFF WAVE. What is written without knowing its length in advance has a size that is too large, or none.
func wave(file []byte) int64 {
	var format []byte
	for at := 12; at+8 <= len(file); {
		size := int64(little32(file[at+4:]))
		content := file[at+8:]
		if size == 0 && hasAt(file, at, "data") {
			return waveLength(format, content)
		}
		content = content[:min(size, int64(len(content)))]
		switch {
		case hasAt(file, at, "fmt ") && len(content) >= 16:
			format = content
		case hasAt(file, at, "data"):
			return waveLength(format, content)
		}
		at += 8 + len(content) + len(content)&1
	}
	return 0
}

func waveLength(format, data []byte) int64 {
	if format == nil {
		return 0
	}
	n, rate, block := int64(len(data)), int64(little32(format[4:])), int64(little16(format[12:]))
	switch little16(format) {
	case wavePCM, waveFloat, waveALaw, waveMuLaw, waveExtensible:
		channels, bits := int64(little16(format[2:])), int64(little16(format[14:]))
		return milliseconds(n, rate*channels*((bits+7)/8))
	case waveADPCM, waveIMA, waveGSM:
		if len(format) >= 20 && block > 0 {
			return milliseconds((n+block-1)/block*int64(little16(format[18:])), rate)
		}
	case waveMP3:
		return frames(data)
	}
	return milliseconds(n, int64(little32(format[8:])))
}
