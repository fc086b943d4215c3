package audio

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// lengths are what ffprobe tells of the files of testdata, in milliseconds; of those of which it tells nothing, and of films, how
// long the sound is.
var lengths = map[string]int64{
	"adpcm.wav": 2551, "adts.aac": 2623, "flac.ogg": 2500, "fragmented.mp4": 2564, "layer2.mp2": 2520, "live.webm": 2500,
	"mpeg1-plain.mp3": 2534, "mpeg2-vbr.mp3": 2560, "mpeg2.5-cbr.mp3": 2664, "opus.ogg": 2506, "piped.flac": 2500, "piped.mp4": 2564,
	"piped.wav": 2500, "piped.webm": 2500, "plain.flac": 2500, "plain.m4a": 2500, "plain.wav": 2500, "plain.webm": 2508,
	"sox.mp3": 2592, "sox.ogg": 2500, "speex.ogg": 2500, "video.mp4": 2564, "video.webm": 2500, "vorbis.ogg": 2500,
}

// encoderDelay is how much silence an encoder may put before the sound, which some players leave out again: 1,024 samples of AAC.
const encoderDelay = 64

func testFiles(t testing.TB) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	paths, err := filepath.Glob("testdata/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		if strings.HasSuffix(path, ".md") || filepath.Base(path) == "fuzz" {
			continue
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		files[filepath.Base(path)] = text
	}
	if len(files) != len(lengths) {
		t.Fatalf("%d files, %d lengths", len(files), len(lengths))
	}
	return files
}

func TestMilliseconds(t *testing.T) {
	for name, file := range testFiles(t) {
		want, known := lengths[name]
		ms, ok := Milliseconds(file)
		if !known || !ok || ms < want-10 || ms > want+encoderDelay {
			t.Errorf("%s: %d ms, %v, want %d", name, ms, ok, want)
		}
	}
}

// Of a file that is cut, what is there counts, and never more than the whole.
func TestCut(t *testing.T) {
	for name, file := range testFiles(t) {
		whole, _ := Milliseconds(file)
		for n := range file {
			// An MP4 file whose film comes last has none when it is cut; one frame of MPEG audio is known by the next.
			if ms, ok := Milliseconds(file[:n]); ms > whole+100 || ok != (ms > 0) {
				t.Errorf("%s: the first %d bytes of %d have %d ms, %v, of %d", name, n, len(file), ms, ok, whole)
				break
			}
		}
		if strings.HasSuffix(name, ".mp3") || strings.HasSuffix(name, ".ogg") || strings.HasPrefix(name, "piped.w") {
			if half, ok := Milliseconds(file[:len(file)*3/4]); !ok || half < whole/4 {
				t.Errorf("%s: three quarters have %d ms, %v, of %d", name, half, ok, whole)
			}
		}
	}
}

func TestUnknown(t *testing.T) {
	for name, file := range map[string][]byte{
		"nothing": nil, "text": []byte("hello, this is no sound at all"), "zeros": make([]byte, 10_000), "ones": bytes.Repeat([]byte{0xff}, 10_000),
		"a tag alone": []byte("ID3\x03\x00\x00\x7f\x7f\x7f\x7f"), "no data": []byte("RIFF\x24\x00\x00\x00WAVEfmt \x10\x00\x00\x00"),
		"a film without sound": []byte("\x00\x00\x00\x08ftyp\x00\x00\x00\x08moov\x00\x00\x00\x08trak"),
	} {
		if ms, ok := Milliseconds(file); ok {
			t.Errorf("%s has %d ms", name, ms)
		}
	}
}

// Frames are looked for behind what is none, but not without an end.
func TestJunk(t *testing.T) {
	mp3 := testFiles(t)["mpeg1-plain.mp3"]
	want, _ := Milliseconds(mp3)
	if ms, _ := Milliseconds(append(make([]byte, 10_000), mp3...)); ms != want {
		t.Errorf("%d ms behind zeros, %d without", ms, want)
	}
	if ms, ok := Milliseconds(append(make([]byte, maxJunk+1), mp3...)); ok {
		t.Errorf("%d ms behind a mebibyte of zeros", ms)
	}
}

// What a header says of the length is not believed where the sound itself says otherwise.
func TestLyingHeader(t *testing.T) {
	files := testFiles(t)
	wav := bytes.Clone(files["plain.wav"])
	copy(wav[28:], "\xff\xff\xff\x7f") // bytes per second
	webm := bytes.Clone(files["plain.webm"])
	at := bytes.Index(webm, []byte{0x44, 0x89, 0x88})
	copy(webm[at+3:], make([]byte, 8))
	for name, c := range map[string]struct {
		file  []byte
		least int64
	}{"wav": {wav, 2490}, "webm": {webm, 2490}, "flac": {shortFLAC(files["plain.flac"]), 2490}} {
		if ms, ok := Milliseconds(c.file); !ok || ms < c.least || ms > 2600 {
			t.Errorf("%s: %d ms, %v", name, ms, ok)
		}
	}
}

// shortFLAC returns the file with a header that says that there is one sample.
func shortFLAC(file []byte) []byte {
	file = bytes.Clone(file)
	file[8+13] &= 0xf0
	copy(file[8+14:], []byte{0, 0, 0, 1})
	return file
}

func TestAllocatesNothing(t *testing.T) {
	for name, file := range testFiles(t) {
		if n := testing.AllocsPerRun(10, func() { Milliseconds(file) }); n > 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func FuzzMilliseconds(f *testing.F) {
	for _, file := range testFiles(f) {
		f.Add(file[:min(len(file), 4096)])
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		ms, ok := Milliseconds(file)
		if ok != (ms > 0) || ms < 0 || ms > maxMilliseconds {
			t.Errorf("%d ms, %v", ms, ok)
		}
		before := append([]byte("ID3\x03\x00\x00\x00\x00\x00\x02xx"), file...)
		if tagged, _ := Milliseconds(before); tagged != ms {
			t.Errorf("%d ms behind a tag, %d without", tagged, ms)
		}
	})
}

func BenchmarkMilliseconds(b *testing.B) {
	for name, file := range testFiles(b) {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(file)))
			for b.Loop() {
				Milliseconds(file)
			}
		})
	}
}
