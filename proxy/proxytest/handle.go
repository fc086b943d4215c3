package proxytest

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// TotalsPath is where a provider in another process tells its Totals as JSON, without a key.
const TotalsPath = "/proxytest/totals"

// answer is one request being answered.
type answer struct {
	p      *Provider
	c      *conn
	r      *request
	ask    ask
	script Script
	w      *writer
	// name is the request's id as text, "pt-1".
	name string
	// path is that of the endpoint, such as /chat/completions; azure says that it came by a path of Azure's.
	path    string
	azure   bool
	choices int
	deltas  []Delta
	finish  string
	prompt  Usage
}

// handle answers one request. An error ends the connection.
func (p *Provider) handle(c *conn, r *request) error {
	r.id = p.nextID.Add(1)
	a := &answer{p: p, c: c, r: r, name: "pt-" + strconv.FormatUint(r.id, 10)}
	a.find()
	if a.path == TotalsPath {
		body, err := json.Marshal(p.Totals())
		if err != nil {
			return err
		}
		return a.plain(http.StatusOK, "application/json", string(body))
	}
	if !a.authorized() {
		return a.fail(http.StatusUnauthorized, "invalid_request_error", "invalid_api_key", "Incorrect API key provided.")
	}
	switch {
	case a.path == "/models" || strings.HasPrefix(a.path, "/models/"):
		return a.models(strings.TrimPrefix(a.path, "/models"))
	case strings.HasPrefix(a.path, "/responses/"):
		return a.storedResponse(strings.TrimPrefix(a.path, "/responses/"))
	}
	serve, ok := routes[a.path]
	if !ok || r.method != http.MethodPost {
		return a.fail(http.StatusNotFound, "invalid_request_error", "", fmt.Sprintf("Invalid URL (%.20s %.80s)", r.method, r.path))
	}
	if err := a.prepare(); err != nil {
		return a.fail(http.StatusBadRequest, "invalid_request_error", "", err.Error())
	}
	return a.serve(serve)
}

// prepare reads the body, keeps the request and finds the script.
func (a *answer) prepare() error {
	err := a.readAsk()
	name, script := a.p.scriptFor(a.ask.Model, a.r.body)
	a.script = script
	a.p.journal.add(Request{ID: a.r.id, Method: a.r.method, Path: a.r.path, Header: a.r.header, Body: a.r.body,
		User: a.ask.User, Model: a.ask.Model, Files: a.ask.files, Script: name})
	if err != nil {
		return err
	}
	if err := a.ask.XScript.apply(&a.script, a.ask.Stream); err != nil {
		return err
	}
	a.choices = max(1, a.ask.N)
	if a.script.Choices > 0 {
		a.choices = a.script.Choices
	}
	a.reply()
	a.prompt = a.input()
	acc := a.p.ledger.account(a.ask.User)
	acc.requests.Add(1)
	acc.asked.Add(a.prompt.Prompt)
	a.w = &writer{p: a.p, c: a.c, id: a.r.id, acc: acc, split: a.script.Split,
		record: a.p.opts.Record && a.p.opts.Keep > 0}
	if a.script.Split.Seed > 0 {
		a.w.rng = rand.New(rand.NewPCG(a.script.Split.Seed, 1))
	}
	return nil
}

// input returns what the request itself counts.
func (a *answer) input() Usage {
	switch {
	case a.script.ByUnit, a.path == "/messages/count_tokens":
		return Usage{}
	case a.script.PromptTokens == 0:
		return Usage{Prompt: a.ask.promptTokens(), Cached: a.script.CachedTokens}
	}
	return Usage{Prompt: a.script.PromptTokens, Cached: a.script.CachedTokens}
}

// reply sets the deltas and the finish reason.
func (a *answer) reply() {
	a.deltas, a.finish = a.script.Deltas, "stop"
	if a.deltas == nil {
		n := a.script.Words
		if n == 0 {
			n = 8
		}
		a.deltas = Words(n)
	}
	limit := max(a.ask.MaxTokens, a.ask.MaxCompletionTokens, a.ask.MaxOutputTokens)
	if limit > 0 && limit < len(a.deltas) && (a.script.Deltas == nil || a.ask.XScript != nil) {
		a.deltas, a.finish = a.deltas[:limit], "length"
	}
	for _, d := range a.deltas[max(0, len(a.deltas)-1):] {
		if d.Part == ToolCall {
			a.finish = "tool_calls"
		}
	}
	if a.script.FinishReason != "" {
		a.finish = a.script.FinishReason
	}
}

