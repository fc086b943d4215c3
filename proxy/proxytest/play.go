package proxytest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// Player plays the client of cases, against a gateway in front of Provider.
type Player struct {
	// BaseURL is the gateway's, such as http://127.0.0.1:8080/v1; Key is the bearer token.
	BaseURL, Key string
	Client       *http.Client
	Provider     *Provider
	// Revoke deactivates the key; only cases with Case.Revoke call it.
	Revoke func() error
}

// Seen is what the client of a case saw.
type Seen struct {
	// Status is 0 if the client left before any.
	Status int
	Header http.Header
	Body   []byte
	// Err is how reading the body ended, nil at its orderly end.
	Err error
}

// Play sends the case's request and reads, leaves or revokes as the case says. Its error is one of playing, such as a
// gateway that cannot be reached; what the gateway did is for Case.Check.
func (p *Player) Play(ctx context.Context, c *Case) (Seen, error) {
	ctx, leave := context.WithCancel(ctx)
	defer leave()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.BaseURL+c.Path, strings.NewReader(c.Body))
	if err != nil {
		return Seen{}, err
	}
	p.setHeader(req, c)
	if c.Leave == LeaveWaiting {
		return Seen{}, p.leaveWaiting(ctx, req, c.Model, leave)
	}
	resp, err := p.Client.Do(req)
	if err != nil {
		return Seen{}, fmt.Errorf("case %s: %w", c.Name, err)
	}
	defer resp.Body.Close()
	s := Seen{Status: resp.StatusCode, Header: resp.Header}
	if err := p.read(&s, resp.Body, c); err != nil {
		return s, fmt.Errorf("case %s: %w", c.Name, err)
	}
	return s, nil
}

// setHeader sets the headers that a client of the case's API sends.
func (p *Player) setHeader(req *http.Request, c *Case) {
	kind := c.ContentType
	if kind == "" {
		kind = "application/json"
	}
	req.Header.Set("Content-Type", kind)
	if strings.HasPrefix(c.Path, messagesAPI.path) {
		req.Header.Set("x-api-key", p.Key)
		req.Header.Set("anthropic-version", "2023-06-01")
		return
	}
	req.Header.Set("Authorization", "Bearer "+p.Key)
}

// read reads as much of the body as the case's client does.
func (p *Player) read(s *Seen, body io.Reader, c *Case) error {
	enough := func() bool { return false }
	switch {
	case c.Revoke, c.Leave == LeaveAfter:
		enough = func() bool { return countEvents(s.Body) >= c.LeaveEvents }
	case c.Leave == LeaveAtEnd:
		enough = func() bool { return ended(s.Body) }
	}
	for buf := make([]byte, 4096); !enough(); {
		n, err := body.Read(buf)
		s.Body = append(s.Body, buf[:n]...)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			s.Err = err
			return nil
		}
	}
	if !c.Revoke {
		return nil
	}
	if err := p.Revoke(); err != nil {
		return err
	}
	rest, err := io.ReadAll(body)
	s.Body, s.Err = append(s.Body, rest...), err
	return nil
}

// ended says whether the event that ends a stream has come.
func ended(body []byte) bool {
	last, whole := bytes.CutSuffix(body, []byte("\n\n"))
	last = last[bytes.LastIndex(last, []byte("\n\n"))+1:]
	return whole && (bytes.HasSuffix(last, []byte("[DONE]")) || bytes.Contains(last, []byte("event: "+responsesAPI.final+"\n")) ||
		bytes.Contains(last, []byte("event: "+messagesAPI.final+"\n")))
}

func countEvents(body []byte) int {
	body = withoutHeartbeats(body)
	return bytes.Count(body, []byte("\n\n")) + bytes.Count(body, []byte("\r\n\r\n"))
}

// leaveWaiting closes the connection when the request has reached the provider.
func (p *Player) leaveWaiting(ctx context.Context, req *http.Request, model string, leave func()) error {
	before := p.Provider.Calls(model)
	done := make(chan error, 1)
	go func() {
		resp, err := p.Client.Do(req)
		if err == nil {
			resp.Body.Close()
			err = fmt.Errorf("model %s was answered with status %d before the client could leave", model, resp.StatusCode)
		}
		done <- err
	}()
	for p.Provider.Calls(model) == before {
		select {
		case err := <-done:
			return err
		case <-time.After(time.Millisecond):
		}
	}
	leave()
	if err := <-done; !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// by says whether a request was answered by the script of a name, or asked for the model of that name.
func (r *Request) by(name string) bool { return r.Script == name || r.Model == name }

// Calls returns how many of the requests that are kept were answered by the script of a name.
func (p *Provider) Calls(name string) int { return p.count(name, func(*entry) bool { return true }) }

// Busy returns how many of them are being answered now.
func (p *Provider) Busy(name string) int {
	return p.count(name, func(e *entry) bool { return !e.done })
}

func (p *Provider) count(name string, counts func(*entry) bool) int {
	n := 0
	p.journal.mu.Lock()
	defer p.journal.mu.Unlock()
	for i := range p.journal.last {
		if e := &p.journal.last[i]; e.req.by(name) && counts(e) {
			n++
		}
	}
	return n
}

// LastRequest returns the last request that is kept for the script of a name.
func (p *Provider) LastRequest(name string) (last Request) {
	p.journal.mu.Lock()
	defer p.journal.mu.Unlock()
	for i := range p.journal.last {
		if r := &p.journal.last[i].req; r.by(name) {
			last = *r
		}
	}
	return last
}

// LastSent returns what was sent to it, as Sent does.
func (p *Provider) LastSent(name string) (Sent, bool) { return p.Sent(p.LastRequest(name).ID) }
