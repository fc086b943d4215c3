package web

import (
	"github.com/gofiber/fiber/v2"

	"llmhub/identity"
	"llmhub/subscription"
)

// keyLimitsPage is the form for the limits of a key.
type keyLimitsPage struct {
	Action, Back, Name, Prefix string
	Limits                     limitsForm
	Problems                   []link
}

var keyLimitsTemplate = newPage[keyLimitsPage]("keylimits")

// limitableKey returns the key in the path if the visitor may limit it. One that has been deactivated cannot be limited:
// ok is false, and the visitor is sent to it.
func (w *Web) limitableKey(v *visit) (k subscription.Key, s subscription.Subscription, ok bool, err error) {
	if k, s, err = w.key(v); err != nil {
		return k, s, false, err
	}
	if err := v.Actor.Require(k.TenantID, identity.Subscribe, errNoPage); err != nil {
		return k, s, false, err
	}
	if subscription.KeyState(k, s, w.Now()) == subscription.KeyDeactivated {
		return k, s, false, v.redirect(keyPath(k))
	}
	return k, s, true, nil
}

func (w *Web) showKeyLimits(v *visit) error {
	k, s, ok, err := w.limitableKey(v)
	if !ok {
		return err
	}
	v.fillLimits(k.Limits)
	return w.answerKeyLimits(v, fiber.StatusOK, k, s, nil)
}

// answerKeyLimits shows the form, filled with what the visitor has sent.
func (w *Web) answerKeyLimits(v *visit, status int, k subscription.Key, s subscription.Subscription, faults map[string]string) error {
	p := keyLimitsPage{Action: keyPath(k) + "/limits", Back: keyPath(k), Name: k.Name, Prefix: k.Prefix, Limits: v.limitsForm(faults)}
	p.Problems = summary(faults, p.Limits.fields()...)
	return keyLimitsTemplate.render(v, status, w.keyFrame(v, s, k, v.t("limits.title")), p)
}

func (w *Web) setKeyLimits(v *visit) error {
	k, s, ok, err := w.limitableKey(v)
	if !ok {
		return err
	}
	rules, err := v.readLimits()
	if err == nil {
		_, err = w.Service.SetKeyLimits(v.ctx, v.Actor, k.ID, rules)
	}
	if err == nil {
		return v.redirect(keyPath(k) + "?done=limits-saved")
	}
	faults, shown := v.faults(err)
	if !shown {
		return err
	}
	return w.answerKeyLimits(v, fiber.StatusUnprocessableEntity, k, s, faults)
}
