package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"llmhub/secret"
)

const (
	defaultServer    = "http://127.0.0.1:8080"
	serverVariable   = "LLMHUB_SERVER"
	tokenVariable    = "LLMHUB_ADMIN_TOKEN"
	personalVariable = "LLMHUB_TOKEN"
	clientTimeout    = 60 * time.Second
	maxAnswerBytes   = 64 << 20
	maxErrorBytes    = 64 << 10
	maxListPages     = 1000
	listPageElements = "1000"
	// numberedPageElements is for lists whose pages have numbers.
	numberedPageElements = "100"
)

// apiFlags are the flags of every command that talks to the management API.
type apiFlags struct {
	env    *environment
	server string
	token  string
	asJSON bool
}

func (a *apiFlags) add(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&a.server, "server", "", "address of the running llmhub (default "+serverVariable+" or "+defaultServer+")")
	f.StringVar(&a.token, "token", "", "personal or administrator's token; other users of this machine can see it, better set "+personalVariable+" or "+tokenVariable)
	f.BoolVar(&a.asJSON, "json", false, "print JSON, as the server sends it")
}

// client speaks to the management API.
type client struct {
	base  string
	token string
	// iamToken goes along as X-Auth-Token if it is set.
	iamToken secret.Text
	http     *http.Client
}

// client returns a client from flags and environment. Its errors never contain the token.
func (a *apiFlags) client() (*client, error) {
	server := a.firstOf(a.server, serverVariable)
	if server == "" {
		server = defaultServer
	}
	u, err := url.Parse(server)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, usagef("--server must be an address such as %s", defaultServer)
	}
	token := a.firstOf(a.firstOf(a.token, personalVariable), tokenVariable)
	if token == "" {
		return nil, &hintedError{usagef("no token is given"), "set " + personalVariable + " to a personal token, or " + tokenVariable + " to the administrator's, or use --token"}
	}
	if !printable(token) {
		return nil, usagef("the token contains spaces or characters other than ASCII")
	}
	return &client{
		base:  strings.TrimRight(server, "/") + "/api/v1",
		token: token,
		http: &http.Client{
			Timeout: clientTimeout,
			// The token is meant for this server alone.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}, nil
}

// printable says whether a token can go into a header.
func printable(token string) bool {
	return !strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' })
}

// firstOf returns what a flag says, or else an environment variable.
func (a *apiFlags) firstOf(flag, variable string) string {
	if flag != "" {
		return flag
	}
	v, _ := a.env.lookup(variable)
	return v
}

// answerError is an error the server has answered with.
type answerError struct {
	Status    int    `json:"-"`
	Code      string `json:"code"`
	Message   string `json:"message"`
	RequestID string `json:"request_id"`
	Details   []struct {
		Field   string `json:"field"`
		Message string `json:"message"`
	} `json:"details"`
}

// about says whether a field of the request is at fault.
func (e *answerError) about(field string) bool {
	for _, d := range e.Details {
		if d.Field == field {
			return true
		}
	}
	return false
}

func (e *answerError) Error() string {
	if e.Status >= http.StatusInternalServerError && e.RequestID != "" {
		return fmt.Sprintf("%s (request %s)", clean(e.Message), clean(e.RequestID))
	}
	return clean(e.Message)
}

func (c *client) get(ctx context.Context, path string, query url.Values) (json.RawMessage, error) {
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	return c.do(ctx, http.MethodGet, path, nil)
}

func (c *client) post(ctx context.Context, path string, body any) (json.RawMessage, error) {
	if body == nil {
		return c.do(ctx, http.MethodPost, path, nil)
	}
	text, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	return c.do(ctx, http.MethodPost, path, text)
}

func (c *client) do(ctx context.Context, method, path string, body []byte) (json.RawMessage, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+c.token)
	if c.iamToken.IsSet() {
		req.Header.Set("X-Auth-Token", c.iamToken.Reveal())
	}
	req.Header.Set("Accept", "application/json")
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, c.unreachable(ctx, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode/100 != 2 {
		return nil, c.refused(resp)
	}
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswerBytes+1))
	switch {
	case err != nil:
		return nil, c.unreachable(ctx, err)
	case len(text) > maxAnswerBytes:
		return nil, &hintedError{fmt.Errorf("the answer is larger than %d MiB", maxAnswerBytes>>20), "ask for less, such as a shorter range"}
	case !json.Valid(text):
		return nil, c.stranger(resp.StatusCode)
	}
	return text, nil
}

