package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"llmhub/config"
)

// answer is what came back on a raw connection.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// exchange sends bytes on a connection of its own and reads answers until the hub closes or want have come.
func (h *hub) exchange(t *testing.T, want int, request string) []answer {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(h.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		// A refusal may come, and the connection end, before all has been sent.
		_, _ = io.WriteString(conn, request)
	}()
	answers := readAnswers(t, bufio.NewReader(conn), want)
	conn.Close()
	<-sent
	return answers
}

func readAnswers(t *testing.T, r *bufio.Reader, want int) (answers []answer) {
	t.Helper()
	for len(answers) < want {
		resp, err := http.ReadResponse(r, nil)
		if err != nil {
			if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) && len(answers) == 0 {
				t.Fatalf("no answer: %v", err)
			}
			break
		}
		if resp.StatusCode == http.StatusContinue {
			continue
		}
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatalf("body of a %d: %v", resp.StatusCode, err)
		}
		answers = append(answers, answer{resp.StatusCode, resp.Header, body})
	}
	return answers
}

// post returns a request with a body of known length. Headers go before the usual ones.
func post(path, headers, body string) string {
	return "POST " + path + " HTTP/1.1\r\nHost: hub\r\n" + headers + "Content-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n" + body
}

const jsonType = "Content-Type: application/json\r\n"

func authorization(key string) string { return "Authorization: Bearer " + key + "\r\n" }

// chunked returns a body of so many bytes in chunks, behind the header that announces it.
func chunked(path, headers string, chunks int, size int) string {
	chunk := strconv.FormatInt(int64(size), 16) + "\r\n" + strings.Repeat(" ", size) + "\r\n"
	return "POST " + path + " HTTP/1.1\r\nHost: hub\r\n" + headers + "Transfer-Encoding: chunked\r\n\r\n" + strings.Repeat(chunk, chunks) + "0\r\n\r\n"
}

// wantRefusal insists on an error in OpenAI's form with a request ID.
func wantRefusal(t *testing.T, a answer, status int, code string) {
	t.Helper()
	if a.status != status {
		t.Fatalf("status %d, want %d: %.300q", a.status, status, a.body)
	}
	var body struct {
		Error struct {
			Message, Type string
			Param, Code   *string
			RequestID     string `json:"request_id"`
		}
	}
	d := json.NewDecoder(bytes.NewReader(a.body))
	if err := d.Decode(&body); err != nil {
		t.Fatalf("%.300q is not JSON: %v", a.body, err)
	}
	e, id := body.Error, a.header.Get("X-Request-Id")
	if e.Message == "" || e.Type == "" || id == "" || e.RequestID != id || !strings.Contains(e.Message, id) {
		t.Errorf("%s with x-request-id %q is not a whole error", a.body, id)
	}
	if got := a.header.Get("Content-Type"); got != "application/json" {
		t.Errorf("content type %q", got)
	}
	var got string
	if e.Code != nil {
		got = *e.Code
	}
	if got != code {
		t.Errorf("code %q, want %q: %s", got, code, a.body)
	}
}

// badHub is a hub with small limits, one model, and one that the account's key may not use.
func badHub(t *testing.T) (*hub, *account) {
	t.Helper()
	h := startHub(t, []string{"m", "other"}, func(cfg *config.Config) {
		cfg.Limits.BodyBytes, cfg.Limits.HeaderBytes = 2<<20, 16<<10
	})
	a := &account{h: h}
	a.text, a.id = h.limitedKey("bad input", "m")
	return h, a
}

