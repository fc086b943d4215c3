package web

import (
	"slices"
	"time"

	"github.com/gofiber/fiber/v2"

	"llmhub/identity"
)

// rightsPage is the users of a tenant with their rights, which its owner gives.
type rightsPage struct {
	Users []userRights
	// First says that no rights have been given yet: to give the first takes them from Losers, who have them by their role.
	First  bool
	Losers int
}

type userRights struct {
	ID, Name     string
	Owner, Admin bool
	LastSignInAt time.Time
	Rights       []rightBox
	// Revoke leads to taking away all rights; empty if there are none.
	Revoke string
}

type rightBox struct {
	ID, Name, Text, Hint string
	Checked              bool
}

var rightsTemplate = newPage[rightsPage]("rights")

// givenRights are those that can be given.
var givenRights = []identity.Right{identity.Reports, identity.ManageProfile, identity.Subscribe}

func (w *Web) rightsRoutes() []route {
	return []route{
		{fiber.MethodGet, "/rights", customers, w.showRights},
		{fiber.MethodPost, "/rights/:user", customers, w.giveRights},
		{fiber.MethodGet, "/rights/:user/revoke", customers, w.confirmRevokeRights},
		{fiber.MethodPost, "/rights/:user/revoke", customers, w.revokeRights},
	}
}

// members returns the users of the tenant, for who may give them rights.
func (w *Web) members(v *visit) ([]identity.User, error) {
	if err := v.Actor.Require(v.Tenant.ID, identity.ManageRights, errNoPage); err != nil {
		return nil, err
	}
	return w.Users.List(v.ctx, v.Actor, v.Tenant.ID)
}

func (w *Web) showRights(v *visit) error {
	users, err := w.members(v)
	if err != nil {
		return err
	}
	p := rightsPage{First: !v.Tenant.RightsGiven, Losers: w.losers(v, users, "")}
	for _, u := range users {
		rights := identity.RightsOf(u, v.Tenant)
		row := userRights{ID: u.ID, Name: u.Name, Owner: u.Owner, Admin: u.Admin, LastSignInAt: u.LastSignInAt}
		for _, r := range givenRights {
			row.Rights = append(row.Rights, rightBox{u.ID + "-" + string(r), string(r), v.t("right." + string(r)), v.t("rights.hint." + string(r)), slices.Contains(rights, r)})
		}
		if len(rights) > 0 && !u.Owner {
			row.Revoke = "/rights/" + u.ID + "/revoke"
		}
		p.Users = append(p.Users, row)
	}
	slices.SortStableFunc(p.Users, func(a, b userRights) int {
		switch {
		case a.Owner == b.Owner:
			return 0
		case a.Owner:
			return -1
		}
		return 1
	})
	return rightsTemplate.render(v, fiber.StatusOK, frame{
		Title: v.t("rights.title"), Current: "/account", Narrow: true, Crumbs: []link{{"/account", v.t("account.title")}, {"", v.t("rights.title")}},
	}, p)
}

// losers counts the users beside one who have rights by their role alone, which end when the first are given.
func (w *Web) losers(v *visit, users []identity.User, except string) (n int) {
	for _, u := range users {
		if !v.Tenant.RightsGiven && !u.Owner && u.ID != except && len(identity.RightsOf(u, v.Tenant)) > 0 {
			n++
		}
	}
	return n
}

func (w *Web) giveRights(v *visit) error {
	rights := make([]identity.Right, 0, len(givenRights))
	for _, r := range v.form["right"] {
		rights = append(rights, identity.Right(r))
	}
	if _, err := w.Users.Give(v.ctx, v.Actor, v.param("user"), rights); err != nil {
		return err
	}
	return v.redirect("/rights?done=rights-given")
}

func (w *Web) confirmRevokeRights(v *visit) error {
	users, err := w.members(v)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(users, func(u identity.User) bool { return u.ID == v.param("user") && !u.Owner })
	if i < 0 {
		return errNoPage
	}
	text := v.t("rights.revoke.text")
	if n := w.losers(v, users, users[i].ID); n > 0 {
		text += " " + v.t("rights.losers", "Count", n)
	}
	return v.confirm(frame{Current: "/account", Crumbs: []link{{"/account", v.t("account.title")}, {"/rights", v.t("rights.title")}, {"", v.t("rights.revoke")}}}, confirmPage{
		Question: v.t("rights.question", "Name", users[i].Name), Warning: v.t("rights.revoke.warning"), Text: text,
		Action: "/rights/" + users[i].ID + "/revoke", Verb: v.t("rights.revoke"), Back: "/rights", No: v.t("rights.keep"),
	})
}

func (w *Web) revokeRights(v *visit) error {
	if _, err := w.Users.Give(v.ctx, v.Actor, v.param("user"), nil); err != nil {
		return err
	}
	return v.redirect("/rights?done=rights-revoked")
}