// unreachable explains why no answer came.
func (c *client) unreachable(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return errors.New("interrupted")
	}
	var urlErr *url.Error
	if errors.As(err, &urlErr) {
		err = urlErr.Err
		if urlErr.Timeout() {
			err = fmt.Errorf("no answer within %s", clientTimeout)
		}
	}
	return &hintedError{
		fmt.Errorf("cannot reach %s: %w", strings.TrimSuffix(c.base, "/api/v1"), err),
		"is llmhub serve running, and is --server or " + serverVariable + " its address?",
	}
}

// refused reads the server's error.
func (c *client) refused(resp *http.Response) error {
	text, _ := io.ReadAll(io.LimitReader(resp.Body, maxErrorBytes)) // what came is enough to judge by
	var body struct{ Error *answerError }
	if json.Unmarshal(text, &body) != nil || body.Error == nil || body.Error.Message == "" {
		return c.stranger(resp.StatusCode)
	}
	body.Error.Status = resp.StatusCode
	switch {
	case resp.StatusCode == http.StatusUnauthorized:
		return &hintedError{
			errors.New("the server refuses the token"),
			personalVariable + ", " + tokenVariable + " or --token must be a personal token that holds, or the administrator's that the server was started with",
		}
	case resp.StatusCode == http.StatusRequestHeaderFieldsTooLarge && c.iamToken.IsSet():
		return &hintedError{body.Error, "the IAM token is larger than limits.header of the server allows; one without a catalog of services is smaller"}
	case body.Error.Code == codeAccessEnded && !c.iamToken.IsSet():
		body.Error.Message = "clusters of the cloud need a token of the identity service"
		return &hintedError{body.Error, "set " + iamVariable + " to one, such as openstack token issue -f value -c id prints, or use --iam-token-file"}
	case body.Error.Code == codeAccessEnded:
		return &hintedError{body.Error, "set " + iamVariable + " to an IAM token that holds, or use --iam-token-file"}
	}
	return body.Error
}

func (c *client) stranger(status int) error {
	return &hintedError{
		fmt.Errorf("%s answers with status %d, but not as llmhub does", strings.TrimSuffix(c.base, "/api/v1"), status),
		"is --server or " + serverVariable + " the address of an llmhub?",
	}
}

// listNumbered gathers all pages of a list whose pages have numbers.
func (c *client) listNumbered(ctx context.Context, path string, query url.Values) (json.RawMessage, error) {
	all := []json.RawMessage{}
	query.Set("per_page", numberedPageElements)
	for n := 1; n <= maxListPages; n++ {
		query.Set("page", strconv.Itoa(n))
		text, err := c.get(ctx, path, query)
		if err != nil {
			return nil, err
		}
		var page struct {
			Data  []json.RawMessage `json:"data"`
			Pages int               `json:"pages"`
		}
		if err := json.Unmarshal(text, &page); err != nil {
			return nil, c.stranger(http.StatusOK)
		}
		all = append(all, page.Data...)
		if n >= page.Pages {
			return json.Marshal(map[string]any{"data": all})
		}
	}
	return nil, errors.New("the list does not end")
}

// list gathers all pages of a list.
func (c *client) list(ctx context.Context, path string, query url.Values) (json.RawMessage, error) {
	all := []json.RawMessage{}
	query.Set("limit", listPageElements)
	for range maxListPages {
		text, err := c.get(ctx, path, query)
		if err != nil {
			return nil, err
		}
		var page struct {
			Data []json.RawMessage `json:"data"`
			Next string            `json:"next"`
		}
		if err := json.Unmarshal(text, &page); err != nil {
			return nil, c.stranger(http.StatusOK)
		}
		all = append(all, page.Data...)
		if page.Next == "" {
			return json.Marshal(map[string]any{"data": all})
		}
		query.Set("after", page.Next)
	}
	return nil, errors.New("the list does not end")
}
