package cce

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"

	"llmhub/deployer"
	"llmhub/identity"
	"llmhub/secret"
)

const (
	// maxAnswerBytes bounds an answer, maxClusters the clusters in it: a project has fifty at most, unless OTC is asked for more.
	maxAnswerBytes = 4 << 20
	maxClusters    = 1000
	maxNameRunes   = 128
	available      = "Available"
)

// cluster is what is used of CCE's description of a cluster.
type cluster struct {
	Metadata struct {
		Name string `json:"name"`
		UID  string `json:"uid"`
	} `json:"metadata"`
	Spec struct {
		Type     string `json:"type"`
		Category string `json:"category"`
		Version  string `json:"version"`
	} `json:"spec"`
	Status struct {
		Phase     string    `json:"phase"`
		Reason    string    `json:"reason"`
		Message   string    `json:"message"`
		Endpoints endpoints `json:"endpoints"`
	} `json:"status"`
}

func (c *cluster) info() deployer.ClusterInfo {
	info := deployer.ClusterInfo{
		ID: c.Metadata.UID, Name: clean(c.Metadata.Name, maxNameRunes), Version: clean(c.Spec.Version, maxNameRunes),
		Available: c.Status.Phase == available, Phase: clean(c.Status.Phase, maxNameRunes), Type: both(c.Spec.Category, ", ", c.Spec.Type, maxNameRunes),
	}
	if info.Name == "" {
		info.Name = info.ID
	}
	if !info.Available {
		info.Message = both(c.Status.Reason, ": ", c.Status.Message, maxMessageRunes)
	}
	return info
}

// both returns two texts with something between them if there are both.
func both(a, between, b string, limit int) string {
	if strings.TrimSpace(a) == "" || strings.TrimSpace(b) == "" {
		between = ""
	}
	return clean(a+between+b, limit)
}

// list asks for the clusters of a project.
func (s *Source) list(ctx context.Context, p identity.Project, token secret.Text) ([]cluster, error) {
	text, err := s.call(ctx, request{method: http.MethodGet, project: p, token: token})
	if err != nil {
		return nil, err
	}
	// Elements stay undecoded until they are counted: a few bytes of text can be a large struct.
	var answer struct {
		Items []json.RawMessage `json:"items"`
	}
	if json.Unmarshal(text, &answer) != nil || len(answer.Items) > maxClusters {
		return nil, senseless()
	}
	all := make([]cluster, len(answer.Items))
	for i, item := range answer.Items {
		if err := decode(item, &all[i]); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// get asks for one cluster.
func (s *Source) get(ctx context.Context, p identity.Project, id string, token secret.Text) (*cluster, error) {
	text, err := s.call(ctx, request{method: http.MethodGet, project: p, below: "/" + id, token: token})
	if err != nil {
		return nil, err
	}
	var c cluster
	if err := decode(text, &c); err != nil {
		return nil, err
	}
	if c.Metadata.UID != id {
		return nil, senseless()
	}
	return &c, nil
}

// decode reads a cluster, whose ID must be one that can be asked for.
func decode(text []byte, into *cluster) error {
	if json.Unmarshal(text, into) != nil || !clusterForm.MatchString(into.Metadata.UID) {
		return senseless()
	}
	return nil
}
