package web

import (
	"context"
	"errors"
	"log/slog"
	"net/url"

	"github.com/gofiber/fiber/v2"

	"llmhub/deployer"
	"llmhub/fault"
	"llmhub/portal/access"
	"llmhub/store"
)

// failurePage is the page of an error: what has happened, what to do, and the ID to ask for help with.
type failurePage struct {
	Status    int
	Heading   string
	Text      string
	RequestID string
	// Retry says that the same may work later.
	Retry bool
}

var failureTemplate = newPage[failurePage]("failure")

// answerError is the one place where errors become pages. What is not known is internal: the visitor gets the request
// ID, the log the details.
func (v *visit) answerError(err error) error {
	if errors.Is(err, errSignIn) {
		return v.sendToSignIn()
	}
	p := v.classify(err)
	p.RequestID = v.id
	if p.Status >= fiber.StatusInternalServerError {
		v.web.Logger.Error("page failed", slog.String("request_id", v.id), slog.String("method", v.c.Method()),
			slog.String("route", v.c.Route().Path), slog.Int("status", p.Status), slog.Any("error", err))
	}
	return failureTemplate.render(v, p.Status, frame{Title: p.Heading, Narrow: true}, p)
}

// sendToSignIn asks the visitor to sign in, and comes back to the page afterwards.
func (v *visit) sendToSignIn() error {
	to := "/login"
	if isOperatorPath(v.c.Path()) {
		to = "/operator/login"
	}
	if v.c.Method() == fiber.MethodGet {
		to += "?next=" + url.QueryEscape(string(v.c.Request().RequestURI()))
	}
	return v.redirect(to)
}

func (v *visit) classify(err error) failurePage {
	var (
		domain *fault.Error
		reason *deployer.Reason
	)
	switch {
	case errors.As(err, &domain):
		return v.classifyFault(domain)
	case errors.As(err, &reason):
		note := v.reason(reason)
		return failurePage{Status: fiber.StatusConflict, Heading: v.t("failure.state"), Text: note.Text + " " + note.Remedy, Retry: true}
	case errors.Is(err, store.ErrInvalid):
		return v.classifyFault(errNoPage)
	case errors.Is(err, store.ErrConflict):
		return failurePage{Status: fiber.StatusConflict, Heading: v.t("failure.conflict"), Text: v.t("failure.conflict.text"), Retry: true}
	case errors.Is(err, store.ErrNoSpace):
		return failurePage{Status: fiber.StatusInsufficientStorage, Heading: v.t("failure.unavailable"), Text: v.t("failure.space.text")}
	case errors.Is(err, store.ErrClosed), errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return failurePage{Status: fiber.StatusServiceUnavailable, Heading: v.t("failure.unavailable"), Text: v.t("failure.unavailable.text"), Retry: true}
	}
	return failurePage{Status: fiber.StatusInternalServerError, Heading: v.t("failure.internal"), Text: v.t("failure.internal.text"), Retry: true}
}

// classifyFault turns an error of the domain into a page; its text is meant for people.
func (v *visit) classifyFault(f *fault.Error) failurePage {
	p := failurePage{Text: v.say(f)}
	switch f.Kind {
	case fault.NotFound:
		p.Status, p.Heading = fiber.StatusNotFound, v.t("failure.missing")
		p.Text = v.t("failure.missing.text") // one text, whatever does not exist
	case fault.Forbidden:
		p.Status, p.Heading = fiber.StatusForbidden, v.t("failure.forbidden")
	case fault.TooMany:
		p.Status, p.Heading, p.Retry = fiber.StatusTooManyRequests, v.t("failure.often"), true
		access.RetryAfter(v.c, f)
	case fault.Conflict, fault.State:
		p.Status, p.Heading = fiber.StatusConflict, v.t("failure.state")
	default:
		p.Status, p.Heading = fiber.StatusUnprocessableEntity, v.t("failure.invalid")
	}
	return p
}
