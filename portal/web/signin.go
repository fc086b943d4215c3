package web

import (
	"errors"
	"net/url"

	"github.com/gofiber/fiber/v2"

	"llmhub/fault"
	"llmhub/identity"
	"llmhub/portal/access"
	"llmhub/secret"
)

// signInPage is the customers' sign-in.
type signInPage struct {
	Domain, User, Password field
	Passcode               field
	// Step is empty, or "passcode" when the password has been given and a second factor is asked for.
	Step     string
	Pending  string
	Next     string
	Remember bool
	Problem  string
	// Closed says that there is no directory customers could sign in with.
	Closed                 bool
	Console, PasswordReset string
}

var signInTemplate = newPage[signInPage]("signin")

// operatorSignInPage is the operators' sign-in.
type operatorSignInPage struct {
	Name, Password field
	Next           string
	Problem        string
}

var operatorSignInTemplate = newPage[operatorSignInPage]("operator-signin")

func (w *Web) signInRoutes() []route {
	return []route{
		{fiber.MethodGet, "/login", anyone, w.showSignIn},
		{fiber.MethodPost, "/login", anyone, w.signIn},
		{fiber.MethodGet, "/operator/login", anyone, w.showOperatorSignIn},
		{fiber.MethodPost, "/operator/login", anyone, w.signInOperator},
		{fiber.MethodPost, "/logout", anyone, w.signOut},
		{fiber.MethodPost, "/preferences", anyone, w.setPreferences},
	}
}

// newSignIn returns the empty form.
func (v *visit) newSignIn() signInPage {
	return signInPage{
		Domain:   field{Name: "domain", Label: v.t("signin.domain"), Type: "text", Hint: v.t("signin.domain.hint"), Required: true, Autocomplete: "organization", MaxLength: 200},
		User:     field{Name: "user", Label: v.t("signin.user"), Type: "text", Required: true, Autocomplete: "username", MaxLength: 200},
		Password: field{Name: "password", Label: v.t("signin.password"), Type: "password", Required: true, Autocomplete: "current-password", MaxLength: 500},
		Passcode: field{Name: "passcode", Label: v.t("signin.passcode"), Type: "text", Hint: v.t("signin.passcode.hint"), Autocomplete: "one-time-code", MaxLength: 10},
		Closed:   !v.web.CustomersSignIn, Console: v.web.Links.Console, PasswordReset: v.web.Links.PasswordReset,
	}
}

func (w *Web) showSignIn(v *visit) error {
	next := v.next()
	if v.SignedIn() {
		return v.redirect(afterSignIn(v.IsOperator(), next))
	}
	p := v.newSignIn()
	p.Next = next
	r := w.Guard.Remembered(v.c)
	p.Domain.Value, p.User.Value, p.Remember = r.Domain, r.User, r != (access.Remembered{})
	return v.answerSignIn(fiber.StatusOK, p)
}

func (v *visit) answerSignIn(status int, p signInPage) error {
	return signInTemplate.render(v, status, frame{Title: v.t("signin.title"), Plain: true}, p)
}

// afterSignIn is where a visitor goes who has signed in.
func afterSignIn(operator bool, next string) string {
	switch {
	case operator:
		return localPath(next, "/operator/approvals")
	default:
		return localPath(next, "/catalog")
	}
}

// signIn takes domain, user and password, or the passcode that belongs to those given just before.
func (w *Web) signIn(v *visit) error {
	p := v.newSignIn()
	p.Next, p.Remember = localPath(v.value("next"), ""), v.checked("remember")
	credentials := identity.Credentials{Domain: v.value("domain"), User: v.value("user"), Password: secret.New(v.value("password")), Passcode: secret.New(v.value("passcode"))}
	if id := v.value("pending"); id != "" {
		waiting, ok := w.pending.take(id, w.Guard.VisitorID(v.c))
		if !ok {
			p.Problem = v.t("signin.pending.over")
			return v.answerSignIn(fiber.StatusUnauthorized, p)
		}
		credentials = waiting.credentials
		credentials.Passcode = secret.New(v.value("passcode"))
		p.Remember = waiting.remember
	}
	p.Domain.Value, p.User.Value = credentials.Domain, credentials.User
	cookie, session, err := w.SignIn.Customer(v.ctx, credentials, v.origin())
	if err != nil {
		return w.refuseSignIn(v, p, credentials, err)
	}
	remembered := access.Remembered{}
	if p.Remember {
		remembered = access.Remembered{Domain: credentials.Domain, User: credentials.User}
	}
	w.Guard.Remember(v.c, remembered)
	w.endFormerSession(v)
	w.Guard.SignIn(v.c, cookie, session)
	return v.redirect(w.welcome(v, session, p.Next))
}

// welcome is where a customer goes after signing in: the first of a tenant is asked for its profile.
func (w *Web) welcome(v *visit, s identity.Session, next string) string {
	user, err := w.Users.Get(v.ctx, s.UserID)
	if err == nil {
		var tenant identity.Tenant
		if tenant, err = w.Tenants.Get(v.ctx, user.TenantID); err == nil {
			actor := user.Actor(tenant)
			profile, err := w.Profiles.Get(v.ctx, actor, tenant.ID)
			if err == nil && profile.State() == identity.ProfileNone && actor.Has(tenant.ID, identity.ManageProfile) {
				return "/setup"
			}
		}
	}
	return afterSignIn(false, next)
}

