package audio

// ogg reads the pages of an Ogg stream (RFC 3533). A stream of sound goes from its first page to its last one; of several that begin
// together one counts, of several behind one another all do.
func ogg(file []byte) (ms int64) {
	var now logical
	steps := 0
	for at := next(file, 0, "OggS"); at+27 <= len(file) && steps < maxSteps; at = next(file, at, "OggS") {
		steps++
		page := file[at:]
		segments := int(page[26])
		if len(page) < 27+segments {
			break
		}
		size := 0
		for _, n := range page[27 : 27+segments] {
			size += int(n)
		}
		content := page[27+segments:]
		content = content[:min(size, len(content))]
		serial, granule := little32(page[14:]), int64(uint64(little32(page[6:]))|uint64(little32(page[10:]))<<32)
		switch {
		case page[5]&2 != 0:
			if begun := begin(content); begun.rate > 0 && (now.rate == 0 || now.end > 0) {
				ms += now.milliseconds()
				now = begun
				now.serial = serial
			}
		case now.rate > 0 && serial == now.serial && granule > now.end && granule < 1<<62:
			now.page(granule, page[27:27+segments])
		}
		at += 27 + segments + len(content)
	}
	return min(ms+now.milliseconds(), maxMilliseconds+1)
}

// logical is a stream of sound among the pages.
type logical struct {
	serial     uint32
	rate, skip int64 // in samples
	// first and end are where the first page that has sound ends, and the last one; longest is the longest way from one to the next.
	first, end, longest int64
	// packets end on the first of these pages.
	packets int64
}

func (l *logical) page(end int64, lacing []byte) {
	if l.end > 0 {
		l.longest = max(l.longest, end-l.end)
	} else {
		l.first = end
		for _, n := range lacing {
			if n < 255 {
				l.packets++
			}
		}
	}
	l.end = end
}

// maxPacket is the longest packet that there is, in milliseconds: one of Opus.
const maxPacket = 120

// milliseconds returns the length. A page tells where it ends: that the stream does not begin with it shows where it ends far later
// than one page is long.
func (l *logical) milliseconds() int64 {
	begin := l.skip
	switch {
	case l.longest == 0:
		begin = max(begin, l.first-l.packets*maxPacket*l.rate/1000)
	case l.first > 2*max(l.longest, l.rate):
		begin = l.first - l.longest
	}
	return milliseconds(l.end-begin, l.rate)
}

// begin reads the first page of a stream; the rate is 0 unless it is sound of a kind that is known.
func begin(b []byte) (l logical) {
	switch {
	case hasAt(b, 0, "OpusHead") && len(b) >= 12: // RFC 7845 §5.1
		l.rate, l.skip = 48000, int64(b[10])|int64(b[11])<<8
	case hasAt(b, 0, "\x01vorbis") && len(b) >= 16:
		l.rate = int64(little32(b[12:]))
	case hasAt(b, 0, "Speex   ") && len(b) >= 40:
		l.rate = int64(little32(b[36:]))
	case hasAt(b, 0, "\x7fFLAC") && len(b) >= 17:
		l.rate = streamInfo(b[17:]).rate
	}
	return l
}
