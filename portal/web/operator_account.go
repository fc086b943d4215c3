package web

import (
	"errors"
	"time"

	"github.com/gofiber/fiber/v2"

	"llmhub/identity"
	"llmhub/secret"
)

// operatorAccountPage is an operator's own account.
type operatorAccountPage struct {
	Name                        string
	CreatedAt                   time.Time
	Current, Password, Repeated field
	Problems                    []link
	Sessions                    sessionTable
}

// sessionTable lists where somebody is signed in. With an Action each session can be ended by a form with the Token.
type sessionTable struct {
	Rows          []sessionRow
	Action, Token string
}

// sessionRow is a browser that somebody is signed in with.
type sessionRow struct {
	ID, Agent               string
	BeganAt, SeenAt, EndsAt time.Time
	Current                 bool
}

var operatorAccountTemplate = newPage[operatorAccountPage]("operator-account")

func (w *Web) showOperatorAccount(v *visit) error {
	return w.answerOperatorAccount(v, fiber.StatusOK, nil)
}

func (w *Web) answerOperatorAccount(v *visit, status int, faults map[string]string) error {
	sessions, err := w.sessionRows(v, v.Account.ID)
	if err != nil {
		return err
	}
	p := operatorAccountPage{
		Name: v.Account.Name, CreatedAt: v.Account.CreatedAt, Sessions: sessionTable{Rows: sessions},
		Current:  field{Name: "current", Label: v.t("opaccount.current"), Type: "password", Required: true, Autocomplete: "current-password", MaxLength: 256, Error: faults["current"]},
		Password: field{Name: "password", Label: v.t("opaccount.new"), Type: "password", Hint: v.t("opaccount.new.hint"), Required: true, Autocomplete: "new-password", MaxLength: 256, Error: faults["password"]},
		Repeated: field{Name: "repeated", Label: v.t("opaccount.repeated"), Type: "password", Required: true, Autocomplete: "new-password", MaxLength: 256, Error: faults["repeated"]},
	}
	p.Problems = summary(faults, p.Current, p.Password, p.Repeated)
	return operatorAccountTemplate.render(v, status, frame{Title: v.t("opaccount.title"), Current: "/operator/account", Narrow: true}, p)
}

// sessionRows returns where a user is signed in.
func (w *Web) sessionRows(v *visit, userID string) ([]sessionRow, error) {
	sessions, err := w.Sessions.Of(v.ctx, userID)
	if err != nil {
		return nil, err
	}
	rows := make([]sessionRow, len(sessions))
	for i, s := range sessions {
		rows[i] = sessionRow{ID: s.ID, Agent: orUnknown(s.Agent), BeganAt: s.CreatedAt, SeenAt: s.SeenAt, EndsAt: s.EndsAt, Current: s.ID == v.Session.ID}
	}
	return rows, nil
}

// changeOperatorPassword sets another password for who knows the one in force, and ends the account's other sessions.
func (w *Web) changeOperatorPassword(v *visit) error {
	if v.value("password") != v.value("repeated") {
		return w.answerOperatorAccount(v, fiber.StatusUnprocessableEntity, map[string]string{"repeated": v.t("opaccount.repeated.differs")})
	}
	cookie, session, err := w.SignIn.ChangePassword(v.ctx, v.Account, secret.New(v.value("current")), secret.New(v.value("password")), v.origin())
	if errors.Is(err, identity.ErrCredentials) {
		return w.answerOperatorAccount(v, fiber.StatusUnprocessableEntity, map[string]string{"current": v.t("opaccount.current.wrong")})
	}
	if err != nil {
		faults, shown := v.faults(err)
		if !shown || faults["password"] == "" {
			return err
		}
		return w.answerOperatorAccount(v, fiber.StatusUnprocessableEntity, faults)
	}
	w.Guard.SignIn(v.c, cookie, session)
	return v.redirect("/operator/account?done=password-changed")
}

func (w *Web) endOtherOperatorSessions(v *visit) error {
	if _, err := w.SignIn.OutAll(v.ctx, v.Account.ID, v.Session.ID); err != nil {
		return err
	}
	return v.redirect("/operator/account?done=sessions-ended")
}
