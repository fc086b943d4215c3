package web

import (
	"slices"
	"strconv"
	"strings"

	"github.com/gofiber/fiber/v2"

	"llmhub/catalog"
	"llmhub/deployer"
)

// draftReviewPage is what is seen before "Deploy now": the checks, what is billed, what is made, and what has to be accepted.
type draftReviewPage struct {
	Wizard wizard
	Path   string
	Checks []checkRow
	// Failed are the checks that keep from deploying.
	Failed []link
	// Fee and Price are what the seller says of them; each is empty if that is nothing.
	Fee, Price       string
	Blocked, Warned  bool
	Claims           []claimRow
	Balancers        []balancerRow
	Kinds            []kindCount
	Objects          []deployer.Object
	Images           []string
	CPU, Memory      string
	YAML             string
	Diff             []diffRow
	Consents         []consentBox
	Problems         []link
	Trouble          *reasonNote
	Confirmed        bool
	ConfigurationURL string
	Verb             string
}

// checkRow is a check of preflight with its outcome in words.
type checkRow struct {
	ID, Text, State, Class, Icon string
	Reasons                      []*reasonNote
}

// claimRow are volumes that are billed.
type claimRow struct {
	Name, Size, Class, Total string
	Count                    int
}

type balancerRow struct{ Name, Ports string }

type kindCount struct {
	Kind  string
	Count int
}

type diffRow struct {
	deployer.Object
	Text, Class string
}

var draftReviewTemplate = newPage[draftReviewPage]("deployreview")

func (w *Web) showReviewOfDraft(v *visit) error {
	d, p, ok, err := w.draftAt(v, deployer.StepReview)
	if !ok {
		return err
	}
	return w.answerDraftReview(v, fiber.StatusOK, d, p, nil, nil)
}

// deploy makes the workload of a draft. A form that is sent twice leads to the one workload.
func (w *Web) deploy(v *visit) error {
	d, p, ok, err := w.draft(v)
	if !ok {
		return err
	}
	cred, err := v.credential()
	if err != nil {
		return err
	}
	l, err := w.Deployments.Deploy(v.ctx, v.Actor, cred, d.ID, v.loc.Language(), acceptedConsents(v.form["consent"]), v.checked("confirmed"))
	if err == nil {
		if d.WorkloadID != "" {
			return v.redirect(workloadPath(l.ID) + "?done=upgrade-started")
		}
		return v.redirect(workloadPath(l.ID) + "?done=deployment-started")
	}
	if faults, shown := v.faults(err); shown {
		return w.answerDraftReview(v, fiber.StatusUnprocessableEntity, d, p, faults, nil)
	}
	note, err := v.trouble(err)
	if err != nil {
		return err
	}
	return w.answerDraftReview(v, fiber.StatusConflict, d, p, nil, note)
}

func (w *Web) answerDraftReview(v *visit, status int, d deployer.Draft, p catalog.Product, faults map[string]string, note *reasonNote) error {
	z, err := w.wizard(v, d, p, deployer.StepReview)
	if err != nil {
		return err
	}
	cred, err := v.credential()
	if err != nil {
		return err
	}
	page := draftReviewPage{Wizard: z, Path: draftPath(d.ID) + "/review", Confirmed: v.checked("confirmed"), Trouble: note, Verb: v.t("deploy.now"), Fee: p.LicenceFee.In(v.loc.Language()), Price: p.PriceInfo.In(v.loc.Language()), ConfigurationURL: draftPath(d.ID) + "/configuration"}
	if z.Upgrade {
		page.Verb = v.t("deploy.now.upgrade")
	}
	r, err := w.Deployments.Review(v.ctx, v.Actor, cred, d.ID)
	switch trouble, other := v.trouble(err); {
	case err != nil && other != nil:
		return other
	case err != nil: // without a review there is nothing to deploy by
		page.Trouble, page.Blocked = trouble, true
	default:
		v.fillReview(&page, r)
	}
	documents, err := w.Deployments.Documents(d.ProductID, v.loc.Language())
	if err != nil {
		return err
	}
	for _, x := range documents {
		page.Consents = append(page.Consents, consentBox{ID: x.ID, Title: x.Title, Version: x.Version, Href: "/catalog/" + p.ID + "/documents/" + x.ID, Digest: x.Digest})
	}
	for name, text := range faults {
		place := ""
		if name == "confirmed" || name == "accepted" {
			place = "#deploy"
		}
		page.Problems = append(page.Problems, link{place, sentence(text)})
	}
	return draftReviewTemplate.render(v, status, v.wizardFrame(z), page)
}

