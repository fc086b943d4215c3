package upstream

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/valyala/fasthttp"
)

// readAll reads an answer's header and body from r with reads of the given size.
func readAll(r io.Reader, size int) (status int, body []byte, reusable bool, err error) {
	c := &Call{client: &Client{}}
	c.br = bufio.NewReaderSize(r, readerSize)
	if err := c.readHead(); err != nil {
		return 0, nil, false, err
	}
	buf := make([]byte, size)
	for {
		n, err := c.Read(buf)
		body = append(body, buf[:n]...)
		switch {
		case err == io.EOF:
			return c.Status, body, c.body.reusable(), nil
		case errors.Is(err, os.ErrDeadlineExceeded):
			continue
		case err != nil:
			return c.Status, body, false, err
		}
	}
}

const text = "data: one\n\ndata: two\n\n"

var framings = []struct {
	name, wire string
	reusable   bool
}{
	{"length", fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(text), text), true},
	{"chunk", fmt.Sprintf("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", len(text), text), true},
	{"bytewise chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + bytewise(text) + "0\r\n\r\n", true},
	{"extension and trailer", fmt.Sprintf("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%X;a=b\r\n%s\r\n0\r\nX-T: 1\r\n\r\n", len(text), text), true},
	{"bare line feeds", fmt.Sprintf("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\n%s\n0\n\n", len(text), text), true},
	{"to the end", "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + text, false},
	{"close", fmt.Sprintf("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s", len(text), text), false},
	{"informational first", fmt.Sprintf("HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(text), text), true},
}

func bytewise(s string) string {
	var b strings.Builder
	for i := range len(s) {
		fmt.Fprintf(&b, "1\r\n%s\r\n", s[i:i+1])
	}
	return b.String()
}

func TestFramings(t *testing.T) {
	for _, f := range framings {
		for name, wrap := range map[string]func(io.Reader) io.Reader{
			"at once":           func(r io.Reader) io.Reader { return r },
			"byte by byte":      iotest.OneByteReader,
			"halves":            iotest.HalfReader,
			"with interruption": func(r io.Reader) io.Reader { return &impatient{r: iotest.OneByteReader(r)} },
		} {
			for _, size := range []int{1, 3, 4096} {
				status, body, reusable, err := readAll(wrap(strings.NewReader(f.wire)), size)
				if err != nil && strings.Contains(name, "interruption") && errors.Is(err, ErrTimeout) {
					continue // the header may not be interrupted
				}
				if err != nil || status != 200 || string(body) != text || reusable != f.reusable {
					t.Errorf("%s %s by %d: status %d, body %q, reusable %v, error %v", f.name, name, size, status, body, reusable, err)
				}
			}
		}
	}
}

// impatient times out in front of every byte behind the header.
type impatient struct {
	r    io.Reader
	seen []byte
	odd  bool
}

func (i *impatient) Read(p []byte) (int, error) {
	if i.odd = !i.odd; i.odd && bytes.Contains(i.seen, []byte("\r\n\r\n")) && !bytes.Contains(i.seen, []byte("103")) {
		return 0, os.ErrDeadlineExceeded
	}
	n, err := i.r.Read(p)
	i.seen = append(i.seen, p[:n]...)
	return n, err
}

func TestBrokenFramings(t *testing.T) {
	for _, wire := range []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello!\r\n0\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + strings.Repeat(" ", 2*maxChunkLine),
		"HTTP/1.1 200 OK\r\n" + strings.Repeat("X-Header: value\r\n", 1000) + "\r\n",
		"HTTP/1.1 200",
		"not http at all\r\n\r\n",
		"",
	} {
		if _, body, _, err := readAll(strings.NewReader(wire), 4096); err == nil {
			t.Errorf("%.80q: no error, body %q", wire, body)
		}
	}
}

// FuzzBody compares the body reader with net/http's, which it replaces.
func FuzzBody(f *testing.F) {
	for _, fr := range framings {
		f.Add([]byte(fr.wire), 7)
	}
	f.Add([]byte("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\nHTTP/1.1"), 2)
	f.Fuzz(func(t *testing.T, wire []byte, size int) {
		if size <= 0 || size > 1<<16 {
			return
		}
		_, body, reusable, err := readAll(bytes.NewReader(wire), size)
		if err != nil {
			return // stricter is fine: nothing is taken for finished
		}
		resp, wantErr := http.ReadResponse(bufio.NewReader(bytes.NewReader(wire)), &http.Request{Method: http.MethodPost})
		if wantErr != nil {
			return // fasthttp parses some headers that net/http does not
		}
		for resp.StatusCode < 200 {
			return
		}
		want, wantErr := io.ReadAll(resp.Body)
		if reusable && wantErr == nil && len(resp.TransferEncoding) > 0 && !bytes.Equal(body, want) {
			t.Errorf("body %q, net/http reads %q", body, want)
		}
	})
}

func TestReadHeadKeepsNoState(t *testing.T) {
	h := headers.Get().(*fasthttp.ResponseHeader)
	h.Set("Retry-After", "7")
	headers.Put(h)
	c := &Call{client: &Client{}, br: bufio.NewReader(strings.NewReader("HTTP/1.1 204 No Content\r\n\r\n"))}
	if err := c.readHead(); err != nil || c.RetryAfter != "" || !c.body.done {
		t.Errorf("Retry-After %q, done %v, error %v", c.RetryAfter, c.body.done, err)
	}
}

// TestCloseDoesNotWait gives back a connection whose answer lacks the end of its trailer.
func TestCloseDoesNotWait(t *testing.T) {
	r, w := io.Pipe()
	go func() {
		_, _ = io.WriteString(w, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nX-A: 1\r\n")
	}()
	c := &Call{client: &Client{}, br: bufio.NewReaderSize(r, readerSize)}
	if err := c.readHead(); err != nil {
		t.Fatal(err)
	}
	if n, err := c.Read(make([]byte, 2)); n != 2 || err != nil {
		t.Fatal(n, err)
	}
	// Nothing more will come: a wait would be for ever.
	if c.body.reusable() {
		t.Error("taken for finished")
	}
}
