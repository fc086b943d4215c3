package web

import (
	"strconv"
	"strings"

	"github.com/gofiber/fiber/v2"

	"llmhub/catalog"
	"llmhub/deployer"
)

// targetPage is the step that asks where a product goes. Each choice is offered after the one before.
type targetPage struct {
	Wizard   wizard
	Path     string
	Projects []option
	Clusters []option
	// Unusable are the clusters that cannot be chosen, with the service's own words.
	Unusable []unusableCluster
	// Project and Cluster are what has been chosen so far.
	Project, Cluster string
	Details          *clusterView
	Namespaces       []option
	NewNamespace     field
	// New says that the namespace is to be made.
	New                        bool
	Release                    field
	NamespaceFault             string
	Problems                   []link
	Trouble                    *reasonNote
	NoProjects, NoneAvailable  bool
	ProjectFault, ClusterFault string
}

// option is one of a select, or a box or radio button.
type option struct {
	ID, Value, Text    string
	Selected, Disabled bool
}

type unusableCluster struct{ Name, Phase, Message string }

// clusterView is what is read live of a cluster.
type clusterView struct{ Version, Nodes, CPU, Memory string }

var targetTemplate = newPage[targetPage]("deploytarget")

func (w *Web) showTarget(v *visit) error {
	d, p, ok, err := w.draft(v)
	if !ok {
		return err
	}
	if d.WorkloadID != "" { // the target of an upgrade is that of its workload
		return v.redirect(stepAfter(d, p, deployer.StepTarget))
	}
	t := d.Target
	if project := v.query("project"); project != "" && project != t.ProjectID {
		t = deployer.Target{ProjectID: project, Namespace: t.Namespace, NewNamespace: t.NewNamespace, Release: t.Release}
	}
	if cluster := v.query("cluster"); cluster != "" {
		t.ClusterID = cluster
	}
	return w.answerTarget(v, fiber.StatusOK, d, p, t, nil, nil)
}

func (w *Web) setTarget(v *visit) error {
	d, p, ok, err := w.draft(v)
	if !ok {
		return err
	}
	cred, err := v.credential()
	if err != nil {
		return err
	}
	t := deployer.Target{ProjectID: v.value("project"), ClusterID: v.value("cluster"), Namespace: v.value("namespace"), Release: strings.TrimSpace(v.value("release"))}
	if t.Namespace == "" {
		t.Namespace, t.NewNamespace = strings.TrimSpace(v.value("new_namespace")), true
	}
	if _, err = w.Deployments.SetTarget(v.ctx, v.Actor, cred, d.ID, t); err == nil {
		return v.redirect(stepAfter(d, p, deployer.StepTarget))
	}
	if faults, shown := v.faults(err); shown {
		return w.answerTarget(v, fiber.StatusUnprocessableEntity, d, p, t, faults, nil)
	}
	note, err := v.trouble(err)
	if err != nil {
		return err
	}
	return w.answerTarget(v, fiber.StatusConflict, d, p, t, nil, note)
}

// answerTarget shows the step with a target chosen as far as it is.
func (w *Web) answerTarget(v *visit, status int, d deployer.Draft, p catalog.Product, t deployer.Target, faults map[string]string, note *reasonNote) error {
	z, err := w.wizard(v, d, p, deployer.StepTarget)
	if err != nil {
		return err
	}
	page := targetPage{
		Wizard: z, Path: draftPath(d.ID) + "/target", Trouble: note, NamespaceFault: faults["namespace"], ProjectFault: faults["project"], ClusterFault: faults["cluster"],
		NewNamespace: field{Name: "new_namespace", Label: v.t("target.namespace.new"), Type: "text", Required: true, Hint: v.t("target.namespace.hint"), Error: faults["new_namespace"], Autocomplete: "off", MaxLength: 63},
		Release:      field{Name: "release", Label: v.t("target.release"), Type: "text", Value: t.Release, Hint: v.t("target.release.hint"), Error: faults["release"], Autocomplete: "off", MaxLength: 53},
	}
	if err := w.offerTargets(v, &page, t, p); err != nil {
		var trouble *reasonNote
		if trouble, err = v.trouble(err); err != nil {
			return err
		}
		if page.Trouble == nil {
			page.Trouble = trouble
		}
	}
	page.Problems = summary(faults,
		field{Name: "project", Label: v.t("target.project"), Error: page.ProjectFault}, field{Name: "cluster", Label: v.t("target.cluster"), Error: page.ClusterFault},
		field{Name: "namespace", Label: v.t("target.namespace"), Error: page.NamespaceFault}, page.NewNamespace, page.Release)
	return targetTemplate.render(v, status, v.wizardFrame(z), page)
}

