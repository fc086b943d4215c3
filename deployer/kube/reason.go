package kube

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"llmhub/deployer"
)

// maxDetailRunes bounds the texts of the cluster that are kept.
const maxDetailRunes = 1000

// minSecretBytes is the size below which a secret is not looked for in texts: replacing single letters helps nobody.
const minSecretBytes = 4

// failed turns an error of the client into a *deployer.Reason; doing is what was tried, such as "list nodes". That a caller
// has given up stays what it is.
func failed(ctx context.Context, err error, doing string) error {
	var known *deployer.Reason
	switch {
	case err == nil:
		return nil
	case errors.As(err, &known):
		return known
	case errors.Is(ctx.Err(), context.Canceled):
		return ctx.Err()
	}
	r := reasonOf(err, doing, scrubber{})
	return &r
}

// reasonOf says what an error of the client means.
func reasonOf(err error, doing string, s scrubber) deployer.Reason {
	var status apierrors.APIStatus
	if !errors.As(err, &status) {
		return deployer.Reason{Code: deployer.Unreachable, Detail: s.clean(plain(err))}
	}
	st := status.Status()
	text := s.clean(doing + ": " + st.Message)
	switch {
	case apierrors.IsUnauthorized(err):
		return deployer.Reason{Code: deployer.AccessEnded, Detail: s.clean(doing)}
	case apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause), namespaceMissing(err, st):
		return deployer.Reason{Code: deployer.NamespaceGone, Detail: text}
	case apierrors.IsForbidden(err) && byQuota(st.Message):
		return deployer.Reason{Code: deployer.Quota, Detail: text}
	case apierrors.IsForbidden(err):
		return deployer.Reason{Code: deployer.AccessDenied, Detail: text}
	case unanswered(err, st):
		return deployer.Reason{Code: deployer.Unreachable, Detail: text}
	}
	return deployer.Reason{Code: deployer.Rejected, Detail: text}
}

// byQuota tells a refusal by a ResourceQuota or a LimitRange from others.
func byQuota(message string) bool {
	for _, words := range []string{"exceeded quota", "failed quota", " usage per ", "limit to request ratio per "} {
		if strings.Contains(message, words) {
			return true
		}
	}
	return false
}

func namespaceMissing(err error, st metav1.Status) bool {
	return apierrors.IsNotFound(err) && st.Details != nil && st.Details.Kind == "namespaces" && st.Details.Name != "" &&
		!apierrors.IsUnexpectedServerError(err)
}

// unanswered finds answers that are none: of gateways, of servers that are overloaded or broken, and of what is no
// Kubernetes API at all.
func unanswered(err error, st metav1.Status) bool {
	return st.Code >= http.StatusInternalServerError || st.Code == http.StatusTooManyRequests || st.Code == 0 ||
		st.Code < http.StatusBadRequest || apierrors.IsTimeout(err) || apierrors.IsUnexpectedServerError(err)
}

// plain returns the text of an error without the URL, which says nothing to users.
func plain(err error) string {
	var u *url.Error
	if errors.As(err, &u) {
		if u.Timeout() {
			return fmt.Sprintf("no answer within %v", callTimeout)
		}
		err = u.Err
	}
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return fmt.Sprintf("an answer has more than %d MiB", maxAnswerBytes>>20)
	case errors.Is(err, context.DeadlineExceeded), strings.Contains(err.Error(), "would exceed context deadline"):
		return "no answer in time"
	}
	return err.Error()
}

// scrubber removes secrets from texts.
type scrubber struct{ replace *strings.Replacer }

// newScrubber returns a scrubber of all secrets that are long enough, in the forms in which messages quote them.
func newScrubber(secrets []string) scrubber {
	var all []string
	add := func(s string) {
		if s = strings.TrimSpace(s); len(s) >= minSecretBytes {
			quoted := strconv.Quote(s)
			all = append(all, s, quoted[1:len(quoted)-1])
		}
	}
	for _, s := range secrets {
		add(s)
		if lines := strings.Split(s, "\n"); len(lines) > 1 {
			for _, l := range lines {
				add(l)
			}
		}
	}
	if len(all) == 0 {
		return scrubber{}
	}
	slices.SortFunc(all, func(a, b string) int { return len(b) - len(a) })
	var pairs []string
	for _, s := range slices.Compact(all) {
		pairs = append(pairs, s, "[redacted]")
	}
	return scrubber{strings.NewReplacer(pairs...)}
}

// clean returns a text of the cluster as it can be kept: without secrets, on one line, and not too long.
func (s scrubber) clean(text string) string {
	if s.replace != nil {
		text = s.replace.Replace(text)
	}
	var b strings.Builder
	n := 0
	for _, r := range strings.TrimSpace(text) {
		if n++; n > maxDetailRunes {
			break
		}
		if unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp) {
			r = ' '
		}
		b.WriteRune(r)
	}
	return strings.TrimSpace(b.String())
}
