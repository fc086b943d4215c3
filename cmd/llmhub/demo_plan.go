package main

import (
	"fmt"
	"time"

	"llmhub/identity"
	"llmhub/identity/iam/iamtest"
	"llmhub/limit"
	"llmhub/store"
)

// The sizes of the demo.
const (
	demoSmall = "small"
	demoLarge = "large"
)

// demoDays is how many days ago the small demo's customer came.
const demoDays = 100

// largeKeys is how many keys the large demo has.
const largeKeys = 100_000

// demoPlan says what a demo is to hold. But for the random IDs and secrets that are given to it, it is the same whenever it
// is made on the same day.
type demoPlan struct {
	// customers are tenants. The first is the one whose user is told to whoever starts the demo.
	customers []demoCustomer
	// total is how many keys they have.
	total int
}

// demoCustomer is a tenant.
type demoCustomer struct {
	domain string
	user   iamtest.User
	// colleagues sign in to the same tenant; tokens are how many personal tokens the user has.
	colleagues []iamtest.User
	tokens     int

	joined  time.Time
	profile identity.ProfileData
	fate    demoFate
	// ends is when the tenant is suspended or cancels, and uses nothing any more; zero if it does not.
	ends time.Time
	keys []demoKey
	// limits are those of the subscription: of a model, or under the empty name of all use.
	limits map[string]limit.Rules
}

// demoFate is what becomes of a customer.
type demoFate int

const (
	// fateSubscribed: the profile has been approved, and a subscription made.
	fateSubscribed demoFate = iota
	// fateWaiting and fateRejected: the profile has been submitted, and no more or in vain.
	fateWaiting
	fateRejected
	// fateChanging: subscribed, and a change of the profile waits for its review.
	fateChanging
	fateSuspended
	fateCancelled
)

// demoKey is a key and how it is used.
type demoKey struct {
	name, model string
	// made is when it is created. It is used until until, when it is deactivated if gone is set.
	made, until time.Time
	gone        bool
	// expires is when it ends by itself; zero if it does not.
	expires time.Time
	// It is used on each day, each of every days: by so many requests and so many tokens in all; never if every is 0.
	every, phase, requests int
	perDay                 int64
	// unit is what each request uses beside tokens, perRequest how many of it at most; nothing if that is 0.
	unit       store.Unit
	perRequest int64
	// weekends says that it is used at weekends, too, if less.
	weekends bool
	limits   limit.Rules
	// id is given when it is made.
	id string
}

// janasKeys are those of the customer of both demos, in the order of what they use on a working day.
var janasKeys = []struct {
	name, model string
	perDay      int64
	weekends    bool
	gone        bool
	// limits are wide, so that nobody who tries the demo is refused.
	limits limit.Rules
}{
	{"support-chat-prod", "llama-3.3-70b", 1_350_000, true, false, limit.Rules{MonthlyTokens: 50_000_000, RequestsPerMinute: 600}},
	{"invoice-extraction", "mistral-small-3.2", 560_000, false, false, limit.Rules{MonthlyTokens: 12_000_000, DryRun: true}},
	{"code-review-ci", "gpt-oss-120b", 370_000, false, false, limit.Rules{}},
	{"intranet-search", "gpt-4.1", 210_000, false, false, limit.Rules{}},
	{"workshop-october", demoModel, 60_000, false, true, limit.Rules{}},
}

// janasOthers are keys of the same customer for models that are billed by other units than tokens.
var janasOthers = []struct {
	name, model string
	unit        store.Unit
	perRequest  int64
}{
	{"product-pictures", "flux.1-schnell", store.UnitImage1024, 4},
	{"service-calls", "whisper-large-v3", store.UnitAudioMillisecond, 600_000},
	{"parts-ranking", "bge-reranker-v2-m3", store.UnitSearch, 5},
}

// planDemo returns the plan of a size.
func planDemo(size string, now time.Time) (demoPlan, error) {
	switch size {
	case demoSmall:
		return demoPlan{customers: []demoCustomer{jana(now.AddDate(0, 0, -demoDays), now)}, total: len(janasKeys) + len(janasOthers)}, nil
	case demoLarge:
		return largePlan(now, largeKeys), nil
	}
	return demoPlan{}, usagef("--size: %q is neither %s nor %s", size, demoSmall, demoLarge)
}

// jana is the customer whose user the demo tells.
func jana(joined, now time.Time) demoCustomer {
	c := demoCustomer{
		domain: iamtest.CustomerDomain, user: iamtest.People()[0].Users[0], joined: joined,
		profile: identity.ProfileData{
			Company: "Muster Maschinenbau GmbH", Website: "https://www.example.com", SellerEmail: "it-einkauf@example.com",
			MarketplaceEmail: "cloud-team@example.com", Phone: "+49 30 1234567",
		},
		limits: map[string]limit.Rules{"": {MonthlyAmount: "500"}, "gpt-4.1": {OutputTokensPerMinute: 200_000, Concurrency: 100}},
	}
	for _, k := range janasKeys {
		key := demoKey{
			name: k.name, model: k.model, made: joined.Add(subscribedAfter), until: now,
			every: 1, requests: 24, perDay: k.perDay, weekends: k.weekends, gone: k.gone, limits: k.limits,
		}
		if k.gone {
			key.until = now.AddDate(0, 0, -demoDays/5)
		}
		c.keys = append(c.keys, key)
	}
	for _, k := range janasOthers {
		c.keys = append(c.keys, demoKey{
			name: k.name, model: k.model, made: joined.Add(subscribedAfter), until: now,
			every: 1, requests: 12, unit: k.unit, perRequest: k.perRequest,
		})
	}
	return c
}

// domains are the tenants that the simulated identity service has to know: those of every demo, and the plan's.
func (p demoPlan) domains() []iamtest.Domain {
	all := iamtest.People()
	all[0].Users = append(all[0].Users, p.customers[0].colleagues...)
	for _, c := range p.customers[1:] {
		all = append(all, iamtest.Domain{Name: c.domain, Projects: []string{"eu-de"}, Users: []iamtest.User{c.user}})
	}
	return all
}

// domainName is that of the customer with a number, in the form of OTC's.
func domainName(number int) string { return fmt.Sprintf("OTC-EU-DE-%020d", 2_000_000_000+number) }
