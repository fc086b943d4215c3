package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"llmhub/identity"
	"llmhub/identity/iam/iamtest"
	"llmhub/secret"
	"llmhub/store"
	"llmhub/subscription"
)

// What a customer does, and when after joining.
const (
	submittedAfter  = time.Hour
	approvedAfter   = 4 * time.Hour
	subscribedAfter = 5 * time.Hour
)

// demoSeed makes what a plan says through the services of the domain, as its people would have, at the times at which they
// would have: only their clock is another one, and what they write is put together.
type demoSeed struct {
	people    people
	service   *subscription.Service
	documents *bulkDocuments
	offer     subscription.Offer
	clock     time.Time
}

func (s *server) newDemoSeed() (*demoSeed, error) {
	product, ok := s.catalog.Load().Product("llm-hub")
	if !ok {
		return nil, errors.New("the catalog has no llm-hub")
	}
	offer, err := subscription.OfferOf(product, "en", store.DayOf(time.Now(), s.cfg.Billing.TimeZone).String())
	if err != nil {
		return nil, err
	}
	d := &demoSeed{documents: newBulkDocuments(s.store), offer: offer}
	now := func() time.Time { return d.clock }
	if d.people, err = s.peopleOn(d.documents, now); err != nil {
		return nil, err
	}
	d.service = s.serviceOn(d.documents, d.people.profiles, now)
	return d, nil
}

// make makes all customers and gives the plan's keys their IDs. It returns the first customer's user and subscription.
func (d *demoSeed) make(ctx context.Context, plan *demoPlan, p *progress) (first identity.Actor, sub subscription.Subscription, err error) {
	for i := range plan.customers {
		c := &plan.customers[i]
		by, made, err := d.customer(ctx, c)
		if err != nil {
			return first, sub, fmt.Errorf("customer %s: %w", c.profile.Company, err)
		}
		if i == 0 {
			first, sub = by, made
		}
		p.step("customers", i+1, len(plan.customers))
	}
	return first, sub, d.documents.flush(ctx)
}

func (d *demoSeed) customer(ctx context.Context, c *demoCustomer) (by identity.Actor, sub subscription.Subscription, err error) {
	d.clock = c.joined
	if by, err = d.enroll(ctx, c.domain, c.user); err != nil {
		return by, sub, err
	}
	if err := d.colleagues(ctx, by, c); err != nil {
		return by, sub, err
	}
	subscribes, err := d.profile(ctx, by, c)
	if err != nil || !subscribes {
		return by, sub, err
	}
	d.clock = c.joined.Add(subscribedAfter)
	sub, err = d.service.Subscribe(ctx, by, subscription.Subscribe{TenantID: by.TenantID, Product: d.offer, Accepted: d.offer.AcceptAll()})
	if err != nil {
		return by, sub, err
	}
	for i := range c.keys {
		if err := d.key(ctx, by, sub.ID, &c.keys[i]); err != nil {
			return by, sub, err
		}
	}
	for model, rules := range c.limits {
		if _, err := d.service.SetSubscriptionLimits(ctx, identity.Administrator(), sub.ID, model, rules); err != nil {
			return by, sub, err
		}
	}
	return by, sub, d.fate(ctx, by, c, sub)
}

// enroll makes the tenant and the user by signing in once.
func (d *demoSeed) enroll(ctx context.Context, domain string, u iamtest.User) (identity.Actor, error) {
	in := d.people.signIn
	_, session, err := in.Customer(ctx, identity.Credentials{Domain: domain, User: u.Name, Password: secret.New(u.Password)}, identity.Origin{Agent: "llmhub demo"})
	if err != nil {
		return identity.Actor{}, err
	}
	who, err := in.Who(ctx, session)
	if err != nil {
		return identity.Actor{}, err
	}
	return who.Actor, in.Out(ctx, session)
}

// colleagues makes the customer's other users, and the personal tokens of the first, which expire in a month from now.
func (d *demoSeed) colleagues(ctx context.Context, by identity.Actor, c *demoCustomer) error {
	for _, u := range c.colleagues {
		if _, err := d.enroll(ctx, c.domain, u); err != nil {
			return err
		}
	}
	if c.tokens > 0 {
		d.clock = time.Now()
	}
	for i := range c.tokens {
		if _, _, err := d.people.tokens.Create(ctx, by, fmt.Sprint("automation-", i+1), d.clock.AddDate(0, 1, 0)); err != nil {
			return err
		}
	}
	return nil
}

// profile submits the profile and reviews it, and says whether the customer can go on to subscribe.
func (d *demoSeed) profile(ctx context.Context, by identity.Actor, c *demoCustomer) (approved bool, err error) {
	d.clock = c.joined.Add(submittedAfter)
	p, err := d.people.profiles.Submit(ctx, by, by.TenantID, c.profile)
	if err != nil {
		return false, err
	}
	d.clock = c.joined.Add(approvedAfter)
	switch c.fate {
	case fateWaiting:
		return false, nil
	case fateRejected:
		_, err = d.people.profiles.Reject(ctx, identity.Administrator(), by.TenantID, p.Change.SubmittedAt, "The website does not belong to the company.")
		return false, err
	}
	_, err = d.people.profiles.Approve(ctx, identity.Administrator(), by.TenantID, p.Change.SubmittedAt)
	return true, err
}

func (d *demoSeed) key(ctx context.Context, by identity.Actor, subscriptionID string, k *demoKey) error {
	d.clock = k.made
	create := subscription.CreateKey{SubscriptionID: subscriptionID, Name: k.name, Limits: k.limits}
	if !k.expires.IsZero() {
		create.ExpiresAt = &k.expires
	}
	key, _, err := d.service.CreateKey(ctx, by, create)
	if err != nil {
		return err
	}
	k.id = key.ID
	if !k.gone {
		return nil
	}
	d.clock = k.until
	_, err = d.service.DeactivateKey(ctx, by, k.id)
	return err
}

// fate does what becomes of a customer who has subscribed.
func (d *demoSeed) fate(ctx context.Context, by identity.Actor, c *demoCustomer, sub subscription.Subscription) (err error) {
	d.clock = c.ends
	switch c.fate {
	case fateSuspended:
		_, err = d.people.tenants.Suspend(ctx, identity.Administrator(), by.TenantID, "Invoices of three months are open.")
	case fateCancelled:
		_, err = d.service.CancelSubscription(ctx, by, sub.ID, "The project has ended.")
	case fateChanging:
		d.clock = time.Now().Add(-submittedAfter)
		changed := c.profile
		changed.Phone = "+49 30 7654321"
		_, err = d.people.profiles.Submit(ctx, by, by.TenantID, changed)
	}
	return err
}
