package cce

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"unicode"

	"llmhub/deployer"
	"llmhub/identity"
	"llmhub/secret"
)

const (
	// maxErrorBytes bounds what is read of the body of an error, maxMessageRunes what is shown of its message.
	maxErrorBytes   = 64 << 10
	maxMessageRunes = 300
	// maxTokenBytes bounds a token: longer ones fit into no header.
	maxTokenBytes = 128 << 10
)

// senseless returns the reason for an answer of something that is not CCE.
func senseless() error {
	return &deployer.Reason{Code: deployer.Unreachable, Detail: "the answer is not that of a container engine"}
}

// request is a call of CCE's API about the clusters of a project.
type request struct {
	method  string
	project identity.Project
	// below is the path below that of the clusters.
	below string
	body  string
	token secret.Text
}

// call returns the body of a successful answer. Errors are a *Reason and hold nothing of the token.
func (s *Source) call(ctx context.Context, r request) ([]byte, error) {
	token := r.token.Reveal()
	if token == "" || len(token) > maxTokenBytes || strings.ContainsFunc(token, func(c rune) bool { return c <= ' ' || c > '~' }) {
		return nil, &deployer.Reason{Code: deployer.AccessEnded, Detail: "there is no token"}
	}
	at := s.api.fill(region(r.project), "") + "/api/v3/projects/" + r.project.ID + "/clusters" + r.below
	req, err := http.NewRequestWithContext(ctx, r.method, at, strings.NewReader(r.body))
	if err != nil {
		return nil, unreachable(ctx, err)
	}
	req.Header.Set("X-Auth-Token", token)
	req.Header.Set("Content-Type", "application/json") // CCE wants it of GET, too
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "llmhub")
	resp, err := s.http.Do(req)
	if err != nil {
		return nil, unreachable(ctx, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusCreated {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, maxErrorBytes))
		return nil, refused(resp.StatusCode, text, token)
	}
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswerBytes+1))
	switch {
	case err != nil:
		return nil, unreachable(ctx, err)
	case len(text) > maxAnswerBytes:
		return nil, &deployer.Reason{Code: deployer.Unreachable, Detail: fmt.Sprintf("the answer has more than %d bytes", maxAnswerBytes)}
	}
	return bytes.TrimSpace(text), nil
}

// codeForm is the service's own number of an error, such as CCE.01401001, or APIG.0301 of the gateway before it.
var codeForm = regexp.MustCompile(`^[A-Z]{2,8}\.[0-9]{1,12}$`)

// refused returns the reason for an answer that is not one of success.
func refused(status int, body []byte, token string) *deployer.Reason {
	code := deployer.Unreachable
	switch status {
	case http.StatusUnauthorized:
		code = deployer.AccessEnded
	case http.StatusForbidden:
		code = deployer.AccessDenied
	case http.StatusNotFound:
		code = deployer.ClusterGone
	}
	var form struct {
		Message     string `json:"errorMessage"`
		Code        string `json:"errorCode"`
		GateMessage string `json:"error_msg"`
		GateCode    string `json:"error_code"`
	}
	// A part that has another type than expected leaves the rest readable.
	_ = json.Unmarshal(body, &form)
	detail := fmt.Sprintf("status %d", status)
	for _, number := range []string{form.Code, form.GateCode} {
		if codeForm.MatchString(number) {
			detail += ", " + number
		}
	}
	for _, message := range []string{form.Message, form.GateMessage} {
		if message = clean(message, maxMessageRunes); message != "" && !quotes(message, token) {
			detail += ": " + message
		}
	}
	return &deployer.Reason{Code: code, Detail: detail}
}

// clean returns a text in one line, without what cannot be printed, and no longer than limit characters.
func clean(text string, limit int) string {
	text = strings.ToValidUTF8(text, "\ufffd")
	text = strings.Join(strings.FieldsFunc(text, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) }), " ")
	if r := []rune(text); len(r) > limit {
		text = string(r[:limit-1]) + "…"
	}
	return text
}

// window is how many characters of a token in a row are too many.
const window = 12

// quotes says whether a text repeats the token or a part of it.
func quotes(text, token string) bool {
	if len(token) <= window {
		return strings.Contains(text, token)
	}
	for i := range max(len(text)-window+1, 0) {
		if strings.Contains(token, text[i:i+window]) {
			return true
		}
	}
	return false
}

// unreachable returns the reason for no answer. Errors of net/http can hold pieces of headers: nothing of them is taken over
// but what is known to be harmless.
func unreachable(ctx context.Context, err error) *deployer.Reason {
	detail := "the answer cannot be read"
	var outer *url.Error
	if errors.As(err, &outer) {
		err = outer.Err
	}
	var network *net.OpError
	switch {
	case ctx.Err() != nil:
		detail = context.Cause(ctx).Error()
	case errors.As(err, &network):
		detail = network.Error()
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		detail = "the connection was closed before the end of the answer"
	case strings.HasPrefix(err.Error(), "tls: "), strings.HasPrefix(err.Error(), "x509: "):
		detail = err.Error()
	}
	return &deployer.Reason{Code: deployer.Unreachable, Detail: clean(detail, maxMessageRunes)}
}
