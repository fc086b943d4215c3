package web

// done are what a page can say has just been done, by the code in its URL.
var done = map[string]bool{
	"signed-out":             true,
	"profile-submitted":      true,
	"profile-withdrawn":      true,
	"profile-approved":       true,
	"profile-rejected":       true,
	"tenant-suspended":       true,
	"tenant-resumed":         true,
	"operator-cancelled":     true,
	"upstream-drained":       true,
	"upstream-resumed":       true,
	"password-changed":       true,
	"sessions-ended":         true,
	"session-ended":          true,
	"token-revoked":          true,
	"rights-given":           true,
	"rights-revoked":         true,
	"key-deactivated":        true,
	"limits-saved":           true,
	"webhook-removed":        true,
	"subscription-cancelled": true,
	"configuration-saved":    true,
	"draft-discarded":        true,
	"deployment-started":     true,
	"upgrade-started":        true,
	"rollback-started":       true,
	"uninstall-started":      true,
	"workload-continued":     true,
	"workload-forgotten":     true,
}

// isDone says whether a code from a URL is one of done.
func isDone(code string) bool { return done[code] }

func (v *visit) customerNav() []navGroup {
	return []navGroup{
		{v.t("nav.marketplace"), []navLink{
			{Href: "/catalog", Text: v.t("nav.catalog"), Icon: "store"},
			{Href: "/workloads", Text: v.t("nav.workloads"), Icon: "boxes"},
			{Href: "/subscriptions", Text: v.t("nav.subscriptions"), Icon: "receipt"},
		}},
		{v.t("nav.llmhub"), []navLink{
			{Href: "/consumption", Text: v.t("nav.consumption"), Icon: "chart"},
			{Href: "/keys", Text: v.t("nav.keys"), Icon: "key"},
			{Href: alertsPath, Text: v.t("nav.alerts"), Icon: "alert"},
			{Href: "/models", Text: v.t("nav.models"), Icon: "cpu"},
			{Href: "/playground", Text: v.t("nav.playground"), Icon: "message"},
		}},
		{v.t("nav.account"), []navLink{
			{Href: "/organization", Text: v.t("nav.organization"), Icon: "building"},
			{Href: "/account", Text: v.t("nav.access"), Icon: "shield"},
			{Href: "/integration", Text: v.t("nav.documentation"), Icon: "book"},
		}},
	}
}

func (v *visit) visitorNav() []navGroup {
	return []navGroup{
		{v.t("nav.marketplace"), []navLink{
			{Href: "/catalog", Text: v.t("nav.catalog"), Icon: "store"},
			{Href: "/models", Text: v.t("nav.models"), Icon: "cpu"},
			{Href: "/integration", Text: v.t("nav.documentation"), Icon: "book"},
		}},
	}
}

func (v *visit) operatorNav() []navGroup {
	return []navGroup{
		{v.t("nav.operation"), []navLink{
			{Href: "/operator/approvals", Text: v.t("nav.approvals"), Icon: "check-list"},
			{Href: "/operator/tenants", Text: v.t("nav.tenants"), Icon: "building"},
			{Href: "/operator/subscriptions", Text: v.t("nav.subscriptions"), Icon: "receipt"},
			{Href: "/operator/usage", Text: v.t("nav.usage"), Icon: "chart"},
		}},
		{v.t("nav.platform"), []navLink{
			{Href: "/operator/upstreams", Text: v.t("nav.upstreams"), Icon: "server"},
			{Href: "/models", Text: v.t("nav.models"), Icon: "cpu"},
			{Href: "/catalog", Text: v.t("nav.catalog"), Icon: "store"},
			{Href: "/operator/audit", Text: v.t("nav.audit"), Icon: "list"},
		}},
		{v.t("nav.account"), []navLink{
			{Href: "/operator/account", Text: v.t("nav.access"), Icon: "shield"},
		}},
	}
}

// markCurrent marks the entry of the page that is shown.
func markCurrent(nav []navGroup, current string) {
	for _, g := range nav {
		for i := range g.Links {
			g.Links[i].Current = g.Links[i].Href == current
		}
	}
}