// serve does what is alike in all endpoints before an answer with status 200, and then calls f.
func (a *answer) serve(f func(*answer) error) error {
	s := &a.script
	if err := a.wait(s.HeaderDelay); err != nil {
		return err
	}
	if s.Cut.At == CutBeforeHeaders {
		return a.cut()
	}
	if s.Status != 0 && s.Status != http.StatusOK {
		return a.refuse()
	}
	if s.Usage == UsageReject && a.ask.StreamOptions != nil {
		return a.fail(http.StatusBadRequest, "invalid_request_error", "unknown_parameter",
			"Unrecognized request argument supplied: stream_options")
	}
	return f(a)
}

// completion answers chat and legacy completions, whole or streamed.
func (a *answer) completion() error {
	if a.ask.Stream {
		return a.stream()
	}
	return a.whole(a.wholeBody())
}

func (a *answer) refuse() error {
	s := &a.script
	body := s.ErrorBody
	if body == "" {
		body = a.errorBody(s.Status, errorType(s.Status), "", "This is a scripted error: "+http.StatusText(s.Status)+".")
	}
	kind := s.ContentType
	if kind == "" {
		kind = "application/json"
	}
	return a.plain(s.Status, kind, body)
}

func (a *answer) wait(d time.Duration) error {
	if d <= 0 {
		return nil
	}
	return a.c.sleepUntil(time.Now().Add(d))
}

// cut ends the answer as the script says. It always returns an error but for an orderly end.
func (a *answer) cut() error {
	switch a.script.Cut.How {
	case CutReset:
		a.c.reset()
	case CutStall:
		return a.c.stall()
	case CutOrderly:
		if a.w.began || len(a.w.head) > 0 {
			return a.w.finish()
		}
	}
	return errPlanned
}

// plain answers with a body that is not accounted for.
func (a *answer) plain(status int, contentType, body string) error {
	out := a.statusLine(status, contentType)
	out = append(out, "Content-Length: "+strconv.Itoa(len(body))+"\r\n\r\n"...)
	_, err := a.c.nc.Write(append(out, body...))
	return err
}

func (a *answer) statusLine(status int, contentType string) []byte {
	out := make([]byte, 0, 512)
	out = append(out, "HTTP/1.1 "...)
	out = strconv.AppendInt(out, int64(status), 10)
	out = append(out, ' ')
	out = append(out, http.StatusText(status)...)
	out = append(out, "\r\nContent-Type: "...)
	out = append(out, contentType...)
	out = append(out, "\r\nX-Request-Id: "...)
	out = append(out, a.name...)
	out = append(out, "\r\n"...)
	for _, h := range a.script.Header {
		out = append(out, h.Name+": "+h.Value+"\r\n"...)
	}
	return out
}

// begin prepares the head of an answer with status 200 whose body is accounted for. Size is the length of the body,
// negative if not known.
func (a *answer) begin(contentType string, size int) {
	if a.script.ContentType != "" {
		contentType = a.script.ContentType
	}
	head := a.statusLine(http.StatusOK, contentType)
	switch {
	case a.script.Framing == FramingClose:
		head = append(head, "Connection: close\r\n"...)
		a.r.close = true
	case size >= 0 && a.script.Framing == FramingDefault:
		head = append(head, "Content-Length: "+strconv.Itoa(size)+"\r\n"...)
	default:
		head = append(head, "Transfer-Encoding: chunked\r\n"...)
		a.w.chunked = true
	}
	a.w.head = append(head, "\r\n"...)
	a.w.prompt = a.prompt
}

func (a *answer) models(rest string) error {
	names := a.p.models()
	slices.Sort(names)
	if name := strings.TrimPrefix(rest, "/"); name != "" {
		if !slices.Contains(names, name) {
			return a.plain(http.StatusNotFound, "application/json", apiError("invalid_request_error", "model_not_found",
				fmt.Sprintf("The model '%.80s' does not exist", name)))
		}
		return a.plain(http.StatusOK, "application/json", a.modelObject(name))
	}
	objects := make([]string, len(names))
	for i, name := range names {
		objects[i] = a.modelObject(name)
	}
	return a.plain(http.StatusOK, "application/json", `{"object":"list","data":[`+strings.Join(objects, ",")+`]}`)
}

func (a *answer) modelObject(name string) string {
	return `{"id":` + quote(name) + `,"object":"model","created":` + a.p.created + `,"owned_by":"proxytest"}`
}

// apiError returns an error body in the form of OpenAI.
func apiError(kind, code, message string) string {
	c := "null"
	if code != "" {
		c = quote(code)
	}
	return `{"error":{"message":` + quote(message) + `,"type":` + quote(kind) + `,"param":null,"code":` + c + `}}`
}

func errorType(status int) string {
	switch {
	case status == http.StatusTooManyRequests:
		return "rate_limit_error"
	case status >= 500:
		return "server_error"
	}
	return "invalid_request_error"
}
