package config

import (
	"net"
	"net/mail"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"llmhub/yamldoc"
)

const (
	maxURLBytes = 2048
	noUser      = "must not contain a user or password"
)

// address reads host:port. An empty host means all addresses.
func (d *decoder) address(into *string) reader {
	return func(n node) {
		text, ok := d.Scalar(n, "an address such as 127.0.0.1:8080", "!!str")
		if !ok {
			return
		}
		_, port, err := net.SplitHostPort(text)
		if err == nil {
			_, err = strconv.ParseUint(port, 10, 16)
		}
		if err != nil {
			d.Fault(n, "%s is not an address such as 127.0.0.1:8080", yamldoc.Quote(text))
			return
		}
		*into = text
	}
}

// server reads the http or https address of a server, nil after a fault. The text is not repeated in faults, as it may
// hold a password; withUser says what to do instead.
func (d *decoder) server(n node, example, withUser string) *url.URL {
	text, ok := d.Scalar(n, "a URL such as "+example, "!!str")
	if !ok {
		return nil
	}
	u, err := url.Parse(text)
	switch {
	case err != nil:
		d.Fault(n, "is not a URL such as %s", example)
	case u.Scheme != "http" && u.Scheme != "https":
		d.Fault(n, "must begin with http:// or https://")
	case u.User != nil:
		d.Fault(n, "%s", withUser)
	case u.Hostname() == "":
		d.Fault(n, "names no host")
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		d.Fault(n, "must not contain a query or fragment")
	default:
		u.Path = strings.TrimRight(u.Path, "/")
		u.RawPath = strings.TrimRight(u.RawPath, "/")
		return u
	}
	return nil
}

// baseURL reads the address of a model server.
func (d *decoder) baseURL(into **url.URL) reader {
	return func(n node) {
		if u := d.server(n, "https://models.example.com/v1", noUser+"; give the key as api_key"); u != nil {
			*into = u
		}
	}
}

// service reads the address of a server that passwords are sent to.
func (d *decoder) service(into **url.URL) reader {
	return func(n node) {
		if u := d.server(n, "https://iam.example.com/v3", noUser); u != nil && d.private(n, u) {
			*into = u
		}
	}
}

// originHost is a host as browsers send it, with a port if it is none that goes without saying.
var originHost = regexp.MustCompile(`^([a-zA-Z0-9.-]+|\[[0-9a-fA-F:.]+\])(:[1-9][0-9]{0,4})?$`)

// origin reads the address that browsers reach llmhub by, in the form in which they give it.
func (d *decoder) origin(into **url.URL) reader {
	return func(n node) {
		u := d.server(n, "https://llm-hub.example.com", noUser)
		switch {
		case u == nil:
		case u.Path != "":
			d.Fault(n, "must not contain a path")
		case !originHost.MatchString(u.Host):
			d.Fault(n, "must name the host, and the port if any, as browsers send them: letters, digits, dots and hyphens (xn--…)")
		case d.private(n, u):
			u.Host = strings.ToLower(u.Host)
			u.Host = strings.TrimSuffix(u.Host, map[string]string{"http": ":80", "https": ":443"}[u.Scheme])
			*into = u
		}
	}
}

// private refuses addresses at which others could read what is sent: http to another machine.
func (d *decoder) private(n node, u *url.URL) bool {
	ip, err := netip.ParseAddr(u.Hostname())
	if u.Scheme == "https" || err == nil && ip.IsLoopback() || strings.EqualFold(u.Hostname(), "localhost") {
		return true
	}
	d.Fault(n, "must begin with https:// (http:// is for 127.0.0.1, [::1] and localhost alone)")
	return false
}

// link reads an address that pages lead to, of one of the given schemes.
func (d *decoder) link(into *string, schemes ...string) reader {
	return func(n node) {
		var text string
		d.Text(&text, maxURLBytes, nil, "")(n)
		if text == "" {
			return
		}
		u, err := url.Parse(text)
		switch {
		case err != nil || strings.ContainsAny(text, " \"<>\\"):
			d.Fault(n, "is not a URL")
		case !slices.Contains(schemes, u.Scheme):
			d.Fault(n, "must begin with %s", strings.ReplaceAll(strings.Join(schemes, ":// or ")+"://", "mailto://", "mailto:"))
		case u.User != nil:
			d.Fault(n, noUser)
		case u.Scheme == "https" && u.Hostname() == "":
			d.Fault(n, "names no host")
		case u.Scheme == "mailto" && !isMailbox(u.Opaque):
			d.Fault(n, "is not an address such as mailto:help@example.com")
		default:
			*into = text
		}
	}
}

func isMailbox(text string) bool {
	a, err := mail.ParseAddress(text)
	return err == nil && a.Address == text
}

// prefixes reads a list of networks, such as 10.0.0.0/8, and single addresses.
func (d *decoder) prefixes(into *[]netip.Prefix) reader {
	return func(list node) {
		d.Sequence(list, maxTrustedProxies, func(_ int, n node) {
			text, ok := d.Scalar(n, "a network such as 10.0.0.0/8", "!!str")
			if !ok {
				return
			}
			prefix, err := netip.ParsePrefix(text)
			if ip, notIP := netip.ParseAddr(text); notIP == nil && ip.Zone() == "" {
				prefix, err = netip.PrefixFrom(ip, ip.BitLen()), nil
			}
			switch {
			case err != nil:
				d.Fault(n, "%s is not a network such as 10.0.0.0/8", yamldoc.Quote(text))
			case prefix.Addr().Is4In6():
				d.Fault(n, "must be written as an IPv4 network")
			case prefix != prefix.Masked():
				d.Fault(n, "%s is an address within a network; the network is %s", yamldoc.Quote(text), prefix.Masked())
			case prefix.Bits() == 0:
				d.Fault(n, "would trust every address")
			default:
				*into = append(*into, prefix)
			}
		})
	}
}
