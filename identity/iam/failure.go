package iam

import (
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

	"github.com/gophercloud/gophercloud/v2"

	"llmhub/identity"
)

// failed turns what a call ended with into one of the directory's errors, with a detail for the log. The SDK's errors hold
// whole bodies, and those of net/http can hold pieces of headers: nothing of them is taken over but what is known to be harmless.
func failed(ctx context.Context, call string, err error) error {
	var status gophercloud.ErrUnexpectedResponseCode
	if errors.As(err, &status) {
		return refused(call, status)
	}
	return fmt.Errorf("%w: %s: %w", identity.ErrUnavailable, call, cause(ctx, err))
}

// refused is failed for an answer with a status that is not that of success.
func refused(call string, e gophercloud.ErrUnexpectedResponseCode) error {
	kind := identity.ErrUnavailable
	if rejects(e.Actual) {
		kind = identity.ErrCredentials
	}
	detail := fmt.Sprintf("status %d", e.Actual)
	if code := readBody(e.Body).code; code != "" {
		detail += ", " + code
	}
	return fmt.Errorf("%w: %s: %s", kind, call, detail)
}

// rejects says whether a status is about what was sent. 403 is the answer to users whom the rules of their domain keep out,
// 400 to names that cannot be those of a user.
func rejects(status int) bool {
	return status == http.StatusBadRequest || status == http.StatusUnauthorized || status == http.StatusForbidden
}

// senseless is an answer that was read and makes no sense.
type senseless string

// Error returns what is wrong with the answer.
func (s senseless) Error() string { return string(s) }

// cause returns why there is no answer, free of anything that the service has sent.
func cause(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	var outer *url.Error
	if errors.As(err, &outer) {
		err = outer.Err
	}
	var network *net.OpError
	var tooLarge *http.MaxBytesError
	var wrong senseless
	switch {
	case errors.As(err, &wrong):
		return wrong
	case errors.As(err, &network):
		return network
	case errors.As(err, &tooLarge):
		return fmt.Errorf("the answer has more than %d bytes", tooLarge.Limit)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("the connection was closed before the end of the answer")
	case strings.HasPrefix(err.Error(), "tls: "), strings.HasPrefix(err.Error(), "x509: "):
		return err
	}
	return fmt.Errorf("the answer cannot be read (%T)", err)
}

// body is what is used of the body of an error.
type body struct {
	// code is the service's own number of the error, like IAM.0011; empty if it gave none.
	code string
	// text is in the service's words. It is looked through, never passed on.
	text string
}

var codePattern = regexp.MustCompile(`^[A-Z]{2,8}\.[0-9]{1,8}$`)

// readBody understands both forms in which the service writes errors: Keystone's, and that of OTC's own calls.
func readBody(b []byte) body {
	var forms struct {
		Keystone struct {
			Message string `json:"message"`
			Title   string `json:"title"`
			// Code is the status as a number, or a code as in the other form.
			Code any `json:"code"`
		} `json:"error"`
		Message string `json:"error_msg"`
		Code    string `json:"error_code"`
	}
	// A part that has another type than expected leaves the rest readable.
	_ = json.Unmarshal(b, &forms)
	code, _ := forms.Keystone.Code.(string)
	if code == "" {
		code = forms.Code
	}
	if !codePattern.MatchString(code) {
		code = ""
	}
	return body{code: code, text: strings.Join([]string{forms.Keystone.Title, forms.Keystone.Message, forms.Message}, " ")}
}

var factorPattern = regexp.MustCompile(`(?i)\b(mfa|totp|passcode|multi-?factor|verification code)\b`)

// wantsPasscode says whether a sign-in without a passcode was refused for the want of it. Keystone hands out a receipt for
// the factor that was right. OTC's documents promise no sign at all: where its text names the second factor, that counts;
// where it does not, the answer is that to a wrong password, and the user has to give the passcode unasked.
func wantsPasscode(err error) bool {
	var status gophercloud.ErrUnexpectedResponseCode
	return errors.As(err, &status) && status.Actual == http.StatusUnauthorized &&
		(status.ResponseHeader.Get("Openstack-Auth-Receipt") != "" || factorPattern.MatchString(readBody(status.Body).text))
}
