package web

import (
	"html/template"
	"slices"
	"time"

	"github.com/gofiber/fiber/v2"

	"llmhub/catalog"
	"llmhub/deployer"
)

const (
	licenceRoute       = "/deploy/:draft/licence"
	configurationRoute = "/deploy/:draft/configuration"
)

func (w *Web) deployRoutes() []route {
	return []route{
		{fiber.MethodPost, "/catalog/:product/deploy", customers, w.beginDeployment},
		{fiber.MethodGet, "/deploy/:draft", customers, w.continueDraft},
		{fiber.MethodPost, "/deploy/:draft/discard", customers, w.discardDraft},
		{fiber.MethodGet, "/deploy/:draft/target", customers, w.showTarget},
		{fiber.MethodPost, "/deploy/:draft/target", customers, w.setTarget},
		{fiber.MethodGet, licenceRoute, customers, w.showLicence},
		{fiber.MethodPost, licenceRoute, customers, w.setLicence},
		{fiber.MethodGet, configurationRoute, customers, w.showConfiguration},
		{fiber.MethodPost, configurationRoute, customers, w.setConfiguration},
		{fiber.MethodGet, "/deploy/:draft/review", customers, w.showReviewOfDraft},
		{fiber.MethodPost, "/deploy/:draft/review", customers, w.deploy},
	}
}

// wizard is what the steps of a deployment share: where one is, and what has been entered so far.
type wizard struct {
	ID, Product, Version, Seller string
	Icon                         template.HTML
	// Upgrade says that a workload is changed, whose target cannot be.
	Upgrade bool
	Heading string
	Steps   []wizardStep
	Target  deployer.Target
	// TakesLicence says that there is a step for a licence; Licence says in words which there is, empty if none.
	TakesLicence bool
	Licence      string
	// Configured says that the configuration has been entered.
	Configured bool
	// These lead back to the steps that have been done; each is empty where that is not possible.
	TargetHref, LicenceHref, ConfigurationHref string
	// Discard throws the draft away; Token is for that form.
	Discard, Token string
	EndsAt         time.Time
}

// wizardStep is a step of the wizard. Href leads to it where it can be gone to.
type wizardStep struct {
	Number     int
	Text, Href string
	// State is done, current or later.
	State string
}

// wizardSteps are the steps of a product, in order.
func wizardSteps(p catalog.Product) []deployer.Step {
	steps := []deployer.Step{deployer.StepTarget, deployer.StepLicence, deployer.StepConfiguration, deployer.StepReview}
	if p.CCE == nil || p.CCE.BYOL == nil {
		steps = slices.Delete(steps, 1, 2)
	}
	return steps
}

// stepAfter is the path of the step behind one.
func stepAfter(d deployer.Draft, p catalog.Product, s deployer.Step) string {
	steps := wizardSteps(p)
	i := slices.Index(steps, s)
	return draftPath(d.ID) + "/" + string(steps[min(i+1, len(steps)-1)])
}

// beginDeployment makes a draft. What keeps from it is said on the product's page.
func (w *Web) beginDeployment(v *visit) error {
	p, err := w.product(v)
	if err != nil {
		return err
	}
	d, err := w.Deployments.NewDraft(v.ctx, v.Actor, p.ID)
	if err == nil {
		return v.redirect(draftPath(d.ID) + "/target")
	}
	if faults, shown := v.faults(err); shown {
		return w.answerProduct(v, fiber.StatusUnprocessableEntity, p, faults)
	}
	return err
}

// draft returns the draft in the path. One that has become a workload cannot be changed: ok is false, and the visitor is
// sent to the workload.
func (w *Web) draft(v *visit) (d deployer.Draft, p catalog.Product, ok bool, err error) {
	if d, err = w.Deployments.Draft(v.ctx, v.Actor, v.param("draft")); err != nil {
		return d, p, false, err
	}
	if d.WorkloadMade != "" {
		return d, p, false, v.redirect(workloadPath(d.WorkloadMade))
	}
	if p, ok = w.Catalog().Product(d.ProductID); !ok {
		return d, p, false, errNoPage
	}
	return d, p, true, nil
}

