package cce

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"strings"

	"llmhub/identity"
)

const (
	regionMark  = "{region}"
	clusterMark = "{cluster_id}"
)

var (
	// regionForm is a region such as eu-de. Projects such as MOS have none.
	regionForm = regexp.MustCompile(`^[a-z0-9]{1,16}(-[a-z0-9]{1,16}){1,3}$`)
	// clusterForm is the ID of a cluster: it becomes a part of a host's name.
	clusterForm = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)
)

// region returns the region of a project, which its name begins with: that of eu-de_myproject is eu-de.
func region(p identity.Project) string {
	r, _, _ := strings.Cut(p.Name, "_")
	return r
}

// template is an address with the places of a region and of a cluster.
type template string

func (t template) regional() bool { return strings.Contains(string(t), regionMark) }

// fill returns the address without a slash at its end. What is filled in must have been checked.
func (t template) fill(region, cluster string) string {
	return strings.TrimRight(strings.NewReplacer(regionMark, region, clusterMark, cluster).Replace(string(t)), "/")
}

// check says what is wrong with the address, which must have the given marks.
func (t template) check(marks ...string) error {
	for _, m := range marks {
		if !strings.Contains(string(t), m) {
			return fmt.Errorf("it must contain %s", m)
		}
	}
	filled := t.fill("eu-de", "cluster")
	u, err := url.Parse(filled)
	switch {
	case strings.ContainsAny(filled, "{}"):
		return fmt.Errorf("it may contain %s and %s, and no other braces", regionMark, clusterMark)
	case err != nil || u.Hostname() == "":
		return errors.New("it must be a URL with a host")
	case u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return errors.New("it must not have a user, a query or a fragment")
	case u.Scheme == "https", u.Scheme == "http" && loopback(u.Hostname()):
		return nil
	}
	return errors.New("it must begin with https://, since tokens are sent to it")
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
