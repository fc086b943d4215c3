package audio

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// lengths are what ffprobe tells of the files of testdata, in milliseconds; of those of which it tells nothing, of films, and of what
// was cut out of something longer, how long the sound is.
var lengths = map[string]int64{
	"cut.ogg": 2513, "cut.flac": 2592, "cut.webm": 2493, "cut-page.ogg": 20,
	"adpcm.wav": 2551, "adts.aac": 2623, "flac.ogg": 2500, "fragmented.mp4": 2564, "layer2.mp2": 2520, "live.webm": 2500,
	"mpeg1-plain.mp3": 2534, "mpeg2-vbr.mp3": 2560, "mpeg2.5-cbr.mp3": 2664, "opus.ogg": 2506, "piped.flac": 2500, "piped.mp4": 2564,
	"piped.wav": 2500, "piped.webm": 2500, "plain.flac": 2500, "plain.m4a": 2500, "plain.wav": 2500, "plain.webm": 2508,
	"sox.mp3": 2592, "sox.ogg": 2500, "speex.ogg": 2500, "video.mp4": 2564, "video.webm": 2500, "vorbis.ogg": 2500,
}

// encoderDelay is how much silence an encoder may put before the sound, which some players leave out again: 1,024 samples of AAC. A
// packet alone on a page of Ogg is taken for the longest there is.
const encoderDelay = 100

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

// Of a file that is cut, what is there counts. MP4 says before it all how long the whole is.
func TestCut(t *testing.T) {
	for name, file := range testFiles(t) {
		whole, _ := Milliseconds(file)
		for n := range file {
			most := whole + 100
			if ext := filepath.Ext(name); ext != ".mp4" && ext != ".m4a" {
				most = whole*int64(n)/int64(len(file)) + 1100 // a page of Ogg, or what a header of WebM is believed beyond the last block
			}
			if ms, ok := Milliseconds(file[:n]); ms > most || ok != (ms > 0) {
				t.Errorf("%s: the first %d bytes of %d have %d ms, %v, of %d", name, n, len(file), ms, ok, whole)
				break
			}
		}
		if strings.HasSuffix(name, ".mp3") || strings.HasSuffix(name, ".flac") || strings.HasPrefix(name, "piped.w") {
			if part, ok := Milliseconds(file[:len(file)*3/4]); !ok || part < whole/3 {
				t.Errorf("%s: three quarters have %d ms, %v, of %d", name, part, ok, whole)
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

// changed returns a file with some bytes at another value.
func changed(file []byte, at int, to string) []byte {
	file = bytes.Clone(file)
	copy(file[at:], to)
	return file
}

// What a header says of the length is not believed where the sound itself says otherwise.
func TestLyingHeader(t *testing.T) {
	files := testFiles(t)
	wav, webm := files["plain.wav"], files["plain.webm"]
	duration := bytes.Index(webm, []byte{0x44, 0x89, 0x88})
	if duration < 0 {
		t.Fatal("the file tells no length")
	}
	noData := changed(wav, bytes.Index(wav, []byte("data"))+4, "\x00\x00\x00\x00")
	for name, file := range map[string][]byte{
		"bytes per second of WAV": changed(wav, 28, "\xff\xff\xff\x7f"), "block of WAV": changed(wav, 32, "\xfe\xff"), "no block of WAV": changed(wav, 32, "\x00\x00"),
		"no data in WAV": noData, "WebM": changed(webm, duration+3, strings.Repeat("\x00", 8)), "long WebM": changed(webm, duration+3, "\x41\x20"),
		"FLAC": shortFLAC(files["plain.flac"]), "FLAC and a tag": append(shortFLAC(files["plain.flac"]), make([]byte, 200_000)...),
	} {
		if ms, ok := Milliseconds(file); !ok || ms < 2490 || ms > 2600 {
			t.Errorf("%s: %d ms, %v", name, ms, ok)
		}
	}
}

// Parts may come in orders that encoders seldom choose.
func TestOrder(t *testing.T) {
	files := testFiles(t)
	webm, mp4 := files["plain.webm"], files["fragmented.mp4"]
	number, kind := []byte{0xd7, 0x81, 1}, []byte{0x83, 0x81, 2}
	at, to := bytes.Index(webm, number), bytes.Index(webm, kind)
	if at < 0 || to < at {
		t.Fatal("the track is described otherwise")
	}
	swapped := slices.Concat(webm[:at], webm[at+3:to+3], number, webm[to+3:])
	trak, mvex, moof := bytes.Index(mp4, []byte("trak"))-4, bytes.Index(mp4, []byte("mvex"))-4, bytes.Index(mp4, []byte("udta"))-4
	if trak < 0 || mvex < trak || moof < mvex {
		t.Fatalf("the film is made otherwise: %d, %d, %d", trak, mvex, moof)
	}
	first := slices.Concat(mp4[:trak], mp4[mvex:moof], mp4[trak:mvex], mp4[moof:])
	mixed := slices.Concat(files["mpeg1-plain.mp3"], []byte("ID3\x03\x00\x00\x00\x40\x00\x00"), make([]byte, 1<<20), files["sox.mp3"], files["mpeg2-vbr.mp3"])
	for name, c := range map[string]struct {
		file []byte
		want int64
	}{"kind before number": {swapped, 2508}, "standards before tracks": {first, 2564}, "several kinds of frames": {mixed, 2534 + 2592 + 2560}} {
		if ms, ok := Milliseconds(c.file); !ok || ms < c.want-60 || ms > c.want+100 {
			t.Errorf("%s: %d ms, %v, want %d", name, ms, ok, c.want)
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
