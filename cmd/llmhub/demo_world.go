package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"math"
	randv2 "math/rand/v2"
	"time"

	"llmhub/identity"
	"llmhub/identity/iam/iamtest"
	"llmhub/secret"
	"llmhub/store"
	"llmhub/subscription"
)

// demoDays is how many days of usage the demo's customer has.
const demoDays = 100

// demoWorld is what there is in the demo.
type demoWorld struct {
	// key and secret are the key that the printed lines use.
	key    subscription.Key
	secret subscription.Secret
	people []demoPerson
}

type demoPerson struct{ who, what string }

// demoKeys are the customer's keys with the tokens that they use on a working day, and the model they use.
var demoKeys = []struct {
	name, model string
	perDay      int64
	weekends    bool
	deactivate  bool
}{
	{"support-chat-prod", "llama-3.3-70b", 1_350_000, true, false},
	{"invoice-extraction", "mistral-small-3.2", 560_000, false, false},
	{"code-review-ci", "gpt-oss-120b", 370_000, false, false},
	{"intranet-search", "gpt-4.1", 210_000, false, false},
	{"workshop-october", demoModel, 60_000, false, true},
}

// furnish makes the demo's world: an operator, a customer of some months, and one who comes for the first time.
func (s *server) furnish(ctx context.Context) (demoWorld, error) {
	operatorPassword := secret.New("demo-" + rand.Text()[:12])
	if _, err := s.people.operators.Create(ctx, identity.Administrator(), demoOperator, operatorPassword); err != nil {
		return demoWorld{}, err
	}
	w := demoWorld{people: demoPeople(operatorPassword)}
	jana := iamtest.People()[0].Users[0]
	actor, err := s.enroll(ctx, iamtest.CustomerDomain, jana)
	if err != nil {
		return w, err
	}
	if err := s.approve(ctx, actor, identity.ProfileData{
		Company: "Muster Maschinenbau GmbH", Website: "https://www.example.com", SellerEmail: "it-einkauf@example.com",
		MarketplaceEmail: "cloud-team@example.com", Phone: "+49 30 1234567",
	}); err != nil {
		return w, err
	}
	sub, keys, err := s.demoSubscription(ctx, actor)
	if err != nil {
		return w, err
	}
	if err := s.demoUsage(ctx, keys); err != nil {
		return w, err
	}
	w.key, w.secret, err = s.service.CreateKey(ctx, actor, subscription.CreateKey{SubscriptionID: sub.ID, Name: "demo"})
	return w, err
}

// demoPeople lists who can sign in, as it is printed.
func demoPeople(operatorPassword secret.Text) []demoPerson {
	var list []demoPerson
	notes := map[string]string{
		"jana.weber": "customer with a subscription, owner of the tenant", "tom.klein": "the same tenant, without the role that is needed",
		"mia.koch": "the same tenant, with a second factor", "lars.petersen": "new customer without a profile",
	}
	for _, d := range iamtest.People() {
		for _, u := range d.Users {
			p := demoPerson{notes[u.Name], fmt.Sprintf("domain %s  user %s  password %s", d.Name, u.Name, u.Password)}
			if u.Seed != "" {
				p.what += "  authenticator key " + u.DeviceKey()
			}
			list = append(list, demoPerson{u.Name, p.what + "  (" + p.who + ")"})
		}
	}
	return append(list, demoPerson{"operator", "at /operator/login  name " + demoOperator + "  password " + operatorPassword.Reveal()})
}

// enroll makes the tenant and the user by signing in once.
func (s *server) enroll(ctx context.Context, domain string, u iamtest.User) (identity.Actor, error) {
	_, session, err := s.people.signIn.Customer(ctx, identity.Credentials{Domain: domain, User: u.Name, Password: secret.New(u.Password)}, identity.Origin{Agent: "llmhub demo"})
	if err != nil {
		return identity.Actor{}, err
	}
	who, err := s.people.signIn.Who(ctx, session)
	if err != nil {
		return identity.Actor{}, err
	}
	return who.Actor, s.people.signIn.Out(ctx, session)
}

// approve submits a profile and approves it.
func (s *server) approve(ctx context.Context, by identity.Actor, data identity.ProfileData) error {
	p, err := s.people.profiles.Submit(ctx, by, by.TenantID, data)
	if err != nil {
		return err
	}
	_, err = s.people.profiles.Approve(ctx, identity.Administrator(), by.TenantID, p.Change.SubmittedAt)
	return err
}

