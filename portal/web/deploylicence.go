package web

import (
	"strings"

	"github.com/gofiber/fiber/v2"

	"llmhub/catalog"
	"llmhub/deployer"
	"llmhub/fault"
	"llmhub/secret"
)

// licencePage is the step that takes a licence which the customer has bought.
type licencePage struct {
	Wizard                wizard
	Path                  string
	ShopURL, GuideURL     string
	SecretName, Namespace string
	// Later says that the product takes its licence after the deployment, so that nothing is asked for here.
	Later bool
	// Entered says in words what there is already.
	Entered   string
	MaxBytes  int
	MaxText   string
	Fault     string
	Problems  []link
	TooLarge  string
	FileFault bool
}

var licenceTemplate = newPage[licencePage]("deploylicence")

// licenceEntered says in words what licence a draft has; empty if none.
func (v *visit) licenceEntered(d deployer.Draft) string {
	switch {
	case d.LicenceLater:
		return v.t("licence.later")
	case d.LicenceName == licenceText:
		return v.t("licence.text.entered", "Size", v.bytes(int64(d.LicenceBytes)))
	case d.LicenceName != "":
		return d.LicenceName + " (" + v.bytes(int64(d.LicenceBytes)) + ")"
	}
	return ""
}

// licenceText stands in the place of a file's name for a licence that was typed or pasted.
const licenceText = "text"

func (w *Web) showLicence(v *visit) error {
	d, p, ok, err := w.draftAt(v, deployer.StepLicence)
	if !ok {
		return err
	}
	return w.answerLicence(v, fiber.StatusOK, d, p, nil)
}

func (w *Web) answerLicence(v *visit, status int, d deployer.Draft, p catalog.Product, faults map[string]string) error {
	if p.CCE == nil || p.CCE.BYOL == nil {
		return errNoPage
	}
	z, err := w.wizard(v, d, p, deployer.StepLicence)
	if err != nil {
		return err
	}
	own := p.CCE.BYOL
	page := licencePage{
		Wizard: z, Path: draftPath(d.ID) + "/licence", ShopURL: own.ShopURL, GuideURL: own.LicensingGuide, SecretName: own.SecretName,
		Namespace: d.Target.Namespace, Later: own.SecretName == "", Entered: z.Licence, MaxBytes: deployer.MaxLicenceBytes,
		MaxText: v.bytes(deployer.MaxLicenceBytes), Fault: faults["licence"],
	}
	page.TooLarge = v.t("licence.toolarge", "Size", page.MaxText)
	page.Problems = summary(faults, field{Name: "file", Label: v.t("licence.label"), Error: page.Fault})
	return licenceTemplate.render(v, status, v.wizardFrame(z), page)
}

func (w *Web) setLicence(v *visit) error {
	d, p, ok, err := w.draftAt(v, deployer.StepLicence)
	if !ok {
		return err
	}
	name, licence, problem := v.licenceGiven()
	if problem == "" {
		_, err = w.Deployments.SetLicence(v.ctx, v.Actor, d.ID, name, licence, v.checked("later"))
		if err == nil {
			return v.redirect(stepAfter(d, p, deployer.StepLicence))
		}
		faults, shown := v.faults(err)
		if !shown {
			return err
		}
		if faults["licence"] != "" && name == "" && !v.checked("later") { // the step has two fields for it
			faults["licence"] = v.phrase(fault.New(fault.Invalid, "licence", "choose a file or enter the licence as text"))
		}
		return w.answerLicence(v, fiber.StatusUnprocessableEntity, d, p, faults)
	}
	return w.answerLicence(v, fiber.StatusUnprocessableEntity, d, p, map[string]string{"licence": problem})
}

// licenceGiven returns the licence of the form, from a file or typed, or what is wrong with it.
func (v *visit) licenceGiven() (name string, licence secret.Text, problem string) {
	text := v.value("text")
	switch {
	case v.file.content.IsSet() && strings.TrimSpace(text) != "":
		return "", secret.Text{}, v.phrase(fault.New(fault.Invalid, "licence", "choose a file or enter a text, not both"))
	case v.file.size > deployer.MaxLicenceBytes, len(text) > deployer.MaxLicenceBytes:
		return "", secret.Text{}, v.phrase(fault.New(fault.Invalid, "licence", "must have at most %d KiB", deployer.MaxLicenceBytes>>10))
	case v.file.content.IsSet():
		return v.file.name, v.file.content, ""
	case strings.TrimSpace(text) != "":
		return licenceText, secret.New(strings.ReplaceAll(text, "\r\n", "\n")), "" // browsers send lines with both
	}
	return "", secret.Text{}, ""
}
