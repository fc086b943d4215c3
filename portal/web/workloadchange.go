package web

import (
	"strconv"
	"time"

	"github.com/gofiber/fiber/v2"

	"llmhub/deployer"
	"llmhub/identity"
)

// rollbackPage is the revisions that a workload can go back to.
type rollbackPage struct {
	Product, Back string
	Rows          []revisionRow
	Problem       *reasonNote
}

type revisionRow struct {
	Revision              int
	Chart, Status, Choose string
	At                    time.Time
	Current               bool
}

// uninstallPage asks whether a workload is to be removed, or only forgotten.
type uninstallPage struct {
	Action, Back, Product, Cluster, Namespace, Release string
	// Forget says that nothing is removed from the cluster; ForgetHref leads there.
	Forget     bool
	ForgetHref string
	// Pending says that an operation is under way, which is ended.
	Pending bool
	// Licence is the Secret with the licence; empty if there is none.
	Licence  string
	Typed    field
	Problems []link
	Problem  *reasonNote
	// Objects are those on the cluster, as far as it tells.
	Objects []resourceRow
}

var (
	rollbackTemplate  = newPage[rollbackPage]("rollback")
	uninstallTemplate = newPage[uninstallPage]("uninstall")
)

// changeableWorkload returns the workload in the path if the visitor may change it. One that has been removed cannot be
// changed: ok is false, and the visitor is sent to it.
func (w *Web) changeableWorkload(v *visit) (l deployer.Workload, ok bool, err error) {
	if l, err = w.workload(v); err != nil {
		return l, false, err
	}
	if err := v.Actor.Require(l.TenantID, identity.Subscribe, errNoPage); err != nil {
		return l, false, err
	}
	if l.State == deployer.Removed {
		return l, false, v.redirect(workloadPath(l.ID))
	}
	return l, true, nil
}

func (w *Web) upgradeWorkload(v *visit) error {
	d, err := w.Deployments.NewUpgrade(v.ctx, v.Actor, v.param("workload"))
	if err != nil {
		return err
	}
	return v.redirect(draftPath(d.ID) + "/configuration")
}

func (w *Web) continueWorkload(v *visit) error {
	cred, err := v.credential()
	if err != nil {
		return err
	}
	l, err := w.Deployments.Continue(v.ctx, v.Actor, cred, v.param("workload"))
	if err == nil {
		return v.redirect(workloadPath(l.ID) + "?done=workload-continued")
	}
	note, err := v.trouble(err)
	if err != nil {
		return err
	}
	note.Next = workloadPath(v.param("workload"))
	return w.answerWorkload(v, fiber.StatusConflict, note)
}

// chooseRevision lists what can be gone back to, and asks once one is chosen.
func (w *Web) chooseRevision(v *visit) error {
	l, ok, err := w.changeableWorkload(v)
	if !ok {
		return err
	}
	if n, err := strconv.Atoi(v.query("revision")); err == nil && n > 0 {
		back := workloadPath(l.ID) + "/rollback"
		return v.confirm(v.rollbackFrame(l), confirmPage{
			Question: v.t("rollback.question", "Product", l.ProductName, "Revision", n), Warning: v.t("rollback.warning"), Text: v.t("rollback.text"),
			Action: back + "?revision=" + itoa(n), Verb: v.t("rollback.yes", "Revision", n), Back: back, No: v.t("rollback.no"),
		})
	}
	return w.answerRevisions(v, fiber.StatusOK, l, nil)
}

func (v *visit) rollbackFrame(l deployer.Workload) frame {
	return frame{
		Title: v.t("rollback.title"), Current: "/workloads", Narrow: true,
		Crumbs: []link{{"/workloads", v.t("workloads.title")}, {workloadPath(l.ID), l.ProductName}, {"", v.t("rollback.title")}},
	}
}

func (w *Web) answerRevisions(v *visit, status int, l deployer.Workload, problem *reasonNote) error {
	cred, err := v.credential()
	if err != nil {
		return err
	}
	p := rollbackPage{Product: l.ProductName, Back: workloadPath(l.ID), Problem: problem}
	revisions, err := w.Deployments.Revisions(v.ctx, v.Actor, cred, l.ID)
	if err != nil {
		if p.Problem, err = v.trouble(err); err != nil {
			return err
		}
	}
	for i, r := range revisions {
		row := revisionRow{
			Revision: r.Revision, Chart: r.ChartName + " " + r.ChartVersion, Status: v.t("release." + string(r.Status)), At: r.UpdatedAt, Current: i == 0,
		}
		if i > 0 && (r.Status == deployer.StatusSuperseded || r.Status == deployer.StatusDeployed) {
			row.Choose = workloadPath(l.ID) + "/rollback?revision=" + itoa(r.Revision)
		}
		p.Rows = append(p.Rows, row)
	}
	return rollbackTemplate.render(v, status, v.rollbackFrame(l), p)
}

