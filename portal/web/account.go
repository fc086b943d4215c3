package web

import (
	"slices"
	"time"

	"github.com/gofiber/fiber/v2"

	"llmhub/identity"
	"llmhub/secret"
)

// accountPage is a user's own account: who it is, where it is signed in, and the tokens that act for it.
type accountPage struct {
	Name, Tenant, Domain, TenantID string
	Rights                         []string
	// RightsPage says that the user gives rights to others.
	RightsPage bool
	Sessions   sessionTable
	Tokens     []tokenRow
	// MayMake says that tokens can be made.
	MayMake  bool
	Form     []field
	Problems []link
}

// tokenRow is a personal token. Revoke is empty if it cannot be used any more.
type tokenRow struct {
	Name, Prefix, State, Class, Revoke string
	CreatedAt, ExpiresAt               time.Time
}

// tokenOncePage shows a new personal token.
type tokenOncePage struct {
	LastDay time.Time
	Once    onceDialog
}

var (
	accountTemplate   = newPage[accountPage]("account")
	tokenOnceTemplate = newPage[tokenOncePage]("tokenonce")
)

// tokenDays is how long a personal token holds unless its user says otherwise.
const tokenDays = 90

func (w *Web) accountRoutes() []route {
	return []route{
		{fiber.MethodGet, "/account", signedIn, w.showAccount},
		{fiber.MethodPost, "/account/sessions", signedIn, w.endOtherSessions},
		{fiber.MethodPost, "/account/sessions/:session/end", signedIn, w.endSession},
		{fiber.MethodPost, "/account/tokens", customers, w.createToken},
		{fiber.MethodGet, "/account/tokens/:token/revoke", customers, w.confirmRevokeToken},
		{fiber.MethodPost, "/account/tokens/:token/revoke", customers, w.revokeToken},
	}
}

func (w *Web) showAccount(v *visit) error {
	if v.IsOperator() {
		return v.redirect("/operator/account")
	}
	return w.answerAccount(v, fiber.StatusOK, "", (w.today() + tokenDays).String(), nil)
}

// answerAccount shows the account, with what was typed in for a new token.
func (w *Web) answerAccount(v *visit, status int, name, expires string, faults map[string]string) error {
	sessions, err := w.sessionRows(v, v.User.ID)
	if err != nil {
		return err
	}
	p := accountPage{
		Name: v.User.Name, Tenant: v.Tenant.Name, Domain: v.Tenant.Domain, TenantID: v.Tenant.ID,
		RightsPage: v.Actor.Has(v.Tenant.ID, identity.ManageRights), Sessions: sessionTable{sessions, "/account/sessions", v.token},
		MayMake: len(v.Actor.Rights) > 0 && v.Tenant.State == identity.TenantActive,
		Form: []field{
			{Name: "name", Label: v.t("keys.name"), Type: "text", Value: name, Hint: v.t("account.token.name.hint"), Error: faults["name"], Autocomplete: "off", Required: true, MaxLength: 100},
			{Name: "expires_at", Label: v.t("account.token.expires"), Type: "date", Value: expires, Hint: v.t("account.token.expires.hint", "Zone", w.Location.String()), Error: faults["expires_at"], Required: true},
		},
	}
	p.Problems = summary(faults, p.Form...)
	for _, r := range v.Actor.Rights {
		p.Rights = append(p.Rights, v.t("right."+string(r)))
	}
	if p.Tokens, err = w.tokenRows(v); err != nil {
		return err
	}
	return accountTemplate.render(v, status, frame{Title: v.t("account.title"), Current: "/account"}, p)
}

func (w *Web) tokenRows(v *visit) ([]tokenRow, error) {
	tokens, err := w.Tokens.List(v.ctx, v.Actor)
	if err != nil {
		return nil, err
	}
	rows := make([]tokenRow, len(tokens))
	for i, t := range tokens {
		rows[i] = tokenRow{Name: t.Name, Prefix: t.Prefix, State: v.t("account.token.expired"), Class: "warn", CreatedAt: t.CreatedAt, ExpiresAt: t.ExpiresAt}
		switch {
		case t.Usable(w.Now()):
			rows[i].State, rows[i].Class, rows[i].Revoke = v.t("account.token.usable"), "good", "/account/tokens/"+t.ID+"/revoke"
		case t.RevokedAt != nil:
			rows[i].State, rows[i].Class = v.t("account.token.revoked"), "off"
		}
	}
	return rows, nil
}

