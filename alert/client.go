package alert

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"syscall"
	"time"
)

// callTime bounds one call of a webhook.
const callTime = 10 * time.Second

// errPrivate says that an address is none of the public internet.
var errPrivate = errors.New("address is not public")

// client calls webhooks, whose addresses come from customers: it must not be a way into the operator's network. The address
// is judged when it is connected to, behind the resolution of its name.
type client struct {
	http         *http.Client
	allowPrivate bool
}

func newClient(allowPrivate bool) *client {
	dialer := &net.Dialer{Timeout: callTime}
	if !allowPrivate {
		dialer.Control = func(_, address string, _ syscall.RawConn) error { return requirePublic(address) }
	}
	return &client{allowPrivate: allowPrivate, http: &http.Client{
		Timeout: callTime,
		Transport: &http.Transport{
			DialContext: dialer.DialContext, TLSHandshakeTimeout: callTime, DisableKeepAlives: true,
			MaxResponseHeaderBytes: 16 << 10, Proxy: nil,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// notPublic are networks that netip has no word for.
var notPublic = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),
	netip.MustParsePrefix("100.64.0.0/10"), // carrier-grade NAT; cloud metadata among it
	netip.MustParsePrefix("192.0.0.0/24"),  // protocol assignments
	netip.MustParsePrefix("198.18.0.0/15"), // benchmarks
	netip.MustParsePrefix("240.0.0.0/4"),   // reserved
	netip.MustParsePrefix("2001::/32"),     // Teredo, which leads to any IPv4 address
	netip.MustParsePrefix("2002::/16"),     // 6to4, likewise
}

// publicIPv6 is all that is given out of IPv6. Beside it are NAT64 and other forms of IPv4, and what sites once had of their own.
var publicIPv6 = netip.MustParsePrefix("2000::/3")

func requirePublic(address string) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return errPrivate
	}
	ip := at.Addr().Unmap().WithZone("") // prefixes contain no address with a zone
	if !ip.IsGlobalUnicast() || ip.IsPrivate() || ip.Is6() && !publicIPv6.Contains(ip) {
		return errPrivate
	}
	for _, p := range notPublic {
		if p.Contains(ip) {
			return errPrivate
		}
	}
	return nil
}

// post sends a message and returns what went wrong, if anything did.
func (c *client) post(ctx context.Context, address string, body []byte, header map[string]string) Problem {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return Problem{Code: badAddress}
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", "llmhub-webhook")
	for name, value := range header {
		r.Header.Set(name, value)
	}
	resp, err := c.http.Do(r)
	if err != nil {
		return callProblem(err)
	}
	defer resp.Body.Close()
	_, _ = io.CopyN(io.Discard, resp.Body, 4<<10) // what it says is of no interest
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return Problem{Code: badStatus, Status: resp.StatusCode}
	}
	return Problem{}
}

func callProblem(err error) Problem {
	var late net.Error
	switch {
	case errors.Is(err, errPrivate):
		return Problem{Code: private}
	case errors.As(err, &late) && late.Timeout():
		return Problem{Code: timeout}
	}
	return Problem{Code: unreachable}
}
