package helm

import (
	"errors"
	"net/url"
	"regexp"
	"strings"

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
	if j.rendering && !fromCluster(err) {
		return j.hide.reason(renderReason(err)) // its text may be any
	}
	r := *reasonOf(err)
	switch r.Code {
	case deployer.ReleaseGone, deployer.Rejected, deployer.NotReady:
		if j.vanished() {
			r.Code = deployer.NamespaceGone
			break
		}
	}
	switch generic := r.Code == deployer.Rejected || r.Code == deployer.NotReady; {
	case generic && j.objects.failedHook != "":
		r.Code, r.Object = deployer.HookFailed, j.objects.failedHook
	case generic && j.objects.applied:
		r.Code = deployer.NotReady
	}
	return j.hide.reason(&r)
}

// fromCluster says whether an error is an answer of the cluster, or the lack of one.
func fromCluster(err error) bool {
	var answer apierrors.APIStatus
	var network *url.Error
	return errors.As(err, &answer) || errors.As(err, &network) || err.Error() == "cannot re-use a name that is still in use"
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
	{regexp.MustCompile(`Kubernetes cluster unreachable|(Get|Post|Put|Patch|Delete) "https?://[^"]*": |answer of the cluster is too large|` +
		`an error on the server \(|the server (is currently unable to handle|was unable to return a response in time)`), deployer.Unreachable},
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
	switch {
	case apierrors.IsUnauthorized(err):
		return deployer.AccessEnded
	case unanswered(err):
		return deployer.Unreachable
	}
	for _, s := range signs {
		if s.text.MatchString(text) {
			return s.code
		}
	}
	var network *url.Error
	if errors.As(err, &network) {
		return deployer.Unreachable
	}
	return deployer.Rejected
}

// unanswered finds answers that are none: of gateways, and of servers that have no time. That a server could not ask an
// admission webhook is an answer.
func unanswered(err error) bool {
	return apierrors.IsUnexpectedServerError(err) || apierrors.IsServiceUnavailable(err) || apierrors.IsTimeout(err) ||
		apierrors.IsServerTimeout(err) || apierrors.IsTooManyRequests(err)
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