// badBodies are bodies of chat completions that are refused.
func badBodies() []struct {
	name, body string
	status     int
	code       string
} {
	type row = struct {
		name, body string
		status     int
		code       string
	}
	with := func(members string) string { return `{"model":"m","messages":[],` + members + `}` }
	rows := []row{
		{"model unknown", `{"model":"none"}`, 404, "model_not_found"},
		{"model not granted", `{"model":"other"}`, 404, "model_not_found"},
		{"model with NUL escape", `{"model":"m\u0000"}`, 404, "model_not_found"},
		{"model with spaces", `{"model":" m"}`, 404, "model_not_found"},
		{"model in other case", `{"model":"M"}`, 404, "model_not_found"},
		{"model half a surrogate", `{"model":"\ud800"}`, 404, "model_not_found"},
	}
	for name, body := range map[string]string{
		"empty": "", "white space": " \n\t", "open brace": "{", "cut off": `{"model":"m","messages":[{"role":"us`,
		"trailing garbage": `{"model":"m"} x`, "two objects": `{"model":"m"}{"model":"m"}`, "trailing NUL": `{"model":"m"}` + "\x00",
		"array": `[{"model":"m"}]`, "string": `"m"`, "null": "null", "number": "17", "no JSON": "model=m",
		"byte order mark": "\ufeff" + `{"model":"m"}`, "UTF-16": "{\x00\"\x00m\x00", "single quotes": "{'model':'m'}",
		"comment": `{"model":"m"/* */}`, "trailing comma": `{"model":"m",}`, "NaN": with(`"top_p":NaN`), "control byte in a string": `{"model":"m` + "\n" + `"}`,
		"raw NUL in the model": `{"model":"m` + "\x00" + `"}`, "model not UTF-8": `{"model":"m` + "\xff" + `"}`, "model too long": `{"model":"` + strings.Repeat("m", 256) + `"}`,
		"model missing": `{"messages":[]}`, "model null": `{"model":null}`, "model empty": `{"model":""}`, "model number": `{"model":5}`,
		"model array": `{"model":["m"]}`, "model object": `{"model":{}}`, "model twice": `{"model":"m","model":"m"}`,
		"model twice, once escaped": `{"model":"m","\u006dodel":"other"}`, "model in capitals too": `{"model":"m","Model":"other"}`,
		"stream string": with(`"stream":"yes"`), "stream number": with(`"stream":1`), "stream twice": with(`"stream":true,"stream":false`),
		"stream options array": with(`"stream_options":[]`), "include usage string": with(`"stream_options":{"include_usage":"true"}`),
		"tokens string": with(`"max_tokens":"5"`), "tokens negative": with(`"max_tokens":-1`), "tokens fraction": with(`"max_tokens":1.5`),
		"tokens huge": with(`"max_tokens":99999999999999999999`), "tokens infinite": with(`"max_completion_tokens":1e999`),
		"choices none": with(`"n":0`), "choices string": with(`"n":"2"`), "choices huge": with(`"n":1e30`),
		"leading zero": with(`"top_p":01`), "deep arrays": with(`"x":` + strings.Repeat("[", 100_000)),
		"deep objects": with(`"x":` + strings.Repeat(`{"x":`, 100_000) + "1" + strings.Repeat("}", 100_000)),
	} {
		rows = append(rows, row{name, body, 400, ""})
	}
	return rows
}

func TestBadBodies(t *testing.T) {
	h, a := badHub(t)
	for _, c := range badBodies() {
		for _, path := range []string{"/v1/chat/completions", "/v2/completions", "/v1/embeddings"} {
			t.Run(c.name+path, func(t *testing.T) {
				got := h.exchange(t, 1, post(path, authorization(a.text)+jsonType, c.body))
				wantRefusal(t, got[0], c.status, c.code)
			})
		}
	}
	t.Run("stream of embeddings", func(t *testing.T) {
		got := h.exchange(t, 1, post("/v1/embeddings", authorization(a.text)+jsonType, `{"model":"m","input":"x","stream":true}`))
		wantRefusal(t, got[0], 400, "")
		if !bytes.Contains(got[0].body, []byte(`"param":"stream"`)) {
			t.Errorf("%s does not name the parameter", got[0].body)
		}
	})
	h.wantUntouched(t, a)
}

// wantUntouched insists that no request has reached the provider or the ledger, and that nothing is left when the hub
// has stopped.
func (h *hub) wantUntouched(t *testing.T, a *account) {
	t.Helper()
	if n := len(h.provider.Requests()); n != 0 {
		t.Errorf("%d requests reached the provider", n)
	}
	a.settled(t, 0)
	if fresh := h.exchange(t, 1, post("/v1/chat/completions", authorization(a.text)+jsonType, `{"model":"m"}`)); fresh[0].status != 200 {
		t.Errorf("a good request afterwards gets %d: %.300q", fresh[0].status, fresh[0].body)
	}
	if events := a.settled(t, 1); events[0].Model != "m" {
		t.Errorf("entry %+v", events[0])
	}
	h.shutDown(t)
}

func (a answer) String() string { return fmt.Sprintf("%d %.200q", a.status, a.body) }
