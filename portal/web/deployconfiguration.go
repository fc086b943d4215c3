package web

import (
	"slices"

	"github.com/gofiber/fiber/v2"

	"llmhub/catalog"
	"llmhub/deployer"
	"llmhub/deployer/form"
)

// configurationPage is the step that asks for what the product can be configured with.
type configurationPage struct {
	Wizard   wizard
	Path     string
	Groups   []configGroup
	Problems []link
	// YAML are the values as they have been saved, secrets masked; Changes what of them differs from the chart.
	YAML    string
	Changes []configChange
	// ClassesUnknown says why the cluster's storage classes cannot be offered.
	ClassesUnknown *reasonNote
	// Required says that a field has to be filled in.
	Required bool
}

// configChange is a value that is not the chart's own.
type configChange struct{ Label, Path, Chart, Value string }

var configurationTemplate = newPage[configurationPage]("deployconfiguration")

func (w *Web) showConfiguration(v *visit) error {
	d, p, ok, err := w.draftAt(v, deployer.StepConfiguration)
	if !ok {
		return err
	}
	f, err := w.Deployments.Form(v.ctx, v.Actor, d.ID)
	if err != nil {
		return err
	}
	return w.answerConfiguration(v, fiber.StatusOK, d, p, f, nil)
}

// setConfiguration keeps what was entered, however wrong it is, and goes on if it is right. The button that saves stays at
// the form, and so does one that forgets a secret.
func (w *Web) setConfiguration(v *visit) error {
	d, p, ok, err := w.draftAt(v, deployer.StepConfiguration)
	if !ok {
		return err
	}
	f, err := w.Deployments.Form(v.ctx, v.Actor, d.ID)
	if err != nil {
		return err
	}
	var clear []string
	forget := v.value("forget")
	if i := slices.IndexFunc(f.Fields, func(x form.Field) bool { return x.Path == forget }); forget != "" && i >= 0 {
		clear = []string{forget}
	}
	_, err = w.Deployments.SetInput(v.ctx, v.Actor, d.ID, configInput(f, v.form), clear)
	faults, shown := v.faults(err)
	switch {
	case err != nil && !shown:
		return err
	case clear != nil: // what is wrong with the rest is said when the visitor goes on
		return v.redirect(draftPath(d.ID) + "/configuration#" + fieldID(f, forget))
	case err != nil:
		if d, err = w.Deployments.Draft(v.ctx, v.Actor, d.ID); err != nil {
			return err
		}
		return w.answerConfiguration(v, fiber.StatusUnprocessableEntity, d, p, f, faults)
	case v.value("then") == "stay":
		return v.redirect(draftPath(d.ID) + "/configuration?done=configuration-saved")
	}
	return v.redirect(stepAfter(d, p, deployer.StepConfiguration))
}

func (w *Web) answerConfiguration(v *visit, status int, d deployer.Draft, p catalog.Product, f *form.Form, faults map[string]string) error {
	z, err := w.wizard(v, d, p, deployer.StepConfiguration)
	if err != nil {
		return err
	}
	page := configurationPage{Wizard: z, Path: draftPath(d.ID) + "/configuration"}
	var classes []deployer.StorageClass
	if slices.ContainsFunc(f.Fields, func(x form.Field) bool { return x.Kind == form.StorageClass && !x.Hidden }) {
		if classes, err = w.storageClasses(v, d); err != nil {
			if page.ClassesUnknown, err = v.trouble(err); err != nil {
				return err
			}
		}
	}
	var kept []string
	if d.WorkloadID != "" {
		l, err := w.Deployments.Workload(v.ctx, v.Actor, d.WorkloadID)
		if err != nil {
			return err
		}
		kept = l.SecretPaths
	}
	if whole := faults[""]; whole != "" {
		page.Problems = append(page.Problems, link{"", sentence(whole)})
	}
	for i, x := range f.Fields {
		c := v.configField(i, x, d, classes, kept)
		c.Error = faults[x.Path]
		if x.Hidden {
			if c.Error != "" { // there is no field to show it at
				page.Problems = append(page.Problems, link{"", c.Label + ": " + c.Error})
			}
			continue
		}
		if c.Error != "" {
			page.Problems = append(page.Problems, link{"#" + c.ID, c.Label + ": " + c.Error})
		}
		page.Required = page.Required || c.Required
		page.Groups = addToGroup(page.Groups, x.Group.In(v.loc.Language()), c)
	}
	page.Changes = v.configChanges(f, d)
	if page.YAML, err = w.Deployments.YAML(v.ctx, v.Actor, d.ID); err != nil {
		if _, shown := v.faults(err); !shown { // values that are wrong have no YAML
			return err
		}
	}
	return configurationTemplate.render(v, status, v.wizardFrame(z), page)
}

func (w *Web) storageClasses(v *visit, d deployer.Draft) ([]deployer.StorageClass, error) {
	cred, err := v.credential()
	if err != nil {
		return nil, err
	}
	details, err := w.Deployments.Cluster(v.ctx, v.Actor, cred, d.Target.ProjectID, d.Target.ClusterID)
	return details.StorageClasses, err
}

// configChanges are the values that a draft has and that are not the chart's own.
func (v *visit) configChanges(f *form.Form, d deployer.Draft) []configChange {
	var list []configChange
	for _, x := range f.Fields {
		if x.Hidden {
			continue
		}
		values, touched := d.Input[x.Path]
		if !touched {
			values = x.Default
		}
		c := configChange{Label: x.Label.In(v.loc.Language()), Path: x.Path, Chart: x.ChartDefault, Value: joined(values)}
		if x.Kind == form.Secret {
			c.Value = ""
			if slices.Contains(d.SecretPaths, x.Path) {
				c.Value = masked
			}
		}
		if c.Value != "" && c.Value != c.Chart {
			list = append(list, c)
		}
	}
	return list
}
