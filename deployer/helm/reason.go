package helm

import (
	"context"
	"errors"
	"net/url"
	"regexp"
	"strings"

	"helm.sh/helm/v3/pkg/storage/driver"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"llmhub/deployer"
)

// failure is the message for an error whose reason needs no more than itself.
func failure(err error, hide *hider) message { return message{Reason: hide.reason(reasonOf(err))} }

// reason returns why a job has failed.
func (j *job) reason(err error) *deployer.Reason {
	if j.objects.deleteError != nil {
		err = j.objects.deleteError // of which Helm's error says nothing
	}
	r := reasonOf(err)
	generic := r.Code == deployer.Rejected || r.Code == deployer.NotReady || r.Code == deployer.Quota
	switch {
	case generic && j.rendering:
		r = renderReason(err)
	case generic && j.objects.failedHook != "":
		r = &deployer.Reason{Code: deployer.HookFailed, Object: j.objects.failedHook, Detail: r.Detail}
	}
	return j.hide.reason(r)
}

// sign is a text by which an error is known. Helm turns most errors into texts before it returns them.
type sign struct {
	text *regexp.Regexp
	code deployer.ReasonCode
}

var signs = []sign{
	{regexp.MustCompile(`because it is being terminated|namespaces? "[^"]+" not found`), deployer.NamespaceGone},
	{regexp.MustCompile(`\bUnauthorized\b|asked for the client to provide credentials|remote error: tls: (expired|bad|revoked|unknown)? ?certificate`), deployer.AccessEnded},
	{regexp.MustCompile(`exceeded quota`), deployer.Quota},
	{regexp.MustCompile(`forbidden: User "|cannot \w+ resource "`), deployer.AccessDenied},
	{regexp.MustCompile(`exists and cannot be imported|cannot re-use a name that is still in use|^release: already exists`), deployer.ReleaseExists},
	{regexp.MustCompile(`another operation \(install/upgrade/rollback\) is in progress`), deployer.Interrupted},
	{regexp.MustCompile(`release: not found|has no deployed releases`), deployer.ReleaseGone},
	{regexp.MustCompile(`Kubernetes cluster unreachable|(Get|Post|Put|Patch|Delete) "https?://[^"]*": |answer of the cluster is too large`), deployer.Unreachable},
	{regexp.MustCompile(`context deadline exceeded|timed out waiting for the condition|would exceed context deadline`), deployer.NotReady},
}

// reasonOf returns the reason that an error tells; Rejected if it tells none, since most of Helm's errors are the API
// server's. Its detail is not hidden yet.
func reasonOf(err error) *deployer.Reason {
	var r *deployer.Reason
	if errors.As(err, &r) {
		return r
	}
	text := err.Error()
	return &deployer.Reason{Code: codeOf(err, text), Object: objectIn(text), Detail: text}
}

func codeOf(err error, text string) deployer.ReasonCode {
	for _, s := range signs[:1] {
		if s.text.MatchString(text) {
			return s.code
		}
	}
	var network *url.Error
	switch {
	case apierrors.IsUnauthorized(err):
		return deployer.AccessEnded
	case errors.Is(err, driver.ErrReleaseNotFound), errors.Is(err, driver.ErrNoDeployedReleases):
		return deployer.ReleaseGone
	}
	for _, s := range signs[1:] {
		if s.text.MatchString(text) {
			return s.code
		}
	}
	switch {
	case errors.As(err, &network):
		return deployer.Unreachable
	case errors.Is(err, context.DeadlineExceeded):
		return deployer.NotReady
	}
	return deployer.Rejected
}

var (
	objectForm = regexp.MustCompile(`([A-Za-z]+)(?:\.[a-z0-9.-]+)? "([^"\s]{1,253})" (?:is invalid|is forbidden|in namespace|already exists)`)
	kindForm   = regexp.MustCompile(`no matches for kind "(\w{1,63})"`)
)

// objectIn returns the object that an error is about, empty if it names none.
func objectIn(text string) string {
	if m := objectForm.FindStringSubmatch(text); m != nil {
		return m[1] + "/" + m[2]
	}
	if m := kindForm.FindStringSubmatch(text); m != nil {
		return m[1]
	}
	return ""
}

const schemaPrefix = "values don't meet the specifications of the schema(s)"

// renderReason returns the reason for an error of loading and rendering.
func renderReason(err error) *deployer.Reason {
	var r *deployer.Reason
	if errors.As(err, &r) {
		return r
	}
	text := err.Error()
	switch {
	case strings.HasPrefix(text, schemaPrefix):
		return &deployer.Reason{Code: deployer.ValuesInvalid, Detail: schemaFaults(text)}
	case strings.HasPrefix(text, "chart requires kubeVersion"):
		return &deployer.Reason{Code: deployer.KubeVersion, Detail: text}
	}
	return &deployer.Reason{Code: deployer.RenderFailed, Detail: text}
}