// refuseSignIn shows the form again and says why; what was typed stays, but for the secrets.
func (w *Web) refuseSignIn(v *visit, p signInPage, c identity.Credentials, err error) error {
	status := fiber.StatusUnauthorized
	var domain *fault.Error
	switch {
	case errors.Is(err, identity.ErrPasscodeNeeded):
		p.Step = "passcode"
		p.Pending = w.pending.add(w.Guard.VisitorID(v.c), pendingSignIn{credentials: c, remember: p.Remember})
		if c.Passcode.IsSet() {
			p.Problem = v.t("signin.wrong")
		}
	case errors.Is(err, identity.ErrCredentials):
		p.Problem = v.t("signin.wrong")
	case errors.Is(err, identity.ErrRoleMissing):
		status, p.Problem = fiber.StatusForbidden, v.t("signin.role")
	case errors.Is(err, identity.ErrUnavailable):
		status, p.Problem = fiber.StatusServiceUnavailable, v.t("signin.unavailable")
	case errors.As(err, &domain) && domain.Kind == fault.TooMany:
		status, p.Problem = fiber.StatusTooManyRequests, v.say(domain)
		access.RetryAfter(v.c, domain)
	case errors.As(err, &domain) && domain.Kind == fault.Invalid:
		status, p.Problem = fiber.StatusUnprocessableEntity, v.say(domain)
	default:
		return err
	}
	return v.answerSignIn(status, p)
}

// origin says where a sign-in comes from.
func (v *visit) origin() identity.Origin {
	return identity.Origin{Address: v.web.Guard.Address(v.c), Agent: v.c.Get(fiber.HeaderUserAgent)}
}

// endFormerSession ends the session that the browser has had until now.
func (w *Web) endFormerSession(v *visit) {
	if v.Session == nil {
		return
	}
	if err := w.SignIn.Out(v.ctx, *v.Session); err != nil {
		w.Logger.Warn("ending a former session", "request_id", v.id, "err", err)
	}
}

func (v *visit) newOperatorSignIn() operatorSignInPage {
	return operatorSignInPage{
		Name:     field{Name: "name", Label: v.t("signin.operator.name"), Type: "text", Required: true, Autocomplete: "username", MaxLength: 100},
		Password: field{Name: "password", Label: v.t("signin.password"), Type: "password", Required: true, Autocomplete: "current-password", MaxLength: 500},
	}
}

func (w *Web) showOperatorSignIn(v *visit) error {
	next := v.next()
	if v.IsOperator() {
		return v.redirect(afterSignIn(true, next))
	}
	p := v.newOperatorSignIn()
	p.Next = next
	return v.answerOperatorSignIn(fiber.StatusOK, p)
}

func (v *visit) answerOperatorSignIn(status int, p operatorSignInPage) error {
	return operatorSignInTemplate.render(v, status, frame{Title: v.t("signin.operator"), Plain: true}, p)
}

func (w *Web) signInOperator(v *visit) error {
	p := v.newOperatorSignIn()
	p.Next, p.Name.Value = localPath(v.value("next"), ""), v.value("name")
	cookie, session, err := w.SignIn.Operator(v.ctx, p.Name.Value, secret.New(v.value("password")), v.origin())
	var domain *fault.Error
	switch {
	case err == nil:
		w.endFormerSession(v)
		w.Guard.SignIn(v.c, cookie, session)
		return v.redirect(afterSignIn(true, p.Next))
	case errors.Is(err, identity.ErrCredentials):
		p.Problem = v.t("signin.operator.wrong")
		return v.answerOperatorSignIn(fiber.StatusUnauthorized, p)
	case errors.As(err, &domain) && domain.Kind == fault.TooMany:
		p.Problem = v.say(domain)
		access.RetryAfter(v.c, domain)
		return v.answerOperatorSignIn(fiber.StatusTooManyRequests, p)
	}
	return err
}

func (w *Web) signOut(v *visit) error {
	operator := v.IsOperator()
	w.endFormerSession(v)
	w.Guard.SignOut(v.c)
	if operator {
		return v.redirect("/operator/login?done=signed-out")
	}
	if next := localPath(v.value("next"), ""); next != "" { // who signs in again comes back
		return v.redirect("/login?next=" + url.QueryEscape(next))
	}
	return v.redirect("/catalog?done=signed-out")
}

// setPreferences remembers language or theme and goes back to where the visitor was.
func (w *Web) setPreferences(v *visit) error {
	if lang := v.value("language"); w.locale.In(lang).Language() == lang {
		w.Guard.SetLanguage(v.c, lang)
	}
	switch theme := v.value("theme"); theme {
	case "light", "dark":
		w.Guard.SetTheme(v.c, theme)
	case "system":
		w.Guard.SetTheme(v.c, "")
	}
	back := localPath(v.value("back"), "/catalog")
	if u, err := url.Parse(back); err == nil {
		// As it is escaped: unescaped, /%2Fexample.com would be the address of another site.
		back = withQuery(u.EscapedPath(), u.Query(), "done", "")
	}
	return v.redirect(back)
}