func (v *visit) fillReview(page *draftReviewPage, r deployer.Review) {
	page.Blocked, page.Warned, page.YAML = r.Blocked, r.Warned, r.YAML
	for _, c := range inOrderOfTrouble(r.Checks) {
		row := v.checkRow(c)
		page.Checks = append(page.Checks, row)
		if c.State == deployer.CheckFailed {
			page.Failed = append(page.Failed, link{"#" + row.ID, row.Text})
		}
	}
	in := r.Inventory
	for _, c := range in.Claims {
		row := claimRow{Name: c.Name, Count: c.Count, Size: v.bytes(c.SizeBytes), Class: c.Class, Total: v.bytes(int64(c.Count) * c.SizeBytes)}
		if row.Class == "" {
			row.Class = v.t("review.class.default")
		}
		page.Claims = append(page.Claims, row)
	}
	for _, b := range in.Balancers {
		ports := make([]string, len(b.Ports))
		for i, port := range b.Ports {
			ports[i] = strconv.Itoa(int(port))
		}
		page.Balancers = append(page.Balancers, balancerRow{b.Name, strings.Join(ports, ", ")})
	}
	page.Objects, page.Images = in.Objects, in.Images
	for _, o := range in.Objects {
		i := slices.IndexFunc(page.Kinds, func(k kindCount) bool { return k.Kind == o.Kind })
		if i < 0 {
			page.Kinds = append(page.Kinds, kindCount{o.Kind, 0})
			i = len(page.Kinds) - 1
		}
		page.Kinds[i].Count++
	}
	page.CPU, page.Memory = unknown, unknown
	if in.MilliCPU > 0 {
		page.CPU = v.cores(in.MilliCPU)
	}
	if in.MemoryMiB > 0 {
		page.Memory = v.bytes(in.MemoryMiB << 20)
	}
	classes := map[string]string{"added": "good", "removed": "bad", "changed": "warn"}
	for _, x := range r.Diff {
		page.Diff = append(page.Diff, diffRow{x.Object, v.t("diff." + x.Change), classes[x.Change]})
	}
}

// inOrderOfTrouble returns the checks with those first that keep from deploying, then those that warn.
func inOrderOfTrouble(checks []deployer.Check) []deployer.Check {
	rank := map[deployer.CheckState]int{deployer.CheckFailed: 0, deployer.CheckWarned: 1, deployer.CheckSkipped: 2, deployer.CheckPassed: 3}
	checks = slices.Clone(checks)
	slices.SortStableFunc(checks, func(a, b deployer.Check) int { return rank[a.State] - rank[b.State] })
	return checks
}

func (v *visit) checkRow(c deployer.Check) checkRow {
	looks := map[deployer.CheckState][2]string{
		deployer.CheckPassed: {"good", "check"}, deployer.CheckWarned: {"warn", "alert"}, deployer.CheckFailed: {"bad", "close"}, deployer.CheckSkipped: {"off", "minus"},
	}
	row := checkRow{ID: "check-" + string(c.Name), Text: v.t("check." + string(c.Name)), State: v.t("check.state." + string(c.State)), Class: looks[c.State][0], Icon: looks[c.State][1]}
	notes := make(map[deployer.ReasonCode]*reasonNote) // the same is said once, whatever number of objects it is about
	for i := range c.Reasons {
		r := &c.Reasons[i]
		if note := notes[r.Code]; note != nil {
			note.add(r)
			continue
		}
		notes[r.Code] = v.mendable(r)
		row.Reasons = append(row.Reasons, notes[r.Code])
	}
	return row
}
