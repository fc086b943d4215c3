package ccetest

import (
	"encoding/json"
	"net/http"
	"strings"
)

// The phases of a cluster; only Available can be used.
const (
	Available   = "Available"
	Unavailable = "Unavailable"
	Creating    = "Creating"
	Deleting    = "Deleting"
	Upgrading   = "Upgrading"
	Resizing    = "Resizing"
	ScalingUp   = "ScalingUp"
	Hibernation = "Hibernation"
)

// EndpointForm is one of the forms in which CCE writes the addresses of a cluster.
type EndpointForm int

// The forms: a list of objects with one key each, a list of objects with url and type, an object, and null.
const (
	OneKey EndpointForm = iota
	Typed
	Object
	Null
)

// Cluster is a cluster of a project.
type Cluster struct {
	// ID is its UID; ProjectID that of the project, as the identity service has it.
	ID, ProjectID string
	Name          string
	// Version is such as v1.34; Type and Category are "VirtualMachine" and "CCE" where they are empty.
	Version, Type, Category string
	// Phase is one of the phases; Reason and Message say more of it.
	Phase, Reason, Message string
	Endpoints              EndpointForm
	// Private clusters have no public address.
	Private bool
}

// object is a JSON object.
type object map[string]any

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

// refuse answers in CCE's form of errors.
func refuse(w http.ResponseWriter, status int, code, message string) {
	answer(w, status, object{"errorMessage": message, "errorCode": code})
}

func or(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

// body is the answer that describes a cluster.
func (s *Server) body(c Cluster) object {
	return object{
		"kind": "Cluster", "apiVersion": "v3",
		"metadata": object{"name": c.Name, "uid": c.ID, "creationTimestamp": "2026-01-12 09:31:07.161245 +0000 UTC",
			"updateTimestamp": "2026-02-03 07:11:52.413817 +0000 UTC", "labels": object{}, "annotations": object{}},
		"spec": object{
			"type": or(c.Type, "VirtualMachine"), "category": or(c.Category, "CCE"), "flavor": "cce.s2.small", "version": or(c.Version, "v1.34"),
			"description": "", "hostNetwork": object{"vpc": "0a5c", "subnet": "1b6d", "SecurityGroup": "2c7e"},
			"containerNetwork": object{"mode": "vpc-router", "cidr": "10.0.0.0/16"}, "authentication": object{"mode": "rbac", "authenticatingProxy": object{}},
			"billingMode": 0, "kubernetesSvcIpRange": "10.247.0.0/16", "kubeProxyMode": "ipvs",
		},
		"status": object{"phase": c.Phase, "reason": c.Reason, "message": c.Message, "jobID": "", "endpoints": s.endpoints(c)},
	}
}

func (s *Server) endpoints(c Cluster) any {
	internal, external := "https://192.168.0.61:5443", ""
	if s.plane != nil {
		internal, external = s.plane.server, s.plane.server
	}
	if c.Private {
		external = ""
	}
	switch c.Endpoints {
	case Typed:
		return []object{{"url": internal, "type": "Internal"}, {"url": external, "type": "External"}}
	case Object:
		return object{"internal": internal, "external": external, "external_otc": s.gatewayOf(c.ID)}
	case Null:
		return nil
	}
	return []object{{"Internal": internal}, {"External": external}}
}

// gatewayOf returns the address that the gateway has a cluster at.
func (s *Server) gatewayOf(id string) string {
	return strings.ReplaceAll(s.KubernetesURL, "{cluster_id}", id)
}
