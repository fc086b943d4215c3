package main

import (
	"bytes"
	"errors"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/gofiber/fiber/v2/middleware/adaptor"
	"github.com/gofiber/fiber/v2/middleware/recover"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/valyala/fasthttp"

	"llmhub/portal"
	"llmhub/portal/web"
	"llmhub/store"
)

const (
	// readTimeout bounds a request's header and body.
	readTimeout = 2 * time.Minute
	// keepAlive is how long a connection may wait for its next request.
	keepAlive = 2 * time.Minute
	// smallBodyBytes bounds bodies that are not prompts, and those of callers without a valid key.
	smallBodyBytes = 1 << 20
	// chunkedLength is what fasthttp gives as the length of a chunked body.
	chunkedLength = -1
)

// newApp makes the handler of applications, customers and, unless they have a listener of their own, operators.
func (s *server) newApp() *fiber.App {
	app := s.newBareApp()
	app.Get("/healthz", func(c *fiber.Ctx) error { return c.SendString("ok\n") })
	app.Get("/readyz", s.readyz)
	app.Get("/metrics", s.guardMetrics, adaptor.HTTPHandler(promhttp.HandlerFor(s.registry, promhttp.HandlerOpts{})))
	if s.cfg.Portal.AdminListen == "" {
		app.Get(backupPath, s.sendBackup)
	}
	s.proxy.Register(app)
	s.portal.Register(app)
	s.web.Register(app)
	return app
}

// newOperatorApp makes the handler of the listener that only operators use.
func (s *server) newOperatorApp() *fiber.App {
	app := s.newBareApp()
	app.Get(backupPath, s.sendBackup)
	s.portal.RegisterOperators(app)
	s.web.RegisterOperators(app)
	return app
}

// newBareApp makes a handler without routes. Request bodies are not streamed: with that on, what an early refusal leaves
// unread would run as a second request.
func (s *server) newBareApp() *fiber.App {
	app := fiber.New(fiber.Config{
		AppName:               "llmhub",
		DisableStartupMessage: true,
		StreamRequestBody:     false,
		// Forms would be parsed, and prompts in them written to temporary files, before anything is authenticated.
		DisablePreParseMultipartForm: true,
		CaseSensitive:                true,
		BodyLimit:                    int(s.cfg.Limits.BodyBytes),
		ReadBufferSize:               int(s.cfg.Limits.HeaderBytes),
		ReadTimeout:                  readTimeout,
		WriteTimeout:                 s.cfg.Stream.WriteTimeout,
		IdleTimeout:                  keepAlive,
		ErrorHandler:                 s.answerError,
	})
	app.Server().HeaderReceived = s.bodyLimit
	app.Server().ConnState = s.freshWriteDeadline
	app.Server().Handler = s.knownMethods(app.Server().Handler)
	app.Server().Logger = quietLogger{}
	app.Server().SecureErrorLogMessage = true
	// fasthttp lets a handler's panic end the process.
	app.Use(recover.New())
	return app
}

// quietLogger drops fasthttp's own log: it tells of broken connections, which are counted, and quotes requests.
type quietLogger struct{}

func (quietLogger) Printf(string, ...any) {}

// freshWriteDeadline replaces the deadline of the answer before: fasthttp sets one for the answer only, and sends
// "100 Continue" and errors of its own under the old one.
func (s *server) freshWriteDeadline(c net.Conn, state fasthttp.ConnState) {
	if state == fasthttp.StateActive {
		_ = c.SetWriteDeadline(time.Now().Add(readTimeout + s.cfg.Stream.WriteTimeout))
	}
}

// bodyLimit bounds a request's body before it is read: only callers with a key may send long ones. A body of both
// framings is the last thing that its connection carries, since a proxy in front may have taken the other one.
func (s *server) bodyLimit(h *fasthttp.RequestHeader) fasthttp.RequestConfig {
	n := h.ContentLength()
	if n == chunkedLength && bytes.Contains(bytes.ToLower(h.RawHeaders()), []byte("content-length")) {
		h.SetConnectionClose()
	}
	if n >= 0 && n <= smallBodyBytes {
		return fasthttp.RequestConfig{}
	}
	if isModelPath(h.RequestURI()) && s.proxy.KnowsKey(h) {
		return fasthttp.RequestConfig{}
	}
	return fasthttp.RequestConfig{MaxRequestBodySize: min(largestForm(h), int(s.cfg.Limits.BodyBytes))}
}

