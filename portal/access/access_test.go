package access

import (
	"net"
	"net/netip"
	"testing"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"
)

// request makes the context of a request from an address, with headers as pairs; one may come several times.
func request(t *testing.T, ip string, header ...string) *fiber.Ctx {
	t.Helper()
	var r fasthttp.Request
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	var ctx fasthttp.RequestCtx
	ctx.Init(&r, &net.TCPAddr{IP: net.ParseIP(ip), Port: 1234}, nil)
	app := fiber.New()
	c := app.AcquireCtx(&ctx)
	t.Cleanup(func() { app.ReleaseCtx(c) })
	return c
}

// TestAddress: a client must not be able to say itself where it is, or its guesses would never be counted together.
func TestAddress(t *testing.T) {
	const forwarded = "X-Forwarded-For"
	g := New(Options{TrustedProxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}})
	for _, c := range []struct {
		name, peer string
		header     []string
		want       string
	}{
		{"no proxy", "192.0.2.1", nil, "192.0.2.1"},
		{"no proxy, but said to be one", "192.0.2.1", []string{forwarded, "198.51.100.9"}, "192.0.2.1"},
		{"proxy", "10.0.0.1", []string{forwarded, "192.0.2.1"}, "192.0.2.1"},
		{"two proxies", "10.0.0.1", []string{forwarded, "192.0.2.1, 10.0.0.2"}, "192.0.2.1"},
		{"proxy behind what the client says", "10.0.0.1", []string{forwarded, "198.51.100.9, 192.0.2.1"}, "192.0.2.1"},
		{"proxy that adds a line of its own", "10.0.0.1", []string{forwarded, "198.51.100.9", forwarded, "192.0.2.1"}, "192.0.2.1"},
		{"rubbish", "10.0.0.1", []string{forwarded, "198.51.100.9, rubbish"}, "10.0.0.1"},
	} {
		if got := g.Address(request(t, c.peer, c.header...)); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

// TestVisitorID: browsers are told apart, those whose session is over among them.
func TestVisitorID(t *testing.T) {
	g := New(Options{Key: []byte("key")})
	id := func(cookie string) string { return g.VisitorID(request(t, "192.0.2.1", "Cookie", cookie)) }
	one, other, over := id("llmhub_visitor=one"), id("llmhub_visitor=other"), id("llmhub_session=over")
	if one == "" || other == "" || over == "" || one == other || one == over || one != id("llmhub_visitor=one") || over != id("llmhub_session=over") {
		t.Errorf("%q, %q and %q", one, other, over)
	}
	if none := id("theme=dark"); none != "" {
		t.Errorf("without a cookie of the portal's: %q", none)
	}
}
