package deployer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"llmhub/catalog"
	"llmhub/fault"
	"llmhub/identity"
	"llmhub/store"
)

const (
	// draftLife is how long a draft is kept.
	draftLife = 24 * time.Hour
	// maxDrafts bounds the drafts of a user; the oldest goes when there is one more.
	maxDrafts = 20
	// maxSwept bounds how many drafts go at once, sweepGap is how often those that are over do.
	maxSwept = 100
	sweepGap = 10 * time.Minute
)

// What does not exist, for somebody or at all.
var (
	errNoTenant = fault.New(fault.NotFound, "", "there is no such tenant")
	errNoDraft  = fault.New(fault.NotFound, "", "there is no such draft; it may have been kept for too long")
)

// mayPrepare returns nil if the actor may prepare deployments at all. Operators may not: who deploys accepts documents.
func mayPrepare(by identity.Actor) error {
	if err := by.Require(by.TenantID, identity.Subscribe, errNoTenant); err != nil {
		return err
	}
	if by.Kind != identity.Customer {
		return fault.New(fault.Forbidden, "", "only a user of the tenant can deploy for it")
	}
	return nil
}

// product returns a product that can be deployed, whether it is on sale or not.
func (s *Service) product(id string) (catalog.Product, error) {
	p, ok := s.o.Catalog().Product(id)
	switch {
	case !ok:
		return p, fault.New(fault.NotFound, "product_id", "there is no such product")
	case p.CCE == nil:
		return p, fault.New(fault.Invalid, "product_id", "is a product that is subscribed to, not deployed")
	}
	return p, nil
}

// productOnSale returns a product that can be deployed now.
func (s *Service) productOnSale(id string) (catalog.Product, error) {
	p, err := s.product(id)
	if err == nil && !p.OnSale(s.o.Day()) {
		err = fault.New(fault.State, "product_id", "the product is not on sale")
	}
	return p, err
}

// productOf returns the product of a draft: an upgrade can be made of one that is not on sale any more.
func (s *Service) productOf(d Draft) (catalog.Product, error) {
	if d.WorkloadID != "" {
		return s.product(d.ProductID)
	}
	return s.productOnSale(d.ProductID)
}

// changed says whether the product is another one than that which the draft was begun with.
func (d Draft) changed(p catalog.Product) bool {
	chart := p.CCE.Chart.Digest
	return d.ProductVersion != p.Version || chart != "" && d.Digest != "" && d.Digest != chart
}

// ownDraft returns a draft of the actor's own.
func (s *Service) ownDraft(ctx context.Context, by identity.Actor, id string) (store.Record[Draft], error) {
	if err := mayPrepare(by); err != nil {
		return store.Record[Draft]{}, err
	}
	r, err := s.drafts.Get(ctx, id)
	d := r.Value
	switch {
	case missing(err) || err == nil && (d.TenantID != by.TenantID || d.UserID != by.ID || s.over(d)):
		return store.Record[Draft]{}, errNoDraft
	case err != nil:
		return store.Record[Draft]{}, fmt.Errorf("read draft: %w", err)
	}
	return r, nil
}

func (s *Service) over(d Draft) bool { return !s.o.Now().Before(d.EndsAt) }

// changeDraft changes a draft of the actor's own that has not become a workload.
func (s *Service) changeDraft(ctx context.Context, by identity.Actor, id string, change func(*Draft) error) (Draft, error) {
	var d Draft
	_, err := store.Change(ctx, s.o.Documents, func() ([]store.Write, error) {
		checks, err := s.o.Buyers.Require(ctx, by, by.TenantID)
		if err != nil {
			return nil, err
		}
		r, err := s.ownDraft(ctx, by, id)
		if err != nil {
			return nil, err
		}
		d = r.Value
		if d.WorkloadMade != "" {
			return nil, errDeployed
		}
		if err := change(&d); err != nil {
			return nil, err
		}
		w, err := s.drafts.Write(d.ID, r.Version, d)
		return append(checks, w), err
	})
	if err != nil {
		return Draft{}, err
	}
	return d, nil
}

// begun returns a draft of a product that has not been written.
func (s *Service) begun(by identity.Actor, p catalog.Product) Draft {
	at := s.stamp()
	return Draft{
		ID: identity.NewID("drf_"), TenantID: by.TenantID, UserID: by.ID, ProductID: p.ID, ProductVersion: p.Version,
		Digest: p.CCE.Chart.Digest, CreatedAt: at, EndsAt: at.Add(draftLife),
	}
}

// addDraft writes the draft that begin returns, if the actor can deploy, and removes the oldest that are too many.
func (s *Service) addDraft(ctx context.Context, by identity.Actor, begin func() (Draft, error)) (Draft, error) {
	var d Draft
	_, err := store.Change(ctx, s.o.Documents, func() ([]store.Write, error) {
		writes, err := s.o.Buyers.Require(ctx, by, by.TenantID)
		if err != nil {
			return nil, err
		}
		if d, err = begin(); err != nil {
			return nil, err
		}
		mine, err := s.draftsOf(ctx, by)
		if err != nil {
			return nil, err
		}
		for _, r := range mine[min(len(mine), maxDrafts-1):] {
			writes = append(writes, store.Write{Kind: kindDraft, ID: r.ID, Expect: r.Version, Delete: true})
		}
		w, err := s.drafts.Write(d.ID, 0, d)
		return append(writes, w), err
	})
	if err != nil {
		return Draft{}, err
	}
	return d, nil
}

// draftsOf returns all drafts of a user that are kept, newest first.
func (s *Service) draftsOf(ctx context.Context, by identity.Actor) ([]store.Record[Draft], error) {
	var mine []store.Record[Draft]
	for r, err := range s.drafts.All(ctx, "user", by.ID) {
		if err != nil {
			return nil, fmt.Errorf("list drafts: %w", err)
		}
		mine = append(mine, r)
	}
	slices.SortFunc(mine, func(a, b store.Record[Draft]) int {
		return cmp.Or(b.Value.CreatedAt.Compare(a.Value.CreatedAt), cmp.Compare(b.Version, a.Version))
	})
	return mine, nil
}

// tidy removes drafts that are over, if that has not been done for some time. Another process may be doing the same.
func (s *Service) tidy(ctx context.Context, last *time.Time) {
	now := s.o.Now()
	if now.Sub(*last) < sweepGap {
		return
	}
	*last = now
	if err := s.sweepDrafts(ctx); err != nil && ctx.Err() == nil && !errors.Is(err, store.ErrConflict) {
		s.o.Logger.Error("cannot remove drafts that are over", "error", err)
	}
}

// sweepDrafts removes drafts that are over, a bounded number at a time.
func (s *Service) sweepDrafts(ctx context.Context) error {
	var writes []store.Write
	for r, err := range s.drafts.All(ctx, "", "") {
		if err != nil {
			return fmt.Errorf("list drafts: %w", err)
		}
		if s.over(r.Value) {
			writes = append(writes, store.Write{Kind: kindDraft, ID: r.ID, Expect: r.Version, Delete: true})
		}
		if len(writes) == maxSwept {
			break
		}
	}
	if len(writes) == 0 {
		return nil
	}
	if _, err := s.o.Documents.Put(ctx, writes...); err != nil {
		return fmt.Errorf("remove drafts: %w", err)
	}
	return nil
}