// largestForm is how much is read of a body that is no prompt: where it may bring a file, more than is taken, so that what is too
// large is refused in words.
func largestForm(h *fasthttp.RequestHeader) int {
	path, _, _ := bytes.Cut(h.RequestURI(), []byte("?"))
	switch method := string(h.Method()); {
	case web.TakesFile(method, string(path)):
		return web.MaxUploadBytes
	case portal.BringsLicence(method, string(path)):
		return portal.MaxDeploymentBytes
	}
	return smallBodyBytes
}

func isModelPath(path []byte) bool {
	return bytes.HasPrefix(path, []byte("/v1/")) || bytes.HasPrefix(path, []byte("/v2/"))
}

// knownMethods answers methods that HTTP does not know, which fiber would answer in a form of its own.
func (s *server) knownMethods(next fasthttp.RequestHandler) fasthttp.RequestHandler {
	return func(ctx *fasthttp.RequestCtx) {
		if !slices.Contains(fiber.DefaultMethods, string(ctx.Method())) {
			s.proxy.ServerError(ctx, http.StatusMethodNotAllowed)
			return
		}
		next(ctx)
	}
}

// answerError answers what no handler has answered, in OpenAI's form, which has all that the management API's has. Of a
// request that could not be read not even the path is known.
func (s *server) answerError(c *fiber.Ctx, err error) error {
	status := http.StatusInternalServerError
	var fe *fiber.Error
	if errors.As(err, &fe) {
		status = fe.Code
	} else {
		s.log.Error("request failed", "route", c.Route().Path, "err", err)
	}
	header := &c.Request().Header
	if status == http.StatusRequestEntityTooLarge && isModelPath(header.RequestURI()) && !s.proxy.KnowsKey(header) {
		s.proxy.RefuseKey(c.Context()) // a good key may send more, so that the size is not what is wrong
		return nil
	}
	s.proxy.ServerError(c.Context(), status)
	return nil
}

// readyz says whether new requests can be served, and if not why.
func (s *server) readyz(c *fiber.Ctx) error {
	err := s.recorder.Ready()
	switch {
	case s.proxy.Draining():
		return c.Status(http.StatusServiceUnavailable).SendString("stopping\n")
	case errors.Is(err, store.ErrNoSpace):
		return c.Status(http.StatusServiceUnavailable).SendString("no space left to record usage\n")
	case err != nil:
		return c.Status(http.StatusServiceUnavailable).SendString("usage cannot be recorded\n")
	}
	return c.SendString("ok\n")
}

// guardMetrics lets in the operator's token, and callers on this machine that have not been forwarded by a proxy.
func (s *server) guardMetrics(c *fiber.Ctx) error {
	ip := c.Context().RemoteIP()
	forwarded := len(c.Request().Header.Peek("X-Forwarded-For"))+len(c.Request().Header.Peek("Forwarded")) > 0
	if isLoopback(ip) && !forwarded || s.adminAuthorized(c) {
		return c.Next()
	}
	c.Set(fiber.HeaderWWWAuthenticate, `Bearer realm="llmhub"`)
	return c.Status(http.StatusUnauthorized).SendString("metrics take the admin token, or a caller on the same machine\n")
}

func isLoopback(ip net.IP) bool { return ip != nil && ip.IsLoopback() }

func (s *server) adminAuthorized(c *fiber.Ctx) bool {
	token, ok := strings.CutPrefix(c.Get(fiber.HeaderAuthorization), "Bearer ")
	return ok && s.portal.AuthorizedAdmin(c, token)
}

// registerProcessMetrics adds the figures of the ledger, the process and the build.
func registerProcessMetrics(r prometheus.Registerer, l store.Ledger) {
	gauge := func(name, help string, f func(store.LedgerStats) int64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, func() float64 { return float64(f(l.Stats())) })
	}
	r.MustRegister(
		gauge("llmhub_ledger_fold_lag_batches", "Durable batches that are not part of the stored sums yet.",
			func(s store.LedgerStats) int64 { return s.FoldLagBatches }),
		gauge("llmhub_ledger_free_bytes", "Space left on the disk of the data folder; -1 if unknown.",
			func(s store.LedgerStats) int64 { return s.FreeBytes }),
		gauge("llmhub_ledger_log_bytes", "Size of the usage log.",
			func(s store.LedgerStats) int64 { return s.DataBytes }),
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		collectors.NewBuildInfoCollector(),
	)
}
