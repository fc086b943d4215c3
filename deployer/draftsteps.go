package deployer

import (
	"context"
	"strings"
	"unicode"

	"llmhub/catalog"
	"llmhub/fault"
	"llmhub/identity"
	"llmhub/secret"
	"llmhub/store"
)

// Ready returns nil if the actor can deploy for the tenant, or else what keeps from it.
func (s *Service) Ready(ctx context.Context, by identity.Actor, tenantID string) error {
	_, err := s.o.Buyers.Require(ctx, by, tenantID)
	return err
}

// NewDraft begins a deployment of a product.
func (s *Service) NewDraft(ctx context.Context, by identity.Actor, productID string) (Draft, error) {
	return s.addDraft(ctx, by, func() (Draft, error) {
		p, err := s.productOnSale(productID)
		if err != nil {
			return Draft{}, err
		}
		return s.begun(by, p), nil
	})
}

// NewUpgrade begins an upgrade of a workload to the product's current version, with the values that it has. The error may be a
// *Reason about the chart.
func (s *Service) NewUpgrade(ctx context.Context, by identity.Actor, workloadID string) (Draft, error) {
	if err := s.Ready(ctx, by, by.TenantID); err != nil {
		return Draft{}, err
	}
	w, p, err := s.upgradable(ctx, by, workloadID)
	if err != nil {
		return Draft{}, err
	}
	d := s.begun(by, p)
	d.WorkloadID, d.Target = w.ID, w.Target
	d.Target.NewNamespace = false
	f, chart, err := s.currentForm(ctx, d)
	if err != nil {
		return Draft{}, err
	}
	d.Digest, d.Input = chart.Digest, f.InputOf(w.Values)
	return s.addDraft(ctx, by, func() (Draft, error) { return d, nil })
}

// upgradable returns a workload that can be upgraded by the actor, with its product.
func (s *Service) upgradable(ctx context.Context, by identity.Actor, workloadID string) (Workload, catalog.Product, error) {
	r, err := s.own(ctx, by, workloadID)
	if err == nil {
		err = r.Value.settled()
	}
	if err != nil {
		return Workload{}, catalog.Product{}, err
	}
	p, err := s.product(r.Value.ProductID)
	return r.Value, p, err
}

// Draft returns a draft of the actor's own.
func (s *Service) Draft(ctx context.Context, by identity.Actor, id string) (Draft, error) {
	r, err := s.ownDraft(ctx, by, id)
	return r.Value, err
}

// Drafts returns the drafts of the actor that have not become a workload, newest first.
func (s *Service) Drafts(ctx context.Context, by identity.Actor) ([]Draft, error) {
	if err := mayPrepare(by); err != nil {
		return nil, err
	}
	mine, err := s.draftsOf(ctx, by)
	if err != nil {
		return nil, err
	}
	var open []Draft
	for _, r := range mine {
		if d := r.Value; d.WorkloadMade == "" && d.TenantID == by.TenantID && !s.over(d) {
			open = append(open, d)
		}
	}
	return open, nil
}

// Discard throws a draft away.
func (s *Service) Discard(ctx context.Context, by identity.Actor, id string) error {
	_, err := store.Change(ctx, s.o.Documents, func() ([]store.Write, error) {
		r, err := s.ownDraft(ctx, by, id)
		if err != nil {
			return nil, err
		}
		return []store.Write{{Kind: kindDraft, ID: id, Expect: r.Version, Delete: true}}, nil
	})
	return err
}

// MaxLicenceBytes bounds a licence: a Secret holds 1 MiB, with its other parts.
const MaxLicenceBytes = 512 << 10

// maxLicenceName bounds what is kept of the name of a licence's file, in characters.
const maxLicenceName = 100

// SetLicence sets the licence; name is that of its file, or "text". later says that it is entered after the deployment, where
// the product allows that. Without both the one that is there stays, or it is a fault of the field licence. In an upgrade
// the one that is in the cluster stays.
func (s *Service) SetLicence(ctx context.Context, by identity.Actor, id, name string, licence secret.Text, later bool) (Draft, error) {
	given := strings.TrimSpace(licence.Reveal()) != ""
	return s.changeDraft(ctx, by, id, func(d *Draft) error {
		p, err := s.productOf(*d)
		if err != nil {
			return err
		}
		if err := checkLicence(p.CCE.BYOL, *d, licence, given, later); err != nil || !given && !later {
			return err
		}
		c, err := s.open(d.ID, d.Sealed)
		if err != nil {
			return err
		}
		d.LicenceName, d.LicenceBytes, d.LicenceLater, c.Licence = "", 0, later, secret.Text{}
		if given {
			d.LicenceName, d.LicenceBytes, c.Licence = licenceName(name), len(licence.Reveal()), licence
		}
		d.Sealed, err = s.seal(d.ID, c)
		return err
	})
}

// checkLicence returns what is wrong with what was entered in the licence step.
func checkLicence(own *catalog.OwnLicence, d Draft, licence secret.Text, given, later bool) error {
	const field = "licence"
	size := len(licence.Reveal())
	switch {
	case own == nil:
		return fault.New(fault.State, field, "the product takes no licence")
	case size > MaxLicenceBytes:
		return fault.New(fault.Invalid, field, "must have at most %d bytes", MaxLicenceBytes)
	case own.SecretName == "" && given:
		return fault.New(fault.Invalid, field, "the licence of this product is entered after the deployment")
	case own.SecretName != "" && later:
		return fault.New(fault.Invalid, field, "this product needs its licence before the deployment")
	case !given && !later && !d.licensed(own):
		return fault.New(fault.Invalid, field, "must not be empty")
	}
	return nil
}

// licensed says whether the licence step has been done.
func (d Draft) licensed(own *catalog.OwnLicence) bool {
	return own == nil || d.WorkloadID != "" || d.LicenceBytes > 0 || own.SecretName == "" && d.LicenceLater
}

// licenceName returns what is kept of a file's name, which is the browser's word.
func licenceName(name string) string {
	name = name[strings.LastIndexAny(name, `/\`)+1:]
	name = strings.Map(func(r rune) rune {
		if !unicode.IsGraphic(r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(name, ""))
	if name = strings.TrimSpace(name); name == "" {
		return "text"
	}
	return string([]rune(name)[:min(maxLicenceName, len([]rune(name)))])
}
