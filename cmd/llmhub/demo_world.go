package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"

	"llmhub/identity"
	"llmhub/identity/iam/iamtest"
	"llmhub/secret"
	"llmhub/subscription"
)

// demoWorld is what there is in the demo.
type demoWorld struct {
	// key and secret are the key that the printed lines use.
	key    subscription.Key
	secret subscription.Secret
	people []demoPerson
	// used is what has been written to the ledger.
	used demoTotals
}

type demoPerson struct{ who, what string }

// furnish makes the demo's world: an operator, and the customers of the plan with what they have used.
func (s *server) furnish(ctx context.Context, plan demoPlan, p *progress) (demoWorld, error) {
	defer p.end()
	operatorPassword := secret.New("demo-" + rand.Text()[:12])
	if _, err := s.people.operators.Create(ctx, identity.Administrator(), demoOperator, operatorPassword); err != nil {
		return demoWorld{}, err
	}
	w := demoWorld{people: demoPeople(operatorPassword)}
	seed, err := s.newDemoSeed()
	if err != nil {
		return w, err
	}
	actor, sub, err := seed.make(ctx, &plan, p)
	if err != nil {
		return w, err
	}
	if w.used, err = plan.use(ctx, s.store, time.Now(), p); err != nil {
		return w, err
	}
	if err = s.awaitFold(ctx, p); err != nil {
		return w, err
	}
	w.key, w.secret, err = s.service.CreateKey(ctx, actor, subscription.CreateKey{SubscriptionID: sub.ID, Name: "demo"})
	return w, err
}

const (
	// unfolded is how many batches may be missing in the stored sums when a demo begins to serve: reads add them.
	unfolded  = 32
	foldPause = 50 * time.Millisecond
)

// awaitFold waits until the ledger has folded what a large demo has written faster than that goes.
func (s *server) awaitFold(ctx context.Context, p *progress) error {
	for first := s.store.Stats().FoldLagBatches; ; {
		lag := s.store.Stats().FoldLagBatches
		if lag <= unfolded {
			return nil
		}
		p.step("batches of usage added up", int(first-lag), int(first))
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(foldPause):
		}
	}
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
