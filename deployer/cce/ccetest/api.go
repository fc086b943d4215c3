package ccetest

import (
	"encoding/json"
	"net/http"
	"slices"
)

// api is for a call about the project that the path names: it checks token and content type.
func (s *Server) api(next http.HandlerFunc) http.HandlerFunc {
	return s.moody(API, func(w http.ResponseWriter, r *http.Request) {
		who := s.caller(r, r.Header.Get("X-Auth-Token"))
		switch {
		case who == nil:
			refuse(w, http.StatusUnauthorized, "CCE.01401001", "Authorization failed.")
		case who.project != r.PathValue("project"):
			refuse(w, http.StatusForbidden, "CCE.01403001", "Forbidden.")
		case r.Header.Get("Content-Type") != "application/json":
			refuse(w, http.StatusBadRequest, "CCE.01400001", "Invalid request.")
		default:
			next(w, r)
		}
	})
}

// find returns a cluster, of one project or of any.
func (s *Server) find(project, id string) (Cluster, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.clusters, func(c Cluster) bool { return c.ID == id && (project == "" || c.ProjectID == project) })
	if i < 0 {
		return Cluster{}, false
	}
	return s.clusters[i], true
}

func (s *Server) listClusters(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	all := slices.Clone(s.clusters)
	s.mu.Unlock()
	items := []object{}
	for _, c := range all {
		if c.ProjectID == r.PathValue("project") {
			items = append(items, s.body(c))
		}
	}
	answer(w, http.StatusOK, object{"kind": "Cluster", "apiVersion": "v3", "items": items})
}

func (s *Server) showCluster(w http.ResponseWriter, r *http.Request) {
	if c, ok := s.find(r.PathValue("project"), r.PathValue("cluster")); ok {
		answer(w, http.StatusOK, s.body(c))
		return
	}
	refuse(w, http.StatusNotFound, "CCE.01404001", "Resource not found.")
}

// makeCertificate gives out the certificate of the control plane's kubeconfig, whatever the duration.
func (s *Server) makeCertificate(w http.ResponseWriter, r *http.Request) {
	c, ok := s.find(r.PathValue("project"), r.PathValue("cluster"))
	var asked struct {
		Days int `json:"duration"`
	}
	err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<10)).Decode(&asked)
	switch {
	case !ok:
		refuse(w, http.StatusNotFound, "CCE.01404001", "Resource not found.")
	case err != nil || asked.Days != -1 && (asked.Days < 1 || asked.Days > 1825):
		refuse(w, http.StatusBadRequest, "CCE.01400001", "Invalid request.")
	case c.Phase != Available || s.plane == nil:
		refuse(w, http.StatusBadRequest, "CCE.01400013", "The cluster is not available.")
	default:
		answer(w, http.StatusOK, s.plane.document(c.Private))
	}
}
