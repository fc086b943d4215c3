package web

import "github.com/gofiber/fiber/v2"

// confirmPage asks before something is done that cannot be undone, and says what comes of it.
type confirmPage struct {
	Question, Warning, Text string
	// Verb stands on the button that sends the form to Action; No leads Back.
	Action, Verb, Back, No string
}

var confirmTemplate = newPage[confirmPage]("confirm")

// confirm answers with the question.
func (v *visit) confirm(f frame, p confirmPage) error {
	f.Title, f.Narrow = p.Question, true
	return confirmTemplate.render(v, fiber.StatusOK, f, p)
}
