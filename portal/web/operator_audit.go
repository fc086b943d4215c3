package web

import (
	"bytes"
	"encoding/json"
	"time"

	"github.com/gofiber/fiber/v2"

	"llmhub/identity"
)

// maxAuditExport bounds how many changes one file holds.
const maxAuditExport = 10_000

// auditPage is what has been changed, newest first.
type auditPage struct {
	Rows                  []auditRow
	Tenant, Actor, Action string
	Actions               []choice
	Next, First, Export   string
	Filtered              bool
}

type auditRow struct {
	At                           time.Time
	Actor, ActorKind             string
	Action, Code                 string
	Object, ObjectID             string
	TenantHref, TenantID, Reason string
	Before, After                string
}

var auditTemplate = newPage[auditPage]("operator-audit")

// auditActions are the kinds of change that there are, as the domain names them.
var auditActions = []string{
	"profile.submit", "profile.withdraw", "profile.approve", "profile.reject", "tenant.create", "tenant.suspend", "tenant.resume",
	"subscription.subscribe", "subscription.cancel", "subscription.limits", "key.create", "key.deactivate", "key.limits", "webhook.set", "webhook.remove", "user.create", "user.update", "user.rights", "session.begin",
	"upstream.drain", "upstream.resume", "operator.create", "operator.password", "operator.disable", "personal_token.create", "personal_token.revoke",
	"workload.deploy", "workload.upgrade", "workload.rollback", "workload.uninstall", "workload.continue", "workload.forget",
	"workload.ready", "workload.failed", "workload.removed",
}

func (v *visit) auditQuery() identity.AuditQuery {
	return identity.AuditQuery{TenantID: v.query("tenant"), ActorID: v.query("actor"), Action: v.query("action")}
}

func (w *Web) showAudit(v *visit) error {
	q := v.auditQuery()
	rows, next, err := w.auditRows(v, q, v.query("after"), operatorPerPage)
	if err != nil {
		return err
	}
	query := v.allQuery()
	p := auditPage{
		Rows: rows, Tenant: q.TenantID, Actor: q.ActorID, Action: q.Action, Filtered: q != identity.AuditQuery{},
		Export: withQuery("/operator/audit.csv", query, "after", ""),
	}
	for _, a := range auditActions {
		p.Actions = append(p.Actions, choice{a, v.t("audit.action." + a), a == q.Action})
	}
	if next != "" {
		p.Next = withQuery("/operator/audit", query, "after", next)
	}
	if v.query("after") != "" {
		p.First = withQuery("/operator/audit", query, "after", "")
	}
	return auditTemplate.render(v, fiber.StatusOK, frame{Title: v.t("audit.title"), Current: "/operator/audit"}, p)
}

func (w *Web) auditRows(v *visit, q identity.AuditQuery, after string, limit int) ([]auditRow, string, error) {
	changes, next, err := w.Audit.List(v.ctx, q, after, limit)
	if err != nil {
		return nil, "", err
	}
	rows := make([]auditRow, len(changes))
	for i, c := range changes {
		rows[i] = auditRow{
			At: c.At, Actor: c.ActorName, ActorKind: v.t("audit.actor." + string(c.ActorKind)), Action: v.t("audit.action." + c.Action), Code: c.Action,
			Object: c.ObjectName, ObjectID: c.ObjectID, TenantID: c.TenantID, Reason: c.Reason, Before: indented(c.Before), After: indented(c.After),
		}
		if c.TenantID != "" {
			rows[i].TenantHref = "/operator/tenants/" + c.TenantID
		}
	}
	return rows, next, nil
}

// indented returns JSON as people read it.
func indented(text json.RawMessage) string {
	var b bytes.Buffer
	if len(text) == 0 || json.Indent(&b, text, "", "  ") != nil {
		return ""
	}
	return b.String()
}

func (w *Web) exportAudit(v *visit) error {
	q := v.auditQuery()
	table := v.newTable("audit.csv")
	table.row("time", "actor_kind", "actor_id", "actor_name", "tenant_id", "action", "object_id", "object_name", "reason", "before", "after")
	after := ""
	for table.rows < maxAuditExport {
		changes, next, err := w.Audit.List(v.ctx, q, after, 1000)
		if err != nil {
			return err
		}
		for _, c := range changes {
			table.row(c.At.In(w.Location).Format(time.RFC3339), string(c.ActorKind), c.ActorID, c.ActorName, c.TenantID, c.Action, c.ObjectID, c.ObjectName, c.Reason, string(c.Before), string(c.After))
		}
		if after = next; after == "" {
			break
		}
	}
	return table.send()
}
