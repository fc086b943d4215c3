package iamtest

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"
)

// object is a JSON object.
type object map[string]any

const timeForm = "2006-01-02T15:04:05.000000Z"

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json;charset=utf8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

// refuse answers in the form of the calls that Keystone has.
func refuse(w http.ResponseWriter, status int) {
	title := http.StatusText(status)
	answer(w, status, object{"error": object{"message": title + ".", "code": status, "title": title}})
}

// refuseOTC answers in the form of the calls that only OTC has.
func refuseOTC(w http.ResponseWriter, status int, code, message string) {
	answer(w, status, object{"error_msg": message, "error_code": code})
}

// body is the answer that describes a token.
func (t *token) body(base string, catalog bool) object {
	domain := object{"id": t.domainID(), "name": t.domain.Name}
	roles := []object{}
	for _, r := range t.user.Roles {
		// IAM gives roles that are no permission of their own the number "0".
		roles = append(roles, object{"id": "0", "name": r})
	}
	about := object{
		"methods": t.methods, "issued_at": t.issuedAt.UTC().Format(timeForm), "expires_at": t.expiresAt.UTC().Format(timeForm),
		"user":  object{"id": t.userID(), "name": t.user.Name, "password_expires_at": "", "domain": domain},
		"roles": roles,
	}
	if slices.Contains(t.methods, "totp") {
		about["mfa_authn_at"] = t.issuedAt.UTC().Format(timeForm)
	}
	if t.project == "" {
		about["domain"] = domain
	} else {
		about["project"] = object{"id": t.projectID(t.project), "name": t.project, "domain": domain}
	}
	if catalog {
		about["catalog"] = t.catalog(base)
	}
	return object{"token": about}
}

// catalog lists what a token's user can call: the service itself, and the container engine in a project.
func (t *token) catalog(base string) []object {
	entry := func(name, kind, region, address string) object {
		return object{"id": ID("service", name), "name": name, "type": kind, "endpoints": []object{{
			"id": ID("endpoint", name, region), "interface": "public", "region": region, "region_id": region, "url": address,
		}}}
	}
	all := []object{entry("iam", "identity", "*", base+"/v3")}
	if t.project != "" {
		region, _, _ := strings.Cut(t.project, "_")
		all = append(all, entry("cce", "cce", region, "https://cce."+region+".otc.t-systems.com/api/v3/projects/"+t.projectID(t.project)))
	}
	return all
}

func (s *Server) listProjects(w http.ResponseWriter, r *http.Request) {
	t := s.caller(w, r)
	if t == nil {
		return
	}
	all := []object{}
	for _, name := range t.domain.Projects {
		id := t.projectID(name)
		all = append(all, object{"id": id, "name": name, "domain_id": t.domainID(), "parent_id": t.domainID(), "enabled": true,
			"is_domain": false, "description": "", "links": object{"self": s.URL.String() + "/v3/projects/" + id}})
	}
	answer(w, http.StatusOK, object{"projects": all, "links": s.links(r)})
}

func (s *Server) listDomains(w http.ResponseWriter, r *http.Request) {
	t := s.caller(w, r)
	if t == nil {
		return
	}
	answer(w, http.StatusOK, object{"links": s.links(r), "domains": []object{{
		"id": t.domainID(), "name": t.domain.Name, "enabled": true, "description": "", "links": object{"self": s.URL.String() + "/v3/domains/" + t.domainID()},
	}}})
}

// links are those of a list that is on one page.
func (s *Server) links(r *http.Request) object {
	return object{"self": s.URL.String() + r.URL.Path, "next": nil, "previous": nil}
}

// showUser tells users of themselves.
func (s *Server) showUser(w http.ResponseWriter, r *http.Request) {
	t := s.caller(w, r)
	if t == nil {
		return
	}
	if r.PathValue("id") != t.userID() {
		refuseOTC(w, http.StatusForbidden, "IAM.0003", "Policy doesn't allow to be performed.")
		return
	}
	answer(w, http.StatusOK, object{"user": object{
		"id": t.userID(), "name": t.user.Name, "domain_id": t.domainID(), "enabled": true, "email": "", "phone": "", "areacode": "",
		"pwd_status": true, "is_domain_owner": t.user.Owner, "last_login_time": t.issuedAt.UTC().Format(time.DateTime),
	}})
}