// offerTargets fills in what there is to choose from, as far as the choices before allow. An error is a *deployer.Reason
// if the cloud or the cluster is to blame; what was found before it stays.
func (w *Web) offerTargets(v *visit, page *targetPage, t deployer.Target, p catalog.Product) error {
	cred, err := v.credential()
	if err != nil {
		return err
	}
	projects, err := w.Deployments.Projects(v.ctx, v.Actor, cred)
	if err != nil {
		return err
	}
	page.NoProjects = len(projects) == 0
	if len(projects) == 1 && t.ProjectID == "" {
		t.ProjectID = projects[0].ID
	}
	for _, project := range projects {
		text := project.Name
		if project.ID == deployer.ConfiguredProject {
			text = v.t("target.project.configured")
		}
		if project.ID == t.ProjectID {
			page.Project = project.ID
		}
		page.Projects = append(page.Projects, option{Value: project.ID, Text: text, Selected: project.ID == t.ProjectID})
	}
	if page.Project == "" {
		return nil
	}
	clusters, err := w.Deployments.Clusters(v.ctx, v.Actor, cred, page.Project)
	if err != nil {
		return err
	}
	v.offerClusters(page, clusters, t.ClusterID)
	if page.Cluster == "" {
		return nil
	}
	details, err := w.Deployments.Cluster(v.ctx, v.Actor, cred, page.Project, page.Cluster)
	if err != nil {
		return err
	}
	page.Details = v.clusterView(details.Facts)
	v.offerNamespaces(page, details.Namespaces, t, p)
	return nil
}

func (v *visit) offerClusters(page *targetPage, clusters []deployer.ClusterInfo, chosen string) {
	page.NoneAvailable = true
	for _, c := range clusters {
		text, phase := c.Name, ""
		if c.Version != "" {
			text += " · " + c.Version
		}
		if c.Available {
			page.NoneAvailable = false
		} else {
			phase = v.phase(c.Phase)
			text += " · " + phase
			page.Unusable = append(page.Unusable, unusableCluster{c.Name, phase, c.Message})
		}
		selected := c.Available && c.ID == chosen
		if selected {
			page.Cluster = c.ID
		}
		page.Clusters = append(page.Clusters, option{Value: c.ID, Text: text, Selected: selected, Disabled: !c.Available})
	}
}

func (v *visit) offerNamespaces(page *targetPage, namespaces []deployer.Namespace, t deployer.Target, p catalog.Product) {
	found, suggested := false, p.ID
	for _, n := range namespaces {
		c := option{Value: n.Name, Text: n.Name, Selected: n.Usable && !t.NewNamespace && n.Name == t.Namespace, Disabled: !n.Usable}
		if !n.Usable {
			c.Text += " · " + v.t("target.namespace.ending")
		}
		if n.Name == suggested {
			suggested = ""
		}
		found = found || c.Selected
		page.Namespaces = append(page.Namespaces, c)
	}
	page.New = !found
	page.NewNamespace.Value = suggested
	if t.NewNamespace {
		page.NewNamespace.Value = t.Namespace
	}
}

func (v *visit) clusterView(f deployer.Facts) *clusterView {
	c := clusterView{Version: orUnknown(f.Version), Nodes: unknown, CPU: unknown, Memory: unknown}
	if f.Nodes >= 0 {
		c.Nodes = v.t("target.nodes", "Ready", f.ReadyNodes, "Count", f.Nodes)
	}
	if f.FreeMilliCPU >= 0 {
		c.CPU = v.cores(f.FreeMilliCPU)
	}
	if f.FreeMemoryMiB >= 0 {
		c.Memory = v.bytes(f.FreeMemoryMiB << 20)
	}
	return &c
}

// phases are the service's words for a cluster's state that there are own words for.
var phases = map[string]bool{
	"available": true, "unavailable": true, "scalingup": true, "scalingdown": true, "creating": true, "deleting": true, "upgrading": true,
	"resizing": true, "empty": true, "hibernation": true,
}

// phase returns the word for a cluster's state, the service's own if it is not known.
func (v *visit) phase(phase string) string {
	known := strings.ToLower(phase)
	switch {
	case phases[known]:
		return v.t("phase." + known)
	case phase == "":
		return v.t("phase.unavailable")
	}
	return phase
}

// cores returns an amount of processors.
func (v *visit) cores(milli int64) string {
	return v.t("unit.cores", "Amount", v.decimal(strconv.FormatFloat(float64(milli)/1000, 'f', -1, 64)))
}

// bytes returns an amount of storage or memory.
func (v *visit) bytes(n int64) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB", "PiB"}
	amount, unit := float64(n), 0
	for amount >= 1024 && unit < len(units)-1 {
		amount, unit = amount/1024, unit+1
	}
	text := strconv.FormatFloat(amount, 'f', 1, 64)
	return v.decimal(strings.TrimSuffix(text, ".0")) + " " + units[unit]
}

// decimal writes a decimal with a point as the language does.
func (v *visit) decimal(text string) string { return strings.Replace(text, ".", v.loc.Point(), 1) }