func (w *Web) rollbackWorkload(v *visit) error {
	l, ok, err := w.changeableWorkload(v)
	if !ok {
		return err
	}
	revision, err := strconv.Atoi(v.query("revision"))
	if err != nil || revision < 1 {
		return v.redirect(workloadPath(l.ID) + "/rollback")
	}
	cred, err := v.credential()
	if err != nil {
		return err
	}
	if _, err = w.Deployments.Rollback(v.ctx, v.Actor, cred, l.ID, revision); err == nil {
		return v.redirect(workloadPath(l.ID) + "?done=rollback-started")
	}
	note, err := v.trouble(err)
	if err != nil {
		return err
	}
	note.Next = workloadPath(l.ID) + "/rollback"
	return w.answerRevisions(v, fiber.StatusConflict, l, note)
}

func (w *Web) confirmUninstall(v *visit) error { return w.askRemoval(v, false) }

func (w *Web) confirmForget(v *visit) error { return w.askRemoval(v, true) }

func (w *Web) askRemoval(v *visit, forget bool) error {
	l, ok, err := w.changeableWorkload(v)
	if !ok {
		return err
	}
	return w.answerRemoval(v, fiber.StatusOK, l, forget, nil, nil)
}

func (w *Web) answerRemoval(v *visit, status int, l deployer.Workload, forget bool, faults map[string]string, problem *reasonNote) error {
	path, title := workloadPath(l.ID), v.t("uninstall.title")
	p := uninstallPage{
		Action: path + "/uninstall", Back: path, Product: l.ProductName, Cluster: l.Target.ClusterName, Namespace: l.Target.Namespace,
		Release: l.Target.Release, Forget: forget, Pending: l.State.Pending(), Licence: l.LicenceSecret, Problem: problem,
		Typed: field{Name: "typed", Label: v.t("uninstall.typed", "Release", l.Target.Release), Type: "text", Value: v.form.Get("typed"), Required: true, Autocomplete: "off", MaxLength: 100},
	}
	if forget {
		p.Action, title = path+"/forget", v.t("forget.title")
	} else {
		p.ForgetHref = path + "/forget"
		if !p.Pending && problem == nil {
			live, err := w.live(v, l)
			if err != nil {
				return err
			}
			p.Objects = live.Resources
		}
	}
	p.Typed.Error = faults["typed"]
	p.Problems = summary(nil, p.Typed)
	for name, text := range faults {
		if name != "typed" {
			p.Problems = append(p.Problems, link{"", sentence(text)})
		}
	}
	return uninstallTemplate.render(v, status, frame{
		Title: title, Current: "/workloads", Narrow: true,
		Crumbs: []link{{"/workloads", v.t("workloads.title")}, {path, l.ProductName}, {"", title}},
	}, p)
}

func (w *Web) uninstallWorkload(v *visit) error { return w.remove(v, false) }

func (w *Web) forgetWorkload(v *visit) error { return w.remove(v, true) }

func (w *Web) remove(v *visit, forget bool) error {
	l, ok, err := w.changeableWorkload(v)
	if !ok {
		return err
	}
	cred, err := v.credential()
	if err != nil {
		return err
	}
	if _, err = w.Deployments.Uninstall(v.ctx, v.Actor, cred, l.ID, v.value("typed"), forget); err == nil {
		if forget {
			return v.redirect("/workloads?done=workload-forgotten")
		}
		return v.redirect(workloadPath(l.ID) + "?done=uninstall-started")
	}
	if faults, shown := v.faults(err); shown {
		return w.answerRemoval(v, fiber.StatusUnprocessableEntity, l, forget, faults, nil)
	}
	note, err := v.trouble(err)
	if err != nil {
		return err
	}
	note.Next = workloadPath(l.ID) + "/uninstall"
	return w.answerRemoval(v, fiber.StatusConflict, l, forget, nil, note)
}
