package proxytest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
)

// Case is one thing that goes wrong between clients, gateways and model servers, and what a gateway must make of it.
type Case struct {
	// Name is unique; Model is the name to give the script to, and, unless the case is for another model, that in Body.
	Name, Model string
	// About says what goes wrong.
	About  string
	Script Script
	// Path is relative to the base URL; Body is the request, JSON unless ContentType says otherwise.
	Path        string
	Body        string
	ContentType string
	// File is the SHA-256 of the file in the body, in hexadecimal digits, that must reach the model server as it is.
	File string
	// Leave is when the client closes the connection.
	Leave Leave
	// LeaveEvents is the number of events after which it does, or after which the operator revokes the key.
	LeaveEvents int
	// Revoke says that the operator deactivates the key after LeaveEvents events.
	Revoke bool
	// Drain says that the upstream's policy must be to read on behind a client that left; otherwise it is to cancel.
	Drain bool
	// ShortIdle says that the gateway must be set to give up on a silent upstream after a short time.
	ShortIdle bool
	Want      Want
}

// Leave says when a client closes its connection.
type Leave int

// The times to leave.
const (
	// Stay reads the answer to its end.
	Stay Leave = iota
	// LeaveWaiting closes when the request has reached the model server, before anything of the answer has come.
	LeaveWaiting
	// LeaveAfter closes behind the first LeaveEvents events.
	LeaveAfter
	// LeaveAtEnd closes at once behind the last event, without waiting for the end of the body.
	LeaveAtEnd
)

// Bytes is the rule for what a client sees of the bytes that the model server sent.
type Bytes int

// The rules.
const (
	// Identical bytes, all of them.
	Identical Bytes = iota
	// Stripped is Sent.Visible: identical but for usage that the client has not asked for.
	Stripped
	// ThenError is all whole events (stripped where not asked), then one error event of the gateway.
	ThenError
	// SomeThenError is ThenError behind any number of whole events.
	SomeThenError
	// Prefix is any beginning of the bytes (stripped where not asked): the client did not stay to see the rest.
	Prefix
	// HTTPError is an error body in OpenAI's form, with the status that Want names.
	HTTPError
	// Whatever is for an answer that nobody reads.
	Whatever
)

// Any is the provenance of an entry that may be from anywhere.
const Any = "any"

// ServerError is the status of a case that any from 500 on answers.
const ServerError = 500 + 99

// Want is what must come of a case.
type Want struct {
	Bytes Bytes
	// Status of the answer, 0 where there is none, ServerError for any that says so.
	Status int
	// RetryAfter is the header's value, if one must be passed on.
	RetryAfter string
	// Provenance of the ledger's entry: upstream, drained, partial, estimated or Any; empty means that there is no entry.
	Provenance string
	// Least and Most bound the entry's tokens; they are the same wherever the count is exact.
	Least, Most Usage
	// Calls is the number of requests the model server gets, 0 where that is up to the gateway.
	Calls int
}

// AsksUsage says whether the client asks for usage in the stream.
func (c *Case) AsksUsage() bool {
	var a ask
	return json.Unmarshal([]byte(c.Body), &a) == nil && a.StreamOptions != nil && a.StreamOptions.IncludeUsage
}

// Heartbeat is the line a gateway may put between events in a silence.
const Heartbeat = ": hb\n"

// Check compares what a client saw with what the provider sent. Sent is that of the last request of the case.
func (c *Case) Check(status int, body []byte, sent Sent) error {
	if c.Want.Bytes == Whatever {
		return nil
	}
	if status != c.Want.Status && (c.Want.Status != ServerError || status < 500) {
		return fmt.Errorf("%s: status %d, want %d; body %.300q", c.Name, status, c.Want.Status, body)
	}
	if c.Want.Bytes == HTTPError {
		if err := c.checkError(body); err != nil {
			return fmt.Errorf("%s: %w", c.Name, err)
		}
		return nil
	}
	base, ends := sent.Visible, sent.VisibleEvents
	if c.AsksUsage() || c.Want.Bytes == Identical {
		base, ends = sent.Wire, sent.Events
	}
	if err := c.checkBytes(c.withIDs(withoutHeartbeats(body), base), base, ends); err != nil {
		return fmt.Errorf("%s: %w", c.Name, err)
	}
	return nil
}

