package config

import (
	"cmp"
	"regexp"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"llmhub/secret"
	"llmhub/yamldoc"
)

const (
	maxHeaders     = 20
	maxHeaderBytes = 1024
	// defaultAnthropicVersion is the version of Anthropic's API that callers get who name none.
	defaultAnthropicVersion = "2023-06-01"
)

var (
	versionForm     = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,39}$`)
	headerNameForm  = regexp.MustCompile("^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}$")
	headerValueForm = regexp.MustCompile(`^[!-~]([ -~]*[!-~])?$`)
)

// ownHeaders are those that llmhub sets itself, passes on from callers, or that are about one connection only.
var ownHeaders = []string{
	"accept", "accept-encoding", "anthropic-version", "api-key", "authorization", "connection", "content-encoding", "content-length",
	"content-type", "expect", "host", "keep-alive", "openai-beta", "proxy-authenticate", "proxy-authorization", "proxy-connection",
	"te", "traceparent", "tracestate", "trailer", "transfer-encoding", "upgrade", "user-agent", "x-api-key",
}

func (d *decoder) upstream(u *Upstream, n node) {
	u.Auth = ""
	d.Mapping(n,
		required("name", d.Text(&u.Name, maxNameBytes, upstreamForm, upstreamRule)),
		optional("kind", yamldoc.Choice(d.Decoder, &u.Kind, KindOpenAI, KindAzure, KindAnthropic)),
		required("base_url", d.baseURL(&u.BaseURL)),
		optional("api_key", d.secret(&u.APIKey, 1)),
		optional("auth", yamldoc.Choice(d.Decoder, &u.Auth, AuthKey, AuthBearer)),
		optional("api_version", d.version(&u.APIVersion)),
		optional("headers", d.headers(&u.Headers)),
		optional("on_disconnect", yamldoc.Choice(d.Decoder, &u.OnDisconnect, Cancel, Drain)),
		optional("stream_usage", d.Flag(&u.StreamUsage)),
		optional("connect_timeout", d.duration(&u.ConnectTimeout, 10*time.Millisecond, time.Hour)),
		optional("first_byte_timeout", d.duration(&u.FirstByteTimeout, 10*time.Millisecond, maxDuration)),
		optional("idle_timeout", d.duration(&u.IdleTimeout, 10*time.Millisecond, maxDuration)),
		optional("max_connections", yamldoc.Count(d.Decoder, &u.MaxConnections, 0, 1_000_000)),
		optional("ca_file", d.certificates(&u.RootCAs)),
	)
	d.kindOf(u, n)
}

// version reads the version of an API: a date, quoted or not, or a word.
func (d *decoder) version(into *string) reader {
	return func(n node) {
		const want = "a version such as 2024-10-21"
		text, ok := d.Scalar(n, want, "!!timestamp", "!!str")
		switch {
		case !ok:
		case !versionForm.MatchString(text):
			d.Fault(n, "%s is not %s", yamldoc.Quote(text), want)
		default:
			*into = text
		}
	}
}

// kindOf judges what depends on the kind, and sets its defaults.
func (d *decoder) kindOf(u *Upstream, n node) {
	switch u.Kind {
	case KindOpenAI:
		if u.Auth == AuthKey {
			d.Fault(n.Named("auth"), "is for the kinds azure and anthropic; openai takes keys as bearer only")
		}
		if u.APIVersion != "" {
			d.Fault(n.Named("api_version"), "is for the kinds azure and anthropic")
		}
		u.Auth = AuthBearer
	case KindAzure:
		if u.BaseURL != nil && strings.Contains(u.BaseURL.Path+"/", "/openai/") {
			d.Fault(n.Named("base_url"), "must be the address of the resource, without /openai and what follows")
		}
		u.Auth = cmp.Or(u.Auth, AuthKey)
	case KindAnthropic:
		if u.BaseURL != nil && strings.Trim(u.BaseURL.Path, "/") == "" {
			d.Fault(n.Named("base_url"), "must end with the API's version, such as https://api.anthropic.com/v1")
		}
		u.Auth = cmp.Or(u.Auth, AuthKey)
		u.APIVersion = cmp.Or(u.APIVersion, defaultAnthropicVersion)
	}
}

// headers reads a mapping of header names to values, or to references where a value is secret.
func (d *decoder) headers(into *[]Header) reader {
	return func(n node) {
		switch {
		case !d.Usable(n):
			return
		case n.Kind != yaml.MappingNode:
			d.Fault(n, "must be a mapping of header names to values")
			return
		case len(n.Content) > 2*maxHeaders:
			d.Fault(n, "has %d headers; at most %d are allowed", len(n.Content)/2, maxHeaders)
			return
		}
		seen := map[string]bool{}
		for i := 0; i+1 < len(n.Content); i += 2 {
			name := n.Content[i].Value
			at, folded := n.Below(name, n.Content[i+1]), strings.ToLower(name)
			switch {
			case !headerNameForm.MatchString(name):
				d.Fault(n, "%s is not the name of a header", yamldoc.Quote(name))
			case slices.Contains(ownHeaders, folded):
				d.Fault(at, "is a header that llmhub sets itself, or passes on from callers")
			case seen[folded]:
				d.Fault(at, "is given twice")
			default:
				*into = append(*into, Header{name, d.headerValue(at)})
			}
			seen[folded] = true
		}
		slices.SortFunc(*into, func(a, b Header) int { return strings.Compare(a.Name, b.Name) })
	}
}

func (d *decoder) headerValue(n node) (value secret.Text) {
	if n.Kind == yaml.MappingNode {
		d.secret(&value, 1)(n)
		return value
	}
	var text string
	d.Text(&text, maxHeaderBytes, headerValueForm, "a value of visible ASCII characters and spaces between them")(n)
	return secret.New(text)
}