// demoSubscription subscribes to the LLM Hub and makes keys, as of demoDays ago.
func (s *server) demoSubscription(ctx context.Context, by identity.Actor) (subscription.Subscription, []subscription.Key, error) {
	then := time.Now().AddDate(0, 0, -demoDays)
	past := s.serviceAt(func() time.Time { return then })
	product, ok := s.catalog.Load().Product("llm-hub")
	if !ok {
		return subscription.Subscription{}, nil, fmt.Errorf("the catalog has no llm-hub")
	}
	offer := subscription.OfferOf(product, "en")
	sub, err := past.Subscribe(ctx, by, subscription.Subscribe{TenantID: by.TenantID, Product: offer, Accepted: offer.AcceptAll()})
	if err != nil {
		return sub, nil, err
	}
	keys := make([]subscription.Key, len(demoKeys))
	for i, k := range demoKeys {
		if keys[i], _, err = past.CreateKey(ctx, by, subscription.CreateKey{SubscriptionID: sub.ID, Name: k.name}); err != nil {
			return sub, nil, err
		}
		if k.deactivate {
			if _, err = s.service.DeactivateKey(ctx, by, keys[i].ID); err != nil {
				return sub, nil, err
			}
		}
	}
	return sub, keys, nil
}

// demoUsage writes the usage of all days up to now. It is the same for the same days.
func (s *server) demoUsage(ctx context.Context, keys []subscription.Key) error {
	source, err := s.store.NewSource(ctx)
	if err != nil {
		return err
	}
	random := randv2.New(randv2.NewPCG(1, 2))
	b := &usageBatches{ctx: ctx, ledger: s.store, source: source}
	now := time.Now().UTC()
	for day := demoDays - 1; day >= 0; day-- {
		midnight := now.AddDate(0, 0, -day).Truncate(24 * time.Hour)
		for i, k := range demoKeys {
			b.add(demoDay(random, midnight, now, keys[i].ID, k.model, k.perDay, k.weekends)...)
		}
	}
	return b.flush()
}

// demoDay returns the requests of one key on one day, none later than now.
func demoDay(random *randv2.Rand, midnight, now time.Time, key, model string, perDay int64, weekends bool) []store.Event {
	amount := float64(perDay) * (0.75 + random.Float64()/2)
	if d := midnight.Weekday(); d == time.Saturday || d == time.Sunday {
		if !weekends {
			return nil
		}
		amount *= 0.4
	}
	const requests = 24
	var events []store.Event
	for i := range requests {
		at := midnight.Add(time.Duration(6+i*12/requests)*time.Hour + time.Duration(random.IntN(3600))*time.Second)
		total := int64(math.Round(amount / requests * (0.5 + random.Float64())))
		if at.After(now) {
			continue
		}
		t := store.Tokens{Input: total * 85 / 100, Output: total * 15 / 100}
		t.CachedInput = t.Input / 4
		events = append(events, store.Event{
			Key: key, Model: model, Deployment: "built-in/" + model, At: at, Duration: time.Duration(800+random.IntN(4000)) * time.Millisecond,
			Provenance: store.FromUpstream, Tokens: t,
		})
	}
	return events
}

// usageBatches commits events in batches as large as the ledger takes.
type usageBatches struct {
	ctx    context.Context
	ledger store.Ledger
	source store.Source
	seq    uint64
	next   uint64
	events []store.Event
	err    error
}

func (b *usageBatches) add(events ...store.Event) {
	for _, e := range events {
		b.next++
		e.ID = store.NewRequestID(b.source, b.next)
		if b.events = append(b.events, e); len(b.events) == store.MaxBatchEvents {
			b.commit()
		}
	}
}

func (b *usageBatches) commit() {
	if b.err != nil || len(b.events) == 0 {
		return
	}
	b.seq++
	b.err = b.ledger.Commit(b.ctx, store.Batch{Source: b.source, Seq: b.seq, Events: b.events})
	b.events = b.events[:0]
}

// flush commits what is left and returns the first error.
func (b *usageBatches) flush() error {
	b.commit()
	return b.err
}