func (c *Case) checkBytes(body, base []byte, ends []int) error {
	switch c.Want.Bytes {
	case Prefix:
		if !bytes.HasPrefix(base, body) {
			return differ(body, base)
		}
	case ThenError, SomeThenError:
		n := commonPrefix(body, base)
		if i, exact := slices.BinarySearch(ends, n); !exact && n > 0 {
			// The error event begins like any other event: go back to the end of the last whole one.
			n = 0
			if i > 0 {
				n = ends[i-1]
			}
		}
		if whole := len(ends) > 0; whole && c.Want.Bytes == ThenError && n != ends[len(ends)-1] {
			return fmt.Errorf("error after %d bytes, want it after %d: %w", n, ends[len(ends)-1], differ(body, base))
		}
		return c.checkErrorEvent(body[n:])
	default:
		if !bytes.Equal(body, base) {
			return differ(body, base)
		}
	}
	return nil
}

func commonPrefix(a, b []byte) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}

func differ(got, want []byte) error {
	n := commonPrefix(got, want)
	return fmt.Errorf("%d bytes, want %d; from byte %d on: %.200q, want %.200q", len(got), len(want), n, got[n:], want[n:])
}

// responseID finds the ID of the response that a body is about.
var responseID = regexp.MustCompile(`"id":"(resp_[^"\\]+)"`)

// withIDs puts the model server's response ID in the place of the gateway's own, which it may give in order to find the
// server again; it must be the same in all places.
func (c *Case) withIDs(body, base []byte) []byte {
	theirs, ours := responseID.FindSubmatch(body), responseID.FindSubmatch(base)
	if c.Path != responsesAPI.path || theirs == nil || ours == nil {
		return body
	}
	return bytes.ReplaceAll(body, append(append([]byte(`"`), theirs[1]...), '"'), append(append([]byte(`"`), ours[1]...), '"'))
}

// CheckRequest says whether the request reached the model server as it was sent, as far as the case tells.
func (c *Case) CheckRequest(r Request) error {
	if c.File != "" && (len(r.Files) != 1 || r.Files[0].SHA256 != c.File) {
		return fmt.Errorf("%s: the file did not arrive as it was sent: %+v", c.Name, r.Files)
	}
	return nil
}

// withoutHeartbeats removes the gateway's heartbeats where they may stand: in front, and behind a blank line.
func withoutHeartbeats(body []byte) []byte {
	hb := []byte(Heartbeat)
	var out []byte
	for start := true; len(body) > 0; {
		if start && bytes.HasPrefix(body, hb) {
			body = body[len(hb):]
			continue
		}
		n := bytes.Index(body, []byte("\n\n"))
		if m := bytes.Index(body, []byte("\r\n\r\n")); m >= 0 && (n < 0 || m < n) {
			n = m + 2
		}
		if n < 0 {
			return append(out, body...)
		}
		out = append(out, body[:n+2]...)
		body, start = body[n+2:], true
	}
	return out
}

// CheckUsage compares a ledger entry with what the case wants. Provenance is empty if there is no entry.
func (c *Case) CheckUsage(provenance string, u Usage) error {
	w := c.Want
	if provenance != w.Provenance && (w.Provenance != Any || provenance == "") {
		return fmt.Errorf("%s: provenance %q, want %q (tokens %+v)", c.Name, provenance, w.Provenance, u)
	}
	return c.within([]bound{
		{"input tokens", u.Prompt, w.Least.Prompt, w.Most.Prompt},
		{"cached tokens", u.Cached, w.Least.Cached, w.Most.Cached},
		{"output tokens", u.Output, w.Least.Output, w.Most.Output},
		{"reasoning tokens", u.Reasoning, w.Least.Reasoning, w.Most.Reasoning},
	})
}

// CheckUnits compares what a ledger entry has beside tokens with what the case wants.
func (c *Case) CheckUnits(u Usage) error {
	w := c.Want
	return c.within([]bound{
		{"images", u.Images, w.Least.Images, w.Most.Images},
		{"audio milliseconds", u.AudioMilliseconds, w.Least.AudioMilliseconds, w.Most.AudioMilliseconds},
		{"characters", u.Characters, w.Least.Characters, w.Most.Characters},
		{"searches", u.Searches, w.Least.Searches, w.Most.Searches},
	})
}

// bound is a count with the least and the most that it may be.
type bound struct {
	name             string
	got, least, most int64
}

func (c *Case) within(bounds []bound) error {
	for _, b := range bounds {
		if b.got < b.least || b.got > b.most {
			return fmt.Errorf("%s: %d of %s, want %d to %d", c.Name, b.got, b.name, b.least, b.most)
		}
	}
	return nil
}
