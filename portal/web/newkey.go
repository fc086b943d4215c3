package web

import (
	"crypto/rand"
	"errors"
	"slices"
	"time"

	"github.com/gofiber/fiber/v2"

	"llmhub/fault"
	"llmhub/identity"
	"llmhub/portal/gateway"
	"llmhub/store"
	"llmhub/subscription"
)

// newKeyPage is the form by which a key is made.
type newKeyPage struct {
	Action, Back, Product string
	// KeyForm tells this form from others, so that sending it twice makes one key.
	KeyForm       string
	Name, Expires field
	Models        []modelBox
	ModelsFault   string
	Limits        limitsForm
	Problems      []link
	// Suspended says that the tenant can make no keys now.
	Suspended bool
}

type modelBox struct {
	ID, Name, Display string
	Checked           bool
}

// keyOncePage shows a key, once.
type keyOncePage struct {
	Product string
	Once    onceDialog
}

// keyGonePage says that a key was shown before.
type keyGonePage struct {
	Back string
}

var (
	newKeyTemplate  = newPage[newKeyPage]("newkey")
	keyOnceTemplate = newPage[keyOncePage]("keyonce")
	keyGoneTemplate = newPage[keyGonePage]("keygone")
)

func (w *Web) keyRoutes() []route {
	return []route{
		{fiber.MethodGet, "/keys", customers, w.showKeys},
		{fiber.MethodGet, "/subscriptions/:id/keys/new", customers, w.showNewKey},
		{fiber.MethodPost, "/subscriptions/:id/keys/new", customers, w.createKey},
		{fiber.MethodGet, "/subscriptions/:id/keys/:key", customers, w.showKey},
		{fiber.MethodGet, "/subscriptions/:id/keys/:key/limits", customers, w.showKeyLimits},
		{fiber.MethodPost, "/subscriptions/:id/keys/:key/limits", customers, w.setKeyLimits},
		{fiber.MethodGet, "/subscriptions/:id/keys/:key/deactivate", customers, w.confirmDeactivate},
		{fiber.MethodPost, "/subscriptions/:id/keys/:key/deactivate", customers, w.deactivateKey},
	}
}

func (w *Web) showNewKey(v *visit) error {
	s, ok, err := w.changeable(v)
	if !ok {
		return err
	}
	v.form = map[string][]string{"key_form": {rand.Text()}}
	return w.answerNewKey(v, fiber.StatusOK, s, nil)
}

// answerNewKey shows the form, filled with what the visitor has sent.
func (w *Web) answerNewKey(v *visit, status int, s subscription.Subscription, faults map[string]string) error {
	path := subscriptionPath(s.ID)
	p := newKeyPage{
		Action: path + "/keys/new", Back: path, Product: w.productName(s), KeyForm: v.value("key_form"), ModelsFault: faults["models"],
		Name: field{
			Name: "name", Label: v.t("keys.name"), Type: "text", Value: v.value("name"), Hint: v.t("keys.name.hint"), Error: faults["name"],
			Autocomplete: "off", Required: true, MaxLength: 100,
		},
		Expires: field{
			Name: "expires_at", Label: v.t("keys.expires.label"), Type: "date", Value: v.value("expires_at"),
			Hint: v.t("keys.expires.hint", "Zone", w.Location.String()), Error: faults["expires_at"],
		},
		Models: w.modelBoxes(v, s), Suspended: v.Tenant.State == identity.TenantSuspended,
		Limits: v.limitsForm(faults),
	}
	p.Problems = summary(faults, append([]field{p.Name, p.Expires}, p.Limits.fields()...)...)
	if p.ModelsFault != "" {
		p.Problems = append(p.Problems, link{"#models", v.t("keys.models") + ": " + p.ModelsFault})
	}
	return newKeyTemplate.render(v, status, w.newKeyFrame(v, s), p)
}

func (w *Web) newKeyFrame(v *visit, s subscription.Subscription) frame {
	return frame{Title: v.t("keys.new"), Current: "/keys", Narrow: true, Crumbs: []link{
		{"/subscriptions", v.t("subscription.list")}, {subscriptionPath(s.ID), w.productName(s)}, {"", v.t("keys.new")},
	}}
}

// modelBoxes are the models that a key can be restricted to.
func (w *Web) modelBoxes(v *visit, s subscription.Subscription) []modelBox {
	var boxes []modelBox
	for _, m := range w.grantedModels(s.Models) {
		boxes = append(boxes, modelBox{"model-" + itoa(len(boxes)), m.Name, m.DisplayName, slices.Contains(v.form["model"], m.Name)})
	}
	return boxes
}

// grantedModels returns those of the named models that are served, or all if none is named.
func (w *Web) grantedModels(names []string) []gateway.Model {
	return slices.DeleteFunc(slices.Clone(w.Models()), func(m gateway.Model) bool { return len(names) > 0 && !slices.Contains(names, m.Name) })
}

// createKey makes a key. The answer itself shows it: there is no other page that could.
func (w *Web) createKey(v *visit) error {
	s, ok, err := w.changeable(v)
	if !ok {
		return err
	}
	expires, err := w.expiry(v.value("expires_at"))
	limits, wrong := v.readLimits()
	if err := fault.Join(err, wrong); err != nil {
		return w.refuseKey(v, s, err)
	}
	// All that can fail is done before, so that no key is made that could not be shown.
	f := w.newKeyFrame(v, s)
	if err := v.complete(&f); err != nil {
		return err
	}
	key, secret, err := w.Service.CreateKey(v.ctx, v.Actor, subscription.CreateKey{
		SubscriptionID: s.ID, Name: v.value("name"), Models: v.form["model"], ExpiresAt: expires, Limits: limits, FormToken: v.value("key_form"),
	})
	if errors.Is(err, subscription.ErrAlreadyCreated) {
		return keyGoneTemplate.write(v, fiber.StatusConflict, f, keyGonePage{subscriptionPath(s.ID)})
	}
	if err != nil {
		return w.refuseKey(v, s, err)
	}
	models := key.Models
	if len(models) == 0 {
		models = s.Models
	}
	return keyOnceTemplate.write(v, fiber.StatusOK, f, keyOncePage{w.productName(s), onceDialog{
		Heading: v.t("keys.once"), Text: v.t("keys.once.text"), Label: v.t("keys.once.label", "Name", key.Name), Stored: v.t("keys.once.stored"),
		Sample: w.sample("chat.sh", firstModel(w.grantedModels(models), "chat")), Next: subscriptionPath(s.ID),
		File: "llm-hub.env", Variable: "LLM_HUB_KEY", Further: "LLM_HUB_BASE_URL=" + w.baseURL(), Secret: secret,
	}})
}

// refuseKey shows the form again with what is wrong.
func (w *Web) refuseKey(v *visit, s subscription.Subscription, err error) error {
	faults, shown := v.faults(err)
	if !shown {
		return err
	}
	return w.answerNewKey(v, fiber.StatusUnprocessableEntity, s, faults)
}

// expiry returns the end of a day, or nil if none is given.
func (w *Web) expiry(text string) (*time.Time, error) {
	if text == "" {
		return nil, nil
	}
	day, err := store.ParseDay(text)
	if err != nil {
		return nil, fault.New(fault.Invalid, "expires_at", "must be a day such as 2026-11-30")
	}
	end := w.startOf(day + 1)
	return &end, nil
}
