package upstream

import (
	"context"
	"fmt"
	"net"
	"net/http"

	"github.com/fasthttp/websocket"
)

// DialWebSocket opens a websocket at the server. Where the server answers the handshake with an error, refused is that answer
// with the beginning of its body.
func (c *Client) DialWebSocket(ctx context.Context, path string, header http.Header) (conn *websocket.Conn, refused *http.Response, err error) {
	scheme := "ws"
	if c.tls != nil {
		scheme = "wss"
	}
	for _, h := range c.cfg.Header {
		header.Set(h.Name, h.Value)
	}
	header.Set("User-Agent", "llmhub")
	d := websocket.Dialer{HandshakeTimeout: c.cfg.ConnectTimeout, TLSClientConfig: c.tls, NetDialContext: (&net.Dialer{}).DialContext}
	conn, resp, err := d.DialContext(ctx, scheme+"://"+c.host+c.prefix+path, header)
	if err != nil {
		return nil, resp, fmt.Errorf("upstream %s: %w: %w", c.cfg.Name, ErrConnect, err)
	}
	return conn, nil, nil
}