// draftAt is draft for a step that others come before: as long as one of them is missing, the visitor is sent there.
func (w *Web) draftAt(v *visit, step deployer.Step) (d deployer.Draft, p catalog.Product, ok bool, err error) {
	if d, p, ok, err = w.draft(v); !ok {
		return d, p, false, err
	}
	missing, err := w.Deployments.Missing(v.ctx, d)
	if err != nil {
		return d, p, false, err
	}
	steps := wizardSteps(p)
	if slices.Index(steps, missing) < slices.Index(steps, step) {
		return d, p, false, v.redirect(draftPath(d.ID) + "/" + string(missing))
	}
	return d, p, true, nil
}

// continueDraft leads to the first step that is still to be done.
func (w *Web) continueDraft(v *visit) error {
	d, _, ok, err := w.draft(v)
	if !ok {
		return err
	}
	missing, err := w.Deployments.Missing(v.ctx, d)
	if err != nil {
		return err
	}
	return v.redirect(draftPath(d.ID) + "/" + string(missing))
}

func (w *Web) discardDraft(v *visit) error {
	if err := w.Deployments.Discard(v.ctx, v.Actor, v.param("draft")); err != nil {
		return err
	}
	return v.redirect("/workloads?done=draft-discarded")
}

// wizard returns what is around a step.
func (w *Web) wizard(v *visit, d deployer.Draft, p catalog.Product, current deployer.Step) (wizard, error) {
	missing, err := w.Deployments.Missing(v.ctx, d)
	if err != nil {
		return wizard{}, err
	}
	z := wizard{
		ID: d.ID, Product: p.Name, Version: d.ProductVersion, Seller: p.Seller.Name, Icon: v.productIcon(p), Upgrade: d.WorkloadID != "",
		Heading: v.t("deploy.step." + string(current)), Target: d.Target, Discard: draftPath(d.ID) + "/discard", EndsAt: d.EndsAt,
		Licence: v.licenceEntered(d), Token: v.token,
	}
	steps := wizardSteps(p)
	at, reached := slices.Index(steps, current), slices.Index(steps, missing)
	z.Configured = reached > slices.Index(steps, deployer.StepConfiguration)
	for i, s := range steps {
		step := wizardStep{Number: i + 1, Text: v.t("deploy.step." + string(s)), State: "later"}
		switch {
		case i == at:
			step.State = "current"
		case i < reached:
			step.State = "done"
		}
		if i != at && i <= reached && !(z.Upgrade && s == deployer.StepTarget) {
			step.Href = draftPath(d.ID) + "/" + string(s)
		}
		z.Steps = append(z.Steps, step)
		z.leadBack(s, step.Href)
	}
	z.Steps = append(z.Steps, wizardStep{Number: len(steps) + 1, Text: v.t("deploy.step.progress"), State: "later"})
	return z, nil
}

// leadBack notes where a step is gone back to.
func (z *wizard) leadBack(s deployer.Step, href string) {
	switch s {
	case deployer.StepTarget:
		z.TargetHref = href
	case deployer.StepLicence:
		z.TakesLicence, z.LicenceHref = true, href
	case deployer.StepConfiguration:
		z.ConfigurationHref = href
	}
}

// wizardFrame is the frame around a step.
func (v *visit) wizardFrame(z wizard) frame {
	title := v.t("deploy.title", "Product", z.Product)
	if z.Upgrade {
		title = v.t("deploy.title.upgrade", "Product", z.Product)
	}
	return frame{
		Title: z.Heading + " · " + title, Current: "/workloads",
		Crumbs: []link{{"/workloads", v.t("workloads.title")}, {"", title}},
	}
}
