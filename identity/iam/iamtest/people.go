package iamtest

import (
	"crypto/sha256"
	"encoding/hex"
)

// Domain is a tenant of OTC.
type Domain struct {
	Name string
	// Projects are names; the first part of each is the region.
	Projects []string
	Users    []User
}

// User is a user of a domain.
type User struct {
	Name, Password string
	// Roles are those in the domain, which hold in its projects, too.
	Roles []string
	// Owner marks the one account that owns the domain.
	Owner bool
	// Seed is the secret of a virtual MFA device (RFC 6238, SHA-1, six digits, 30 seconds); empty without one.
	Seed string
}

// The domains of People.
const (
	// CustomerDomain is that of a customer who has been with us for long.
	CustomerDomain = "OTC-EU-DE-00000000001000000001"
	// NewDomain is that of a customer who comes for the first time.
	NewDomain = "OTC-EU-DE-00000000001000000002"
)

// People returns who there is in the demo: "Muster Maschinenbau" with an administrator who owns the domain, a guest and an
// administrator with MFA, and a new customer.
func People() []Domain {
	return []Domain{
		{Name: CustomerDomain, Projects: []string{"eu-de", "eu-de_ai"}, Users: []User{
			{Name: "jana.weber", Password: "demo-jana-weber", Roles: []string{"te_admin", "secu_admin"}, Owner: true},
			{Name: "tom.klein", Password: "demo-tom-klein", Roles: []string{"readonly"}},
			{Name: "mia.koch", Password: "demo-mia-koch", Roles: []string{"te_admin"}, Seed: "demo-seed-of-mia-koch"},
		}},
		{Name: NewDomain, Projects: []string{"eu-de"}, Users: []User{
			{Name: "lars.petersen", Password: "demo-lars-petersen", Roles: []string{"te_admin"}, Owner: true},
		}},
	}
}

// ID returns the ID that the service gives to what has these names, from the domain down. It is the same in each run, so
// that what a demo has stored still fits.
func ID(names ...string) string {
	h := sha256.New()
	for _, n := range names {
		h.Write([]byte(n))
		h.Write([]byte{0})
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// subject is a user with the domain.
type subject struct {
	domain *Domain
	user   *User
}

func (u subject) domainID() string             { return ID(u.domain.Name) }
func (u subject) userID() string               { return ID(u.domain.Name, "user", u.user.Name) }
func (u subject) projectID(name string) string { return ID(u.domain.Name, "project", name) }

// find returns the user that a request names, by ID or by name and domain.
func (s *Server) find(who userRef) (subject, bool) {
	for i := range s.options.Domains {
		d := &s.options.Domains[i]
		for j := range d.Users {
			found := subject{d, &d.Users[j]}
			if who.ID != "" && found.userID() == who.ID || who.ID == "" && found.user.Name == who.Name && who.Domain.is(found.domainID(), d.Name) {
				return found, true
			}
		}
	}
	return subject{}, false
}
