package web

import (
	"context"
	"errors"
	"slices"

	"github.com/gofiber/fiber/v2"

	"llmhub/deployer"
)

// reasonNote says what keeps a deployment from going on: a sentence, what can be done about it, the objects that it is about,
// and the cluster's own words.
type reasonNote struct {
	Text, Remedy     string
	Objects, Details []string
	// SignIn says that signing in again mends it, and leads back to Next. Token is for that form.
	SignIn      bool
	Next, Token string
}

// reason returns the words for a reason; nil for none.
func (v *visit) reason(r *deployer.Reason) *reasonNote {
	if r == nil {
		return nil
	}
	key := "reason." + string(r.Code)
	note := &reasonNote{Text: v.t(key), Remedy: v.t(key + ".fix")}
	note.add(r)
	return note
}

// add notes what a reason is about.
func (n *reasonNote) add(r *deployer.Reason) {
	if r.Object != "" && !slices.Contains(n.Objects, r.Object) {
		n.Objects = append(n.Objects, r.Object)
	}
	if r.Detail != "" && !slices.Contains(n.Details, r.Detail) {
		n.Details = append(n.Details, r.Detail)
	}
}

// trouble returns what an error of a cluster says at its place on a page, with a way to sign in again where that helps, or
// the error if it is another one.
func (v *visit) trouble(err error) (*reasonNote, error) {
	var r *deployer.Reason
	switch {
	case errors.As(err, &r):
	case errors.Is(err, context.DeadlineExceeded):
		r = &deployer.Reason{Code: deployer.Unreachable}
	default:
		return nil, err
	}
	return v.mendable(r), nil
}

// mendable returns the words for a reason of this very request, with a way to sign in again where that helps.
func (v *visit) mendable(r *deployer.Reason) *reasonNote {
	note := v.reason(r)
	if r.Code == deployer.AccessEnded {
		note.SignIn, note.Token, note.Next = true, v.token, v.here()
	}
	return note
}

// here is the address of the page, to come back to.
func (v *visit) here() string {
	if v.c.Method() == fiber.MethodGet {
		return string(v.c.Request().RequestURI())
	}
	return string(v.c.Request().URI().Path())
}
