package audio

// maxTracks bounds the tracks of a film that are looked at.
const maxTracks = 16

// track is one of an MP4 file. ticks is how long its samples take.
type track struct {
	id, scale uint32
	sound     bool
	ticks     int64
}

// standard is how long the samples of a track are in fragments that do not say.
type standard struct{ id, each uint32 }

// film is what has been read of an MP4 file (ISO 14496-12).
type film struct {
	tracks    [maxTracks]track
	n         int
	standards [maxTracks]standard
	m         int
	// of is the number of the track that a fragment is about, negative without one; each is how long its samples are where it
	// does not say.
	of   int
	each uint32
}

// mp4 reads an MP4 file, fragments included, and returns the length of its longest track of sound.
func mp4(file []byte) (ms int64) {
	f := film{of: -1}
	for at, steps := 0, 0; at+8 <= len(file) && steps < maxSteps; steps++ {
		size, head := big(file[at:at+4]), 8
		if size == 1 && at+16 <= len(file) {
			size, head = big(file[at+8:at+16]), 16
		}
		left := uint64(len(file) - at)
		if size == 0 || size > left {
			size = left // until the end
		}
		if size < uint64(head) {
			break
		}
		kind, content := string(file[at+4:at+8]), file[at+head:at+int(size)]
		switch kind {
		case "moov", "trak", "mdia", "minf", "stbl", "mvex", "moof", "traf":
			// What is in it comes next.
			if kind == "trak" && !f.add() {
				return 0
			}
			at += head
			continue
		}
		f.box(kind, content)
		at += int(size)
	}
	for _, t := range f.tracks[:f.n] {
		if t.sound {
			ms = max(ms, milliseconds(t.ticks, int64(t.scale)))
		}
	}
	return ms
}

func (f *film) add() bool {
	if f.n == maxTracks {
		return false
	}
	f.n++
	return true
}

// find returns the number of a track, -1 if there is none.
func (f *film) find(id uint32) int {
	for i := range f.tracks[:f.n] {
		if f.tracks[i].id == id {
			return i
		}
	}
	return -1
}

func (f *film) standardOf(id uint32) uint32 {
	for _, s := range f.standards[:f.m] {
		if s.id == id {
			return s.each
		}
	}
	return 0
}

// box reads a box that holds no others: four bytes of version and flags, and its fields.
func (f *film) box(kind string, b []byte) {
	if len(b) < 4 {
		return
	}
	t := &f.tracks[max(f.n, 1)-1] // of no track yet, nothing comes but trex
	long, flags, fields := b[0] == 1, uint32(big(b[1:4])), fields{b[4:]}
	switch kind {
	case "tkhd":
		fields.times(long)
		t.id = fields.uint32()
	case "mdhd":
		fields.times(long)
		t.scale = fields.uint32()
	case "hdlr":
		fields.uint32()
		t.sound = t.sound || hasAt(fields.b, 0, "soun") // QuickTime has another one, of where the data is
	case "stts":
		for n := fields.uint32(); n > 0 && len(fields.b) >= 8; n-- {
			t.add(int64(fields.uint32()), fields.uint32())
		}
	case "trex":
		id := fields.uint32()
		fields.uint32()
		if f.m < maxTracks {
			f.standards[f.m] = standard{id, fields.uint32()}
			f.m++
		}
	case "tfhd":
		id := fields.uint32()
		f.of, f.each = f.find(id), f.standardOf(id)
		fields.skip(8 * (flags & 1))
		fields.skip(4 * (flags >> 1 & 1))
		if flags&8 != 0 {
			f.each = fields.uint32()
		}
	case "trun":
		if f.of >= 0 {
			f.run(flags, fields)
		}
	}
}

// run reads the samples of a fragment.
func (f *film) run(flags uint32, fields fields) {
	of, n := &f.tracks[f.of], int64(fields.uint32())
	if flags&0x100 == 0 {
		of.add(n, f.each)
		return
	}
	fields.skip(4 * (flags & 1))
	fields.skip(4 * (flags >> 2 & 1))
	others := 4 * (flags>>9&1 + flags>>10&1 + flags>>11&1)
	for ; n > 0 && len(fields.b) >= 4; n-- {
		of.add(1, fields.uint32())
		fields.skip(others)
	}
}

// add adds samples. There is no end to what a file may say; what is beyond all reason stays so.
func (t *track) add(n int64, each uint32) {
	const most = 1 << 62
	if each > 0 && n > (most-t.ticks)/int64(each) {
		t.ticks = most
		return
	}
	t.ticks += n * int64(each)
}

// fields are read one after the other; what is not there is 0.
type fields struct{ b []byte }

func (f *fields) uint32() (n uint32) {
	if len(f.b) >= 4 {
		n = uint32(big(f.b[:4]))
	}
	f.skip(4)
	return n
}

func (f *fields) skip(n uint32) { f.b = f.b[min(int(n), len(f.b)):] }

// times skips when something was made and changed.
func (f *fields) times(long bool) {
	f.skip(8)
	if long {
		f.skip(8)
	}
}