func (w *Web) endOtherSessions(v *visit) error {
	if _, err := w.SignIn.OutAll(v.ctx, v.Session.UserID, v.Session.ID); err != nil {
		return err
	}
	return v.redirect("/account?done=sessions-ended")
}

// endSession ends one of the user's sessions elsewhere. That of this browser is ended by signing out.
func (w *Web) endSession(v *visit) error {
	sessions, err := w.Sessions.Of(v.ctx, v.Session.UserID)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(sessions, func(s identity.Session) bool { return s.ID == v.param("session") && s.ID != v.Session.ID })
	if i < 0 {
		return errNoPage
	}
	if err := w.SignIn.Out(v.ctx, sessions[i]); err != nil {
		return err
	}
	return v.redirect("/account?done=session-ended")
}

// createToken makes a personal token. The answer itself shows it: there is no other page that could.
func (w *Web) createToken(v *visit) error {
	var end time.Time
	expires, err := w.expiry(v.value("expires_at"))
	if expires != nil {
		end = *expires
	}
	// All that can fail is done before, so that no token is made that could not be shown.
	f := frame{Title: v.t("account.token.made"), Current: "/account", Narrow: true}
	if err := v.complete(&f); err != nil {
		return err
	}
	var token identity.PersonalToken
	var text secret.Text
	if err == nil {
		token, text, err = w.Tokens.Create(v.ctx, v.Actor, v.value("name"), end)
	}
	if err != nil {
		faults, shown := v.faults(err)
		if !shown {
			return err
		}
		return w.answerAccount(v, fiber.StatusUnprocessableEntity, v.value("name"), v.value("expires_at"), faults)
	}
	return tokenOnceTemplate.write(v, fiber.StatusOK, f, tokenOncePage{token.ExpiresAt.Add(-time.Second), onceDialog{
		Heading: v.t("account.token.once"), Text: v.t("account.token.once.text"), Label: v.t("account.token.label", "Name", token.Name),
		Stored: v.t("account.token.stored"), Sample: w.sample("token.sh", ""), Next: "/account",
		File: "llm-hub-token.env", Variable: "LLM_HUB_TOKEN", Further: "LLM_HUB_URL=" + w.PublicURL.String(), Secret: text,
	}})
}

// personalToken returns the token in the path if it is the visitor's own and can be used.
func (w *Web) personalToken(v *visit) (identity.PersonalToken, error) {
	tokens, err := w.Tokens.List(v.ctx, v.Actor)
	if err != nil {
		return identity.PersonalToken{}, err
	}
	i := slices.IndexFunc(tokens, func(t identity.PersonalToken) bool { return t.ID == v.param("token") && t.Usable(w.Now()) })
	if i < 0 {
		return identity.PersonalToken{}, errNoPage
	}
	return tokens[i], nil
}

func (w *Web) confirmRevokeToken(v *visit) error {
	t, err := w.personalToken(v)
	if err != nil {
		return err
	}
	return v.confirm(frame{Current: "/account", Crumbs: []link{{"/account", v.t("account.title")}, {"", v.t("account.token.revoke")}}}, confirmPage{
		Question: v.t("account.token.question", "Name", t.Name), Warning: v.t("keys.deactivate.final"), Text: v.t("account.token.revoke.text"),
		Action: "/account/tokens/" + t.ID + "/revoke", Verb: v.t("account.token.revoke"), Back: "/account", No: v.t("account.token.keep"),
	})
}

func (w *Web) revokeToken(v *visit) error {
	if _, err := w.Tokens.Revoke(v.ctx, v.Actor, v.param("token")); err != nil {
		return err
	}
	return v.redirect("/account?done=token-revoked")
}
