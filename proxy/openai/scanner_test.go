package openai

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"testing/iotest"
)

// step gives at most n bytes a read, and nothing but io.EOF at the end.
type step struct {
	rest []byte
	n    int
}

func (s *step) Read(p []byte) (int, error) {
	if len(s.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(p, s.rest[:min(s.n, len(s.rest))])
	s.rest = s.rest[n:]
	return n, nil
}

// scanned is an event as the tests compare it.
type scanned struct {
	kind Kind
	data string
	raw  string
}

func (s scanned) String() string { return fmt.Sprintf("%v(%q of %q)", s.kind, s.data, s.raw) }

// scanAll reads the stream in the given steps. rest is what Tail left, tail says that it gave an event.
func scanAll(t testing.TB, stream []byte, n int) (events []scanned, tail bool, rest string) {
	t.Helper()
	s := NewScanner(0)
	defer s.Release()
	r := &step{stream, n}
	add := func(ev Event) {
		if ev.dataAt >= 0 && ev.Data != nil && !bytes.HasPrefix(ev.Raw[ev.dataAt:], ev.Data) {
			t.Fatalf("data %q is not at %d of %q", ev.Data, ev.dataAt, ev.Raw)
		}
		events = append(events, scanned{ev.Kind, string(ev.Data), string(ev.Raw)})
	}
	for {
		_, err := s.Fill(r)
		for ev, ok := s.Next(); ok; ev, ok = s.Next() {
			add(ev)
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	ev, ok := s.Tail()
	if ok {
		add(ev)
		if again, more := s.Tail(); more || len(again.Raw) > 0 {
			t.Fatalf("a second Tail gave %q", again.Raw)
		}
		return events, true, ""
	}
	if len(ev.Raw) != s.Buffered() {
		t.Fatalf("Tail showed %d bytes, %d are buffered", len(ev.Raw), s.Buffered())
	}
	return events, false, string(ev.Raw)
}

func data(s string) scanned { return scanned{kind: Data, data: s} }

var scannerCases = []struct {
	name, in string
	want     []scanned // raw is not compared
	tail     bool
	rest     string
}{
	{"empty stream", "", nil, false, ""},
	{"line feeds", "data: a\n\ndata: b\n\n", []scanned{data("a"), data("b")}, false, ""},
	{"carriage return and line feed", "data: a\r\n\r\ndata: b\r\n\r\n", []scanned{data("a"), data("b")}, false, ""},
	{"carriage returns", "data: a\r\rdata: b\r\r", []scanned{data("a"), data("b")}, false, ""},
	{"carriage returns, then line feed", "data: a\r\r\ndata: b\n\n", []scanned{data("a"), data("b")}, false, ""},
	{"line feed, then carriage return", "data: a\n\rdata: b\n\n", []scanned{data("a"), data("b")}, false, ""},
	{"carriage return at the end", "data: a\r\n\r", []scanned{data("a")}, true, ""},
	{"no space", "data:a\n\n", []scanned{data("a")}, false, ""},
	{"two spaces", "data:  a\n\n", []scanned{data(" a")}, false, ""},
	{"tab", "data:\ta\n\n", []scanned{data("\ta")}, false, ""},
	{"several data lines", "data: a\ndata: b\ndata\ndata: c\n\n", []scanned{data("a\nb\n\nc")}, false, ""},
	{"several data lines, several events", "data: a\ndata: b\n\ndata: c\ndata: d\n\n", []scanned{data("a\nb"), data("c\nd")}, false, ""},
	{"empty data", "data:\n\n", []scanned{data("")}, false, ""},
	{"data without colon", "data\n\n", []scanned{data("")}, false, ""},
	{"another field beginning with data", "database: a\n\n", []scanned{{kind: Other}}, false, ""},
	{"other fields around", "event: x\nid: 1\ndata: a\nretry: 3\n\n", []scanned{data("a")}, false, ""},
	{"other fields only", "event: ping\n\n", []scanned{{kind: Other}}, false, ""},
	{"byte order mark", "\ufeffdata: a\n\n", []scanned{data("a")}, false, ""},
	{"byte order mark later is no mark", "data: a\n\n\ufeffdata: b\n\n", []scanned{data("a"), {kind: Other}}, false, ""},
	{"byte order mark and plain JSON", "\ufeff{\"a\":1}", []scanned{{PlainJSON, `{"a":1}`, ""}}, false, ""},
	{"heartbeats", ": hb\n\ndata: a\n\n:\n\n", []scanned{{kind: Comment}, data("a"), {kind: Comment}}, false, ""},
	{"heartbeat within an event", ": hb\ndata: a\n\n", []scanned{data("a")}, false, ""},
	{"empty lines", "\n\ndata: a\n\n\n", []scanned{{kind: Comment}, {kind: Comment}, data("a"), {kind: Comment}}, false, ""},
	{"done", "data: [DONE]\n\n", []scanned{{Done, "[DONE]", ""}}, false, ""},
	{"done without space, with spaces", "data:[DONE] \r\n\r\n", []scanned{{Done, "[DONE] ", ""}}, false, ""},
	{"done without empty line", "data: a\n\ndata: [DONE]", []scanned{data("a"), {Done, "[DONE]", ""}}, true, ""},
	{"done with one line end", "data: [DONE]\n", []scanned{{Done, "[DONE]", ""}}, true, ""},
	{"whole JSON without empty line", "data: {\"a\":1}\n", []scanned{data(`{"a":1}`)}, true, ""},
	{"cut within JSON", "data: a\n\ndata: {\"a\":", []scanned{data("a")}, false, "data: {\"a\":"},
	{"cut within JSON, line whole", "data: {\"a\":\n", nil, false, "data: {\"a\":\n"},
	{"cut within the field name", "data: a\n\ndat", []scanned{data("a")}, false, "dat"},
	{"cut behind the event field", "event: error\n", nil, false, "event: error\n"},
	{"comment at the end", "data: a\n\n: bye\n", []scanned{data("a"), {kind: Comment}}, true, ""},
	{"plain JSON on one line", "{\"a\":1}\n\ndata: b\n\n", []scanned{{PlainJSON, `{"a":1}`, ""}, {kind: Comment}, {kind: Comment}, data("b")}, false, ""},
	{"plain JSON on many lines", "data: a\n\n[{\n \"e\": {\n\n  \"m\": \"}\\\"]\"\n }\n}]\ndata: b\n\n",
		[]scanned{data("a"), {PlainJSON, "[{\n \"e\": {\n\n  \"m\": \"}\\\"]\"\n }\n}]", ""}, {kind: Comment}, data("b")}, false, ""},
	{"plain JSON without line end", `{"error":{"message":"x"}}`, []scanned{{PlainJSON, `{"error":{"message":"x"}}`, ""}}, false, ""},
	{"plain JSON cut off", "{\"error\":\n", nil, false, "{\"error\":\n"},
	{"no plain JSON: broken", "{broken\n\ndata: a\n\n", []scanned{{kind: Other}, data("a")}, false, ""},
	{"no plain JSON: brackets", "{1 2}\n\ndata: a\n\n", []scanned{{kind: Other}, data("a")}, false, ""},
	{"no plain JSON: line end in a string", "{\"a\n\": 1}\n\ndata: a\n\n", []scanned{{kind: Other}, data("a")}, false, ""},
	{"no plain JSON: opened and left", "{\n\n[\n\ndata: a\n\n", []scanned{{kind: Other}, {kind: Other}, data("a")}, false, ""},
	{"no plain JSON: too deep", strings.Repeat("[", maxDepth+1) + "\n\ndata: a\n\n", []scanned{{kind: Other}, data("a")}, false, ""},
}

// TestScannerCases crosses each stream with every step size: the events are the same, and together they are the
// stream.
func TestScannerCases(t *testing.T) {
	for _, c := range scannerCases {
		t.Run(c.name, func(t *testing.T) {
			for n := 1; n <= len(c.in)+1; n++ {
				got, tail, rest := scanAll(t, []byte(c.in), n)
				var raw strings.Builder
				for i := range got {
					raw.WriteString(got[i].raw)
					got[i].raw = ""
				}
				if fmt.Sprint(got) != fmt.Sprint(c.want) || tail != c.tail || rest != c.rest {
					t.Fatalf("step %d: got %v, tail %v, rest %q\nwant %v, tail %v, rest %q", n, got, tail, rest, c.want, c.tail, c.rest)
				}
				if raw.String()+rest != c.in {
					t.Fatalf("step %d: the events are %q, the stream was %q", n, raw.String()+rest, c.in)
				}
			}
		})
	}
}

// TestScannerGivesAtOnce checks that no event waits for bytes behind it, where the line ends allow that.
func TestScannerGivesAtOnce(t *testing.T) {
	for _, end := range []string{"\n\n", "\r\n\r\n", "\r\r"} {
		s := NewScanner(0)
		for _, text := range []string{"a", "b"} {
			if _, err := s.Fill(strings.NewReader("data: " + text + end)); err != nil {
				t.Fatal(err)
			}
			if ev, ok := s.Next(); !ok || string(ev.Data) != text {
				t.Errorf("line end %q: got %q, %v at once", end, ev.Data, ok)
			}
		}
		s.Release()
	}
}

func TestScannerSizes(t *testing.T) {
	for _, size := range []int{1, 4 << 10, 5000, 64 << 10, 300_000} {
		for _, n := range []int{100, 4096, 1 << 20} {
			want := strings.Repeat("x", size)
			in := strings.Repeat("data: "+want+"\n\n", 3) + "data: y\n\n"
			got, _, rest := scanAll(t, []byte(in), n)
			if len(got) != 4 || got[2].data != want || got[3].data != "y" || rest != "" {
				t.Errorf("size %d, step %d: %d events, rest of %d bytes", size, n, len(got), len(rest))
			}
		}
	}
}

func TestScannerRefusesLargeEvents(t *testing.T) {
	const bound = 10_000
	for _, c := range []struct {
		size int
		want error
	}{{bound - 1, nil}, {bound, ErrEventTooLarge}, {5 * bound, ErrEventTooLarge}} {
		s := NewScanner(bound)
		r := strings.NewReader("data: " + strings.Repeat("x", c.size-8) + "\n\n")
		var err error
		found := false
		for err == nil && !found {
			_, err = s.Fill(r)
			_, found = s.Next()
		}
		// An event as large as the bound fits, but the scanner need not see that.
		if c.want == nil && (!found || err != nil) || c.want != nil && c.size > bound && !errors.Is(err, c.want) {
			t.Errorf("event of %d bytes: found %v, error %v", c.size, found, err)
		}
		if len(s.buf) > bound {
			t.Errorf("buffer of %d bytes, bound %d", len(s.buf), bound)
		}
		s.Release()
	}
}

func TestScannerGoesOnAfterTimeout(t *testing.T) {
	s := NewScanner(0)
	defer s.Release()
	in := "data: a\n\ndata: bcd\n\n"
	r := iotest.TimeoutReader(iotest.OneByteReader(strings.NewReader(in)))
	var raw []byte
	timeouts := 0
	for {
		_, err := s.Fill(r)
		for ev, ok := s.Next(); ok; ev, ok = s.Next() {
			raw = append(raw, ev.Raw...)
		}
		if err == io.EOF {
			break
		}
		if errors.Is(err, iotest.ErrTimeout) || os.IsTimeout(err) {
			timeouts++
		}
	}
	if timeouts != 1 || string(raw) != in {
		t.Errorf("%d time-outs, got %q", timeouts, raw)
	}
}

// TestScannerViews checks that the views of all events of one Fill stay good until the next.
func TestScannerViews(t *testing.T) {
	s := NewScanner(0)
	defer s.Release()
	if _, err := s.Fill(strings.NewReader("data: a\ndata: b\n\ndata: c\n\ndata: d\ndata: e\n\n")); err != nil {
		t.Fatal(err)
	}
	var got [][]byte
	for ev, ok := s.Next(); ok; ev, ok = s.Next() {
		got = append(got, ev.Data)
	}
	if string(bytes.Join(got, []byte("|"))) != "a\nb|c|d\ne" {
		t.Errorf("got %q", got)
	}
}

func TestScannerIsReusable(t *testing.T) {
	s := NewScanner(0)
	for _, end := range []func(){s.Reset, s.Release} {
		if _, err := s.Fill(strings.NewReader("data: a\r\rdata: half")); err != nil {
			t.Fatal(err)
		}
		s.Next()
		end()
		if _, err := s.Fill(strings.NewReader("\ufeffdata: b\n\n")); err != nil {
			t.Fatal(err)
		}
		if ev, ok := s.Next(); !ok || string(ev.Data) != "b" || s.Buffered() != 0 {
			t.Errorf("got %q, %v with %d bytes left", ev.Data, ok, s.Buffered())
		}
	}
}

func TestScannerShrinks(t *testing.T) {
	s := NewScanner(0)
	defer s.Release()
	in := "data: " + strings.Repeat("x", 1<<20) + "\n\ndata: y\n\n"
	r := &step{[]byte(in), 1 << 20}
	for {
		_, err := s.Fill(r)
		for _, ok := s.Next(); ok; _, ok = s.Next() {
		}
		if err != nil {
			break
		}
	}
	if len(s.buf) > keepBuffer {
		t.Errorf("a buffer of %d bytes is kept after a large event", len(s.buf))
	}
}

func TestWrapPlain(t *testing.T) {
	got := WrapPlain(nil, []byte("[{\r\n  \"a\" : \"x y\\n\",\n\t\"b\": [ 1 , 2 ]\n}]"))
	if want := "data: [{\"a\":\"x y\\n\",\"b\":[1,2]}]\n\n"; string(got) != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// specData parses a stream as the specification says, all at once: the data of each event that ends.
func specData(stream string) (all []string) {
	stream = strings.TrimPrefix(stream, byteOrderMark)
	stream = strings.ReplaceAll(stream, "\r\n", "\n")
	lines := strings.Split(strings.ReplaceAll(stream, "\r", "\n"), "\n")
	var now []string
	for _, l := range lines[:len(lines)-1] {
		name, value, _ := strings.Cut(l, ":")
		switch {
		case l == "" && now != nil:
			all = append(all, strings.Join(now, "\n"))
			now = nil
		case name == "data":
			now = append(now, strings.TrimPrefix(value, " "))
		}
	}
	return all
}

func FuzzScanner(f *testing.F) {
	for _, c := range scannerCases {
		f.Add([]byte(c.in), 1)
		f.Add([]byte(c.in), 3)
	}
	f.Fuzz(func(t *testing.T, in []byte, n int) {
		n = max(n%4096, 1)
		got, tail, rest := scanAll(t, in, n)
		whole, wholeTail, wholeRest := scanAll(t, in, len(in)+1)
		if fmt.Sprint(got) != fmt.Sprint(whole) || tail != wholeTail || rest != wholeRest {
			t.Fatalf("step %d: %v, %v, %q\nat once: %v, %v, %q", n, got, tail, rest, whole, wholeTail, wholeRest)
		}
		var raw strings.Builder
		var datas []string
		plain := false
		for i, ev := range got {
			raw.WriteString(ev.raw)
			plain = plain || ev.kind == PlainJSON
			if (ev.kind == Data || ev.kind == Done) && (!tail || i < len(got)-1) {
				datas = append(datas, ev.data)
			}
		}
		if raw.String()+rest != string(in) {
			t.Fatalf("the events are %q, the stream was %q", raw.String()+rest, in)
		}
		if want := specData(string(in)); !plain && !tail && fmt.Sprintf("%q", datas) != fmt.Sprintf("%q", want) {
			t.Fatalf("data %q, by the specification %q", datas, want)
		}
	})
}
