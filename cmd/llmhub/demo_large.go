package main

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"time"

	"llmhub/identity"
	"llmhub/identity/iam/iamtest"
)

const (
	// largeDays is how many days ago the first customer came.
	largeDays = 365
	// One customer is there for so many keys, and one without any, who has not got so far, for so many.
	keysOfCustomer = 100
	keysOfNewcomer = 2_250
	// Of so many customers one has each of the rarer fates.
	oneChanging  = 40
	oneSuspended = 125
	oneCancelled = 100
)

// planner decides what a large demo holds.
type planner struct {
	random *rand.Rand
	now    time.Time
}

// largePlan returns a plan with so many keys: a customer for each hundred, the largest of which has a twentieth of all, a
// few with hundreds and most with some dozens. They have come in the course of a year.
func largePlan(now time.Time, keys int) demoPlan {
	p := planner{rand.New(rand.NewPCG(1, 2)), now}
	sizes := keySizes(keys, max(2, keys/keysOfCustomer))
	first := jana(now.AddDate(0, 0, -largeDays), now)
	p.addKeys(&first, sizes[0]-1) // the demo's own key is made at last
	first.tokens = 3
	for i := range 12 {
		name := given[i] + "." + strings.ToLower(families[i])
		first.colleagues = append(first.colleagues, iamtest.User{Name: name, Password: "demo-" + name, Roles: []string{identity.TenantAdministrator}})
	}
	plan := demoPlan{customers: []demoCustomer{first}, total: keys - 1}
	for i, n := range sizes[1:] {
		c := p.customer(i + 1)
		p.decide(&c, i+1)
		p.addKeys(&c, n)
		plan.customers = append(plan.customers, c)
	}
	for i := range max(5, keys/keysOfNewcomer) {
		c := p.customer(len(plan.customers))
		c.fate = fateWaiting
		if i%5 == 4 {
			c.fate = fateRejected
		}
		c.joined = now.Add(-time.Duration(6+p.random.IntN(14*24)) * time.Hour)
		plan.customers = append(plan.customers, c)
	}
	return plan
}

// keySizes divides keys by a power law among customers, the first of whom has a twentieth.
func keySizes(keys, customers int) []int {
	sizes := make([]int, customers)
	sizes[0] = keys / 20
	left, sum := keys-sizes[0], 0.0
	for i := 1; i < customers; i++ {
		sum += math.Pow(float64(i), -0.6)
	}
	rest := left
	for i := customers - 1; i > 0; i-- {
		sizes[i] = min(rest, int(float64(left)*math.Pow(float64(i), -0.6)/sum))
		rest -= sizes[i]
	}
	sizes[1] += rest
	return sizes
}

// The names of customers and of their keys are put together from these.
var (
	families = strings.Fields("Albrecht Bergmann Christiansen Dietrich Ebert Falkner Gerlach Hartwig Imhof Jansen Krüger Lorenz " +
		"Möller Neumann Oswald Petersen Quandt Reinhardt Sommer Thalmann Ullrich Vogt Winkler Xaver Yilmaz Zander Brandt Drescher " +
		"Engelhardt Fuhrmann Grothe Heinemann")
	trades = strings.Fields("Logistik Maschinenbau Software Versicherung Energie Medizintechnik Handel Verlag Bau Chemie Textil " +
		"Elektronik Beratung Touristik Immobilien Pharma Automotive Lebensmittel Papier Optik Druck Agrar Stahl Messtechnik " +
		"Spedition Akustik Robotik Umwelt Wasser Sensorik Glas Kunststoff Werkzeuge Telematik")
	forms = []string{"GmbH", "AG", "GmbH & Co. KG", "SE"}
	given = strings.Fields("anna ben clara david eva felix greta hannes ida jonas klara lukas mara nils olga paul")

	apps   = strings.Fields("chat search summary extraction review translation support classify report assistant tagging ocr routing draft")
	stages = strings.Fields("prod prod prod test dev ci")
	models = []string{"llama-3.3-70b", "llama-3.3-70b", "mistral-small-3.2", "mistral-small-3.2", "gpt-oss-120b", "gpt-4.1", "bge-m3", demoModel}
)

// customer returns the one with a number, without keys.
func (p *planner) customer(number int) demoCustomer {
	family, trade := families[number%len(families)], trades[number/len(families)%len(trades)]
	host := fmt.Sprintf("customer-%04d.example.com", number)
	user := given[p.random.IntN(len(given))] + "." + strings.ToLower(families[p.random.IntN(len(families))])
	return demoCustomer{
		domain: domainName(number),
		user:   iamtest.User{Name: user, Password: "demo-" + user, Roles: []string{identity.TenantAdministrator}, Owner: true},
		joined: p.now.Add(-time.Duration(15*24+p.random.IntN((largeDays-15)*24)) * time.Hour),
		profile: identity.ProfileData{
			Company: family + " " + trade + " " + forms[p.random.IntN(len(forms))], Website: "https://" + host,
			SellerEmail: "einkauf@" + host, MarketplaceEmail: "cloud@" + host,
		},
	}
}

// decide gives a customer a fate.
func (p *planner) decide(c *demoCustomer, number int) {
	switch {
	case number%oneChanging == 20:
		c.fate = fateChanging
	case number%oneSuspended == 7:
		c.fate = fateSuspended
	case number%oneCancelled == 3:
		c.fate = fateCancelled
	}
	if c.fate == fateSuspended || c.fate == fateCancelled {
		c.ends = p.between(c.joined.Add(subscribedAfter), p.now)
	}
}

// between returns a moment in the second half of a time.
func (p *planner) between(from, to time.Time) time.Time {
	return from.Add(time.Duration((0.5 + p.random.Float64()/2) * float64(to.Sub(from)))).Truncate(time.Second)
}

// addKeys gives a customer keys until there are so many, each made some time after the one before.
func (p *planner) addKeys(c *demoCustomer, count int) {
	from, to := c.joined.Add(subscribedAfter), p.now
	if !c.ends.IsZero() {
		to = c.ends
	}
	own := len(c.keys)
	for i := own; i < count; i++ {
		at := math.Pow(float64(i-own)/float64(count-own), 1.2)
		k := demoKey{
			name:  fmt.Sprintf("%s-%s-%04d", apps[p.random.IntN(len(apps))], stages[p.random.IntN(len(stages))], i+1),
			model: models[p.random.IntN(len(models))], weekends: true,
			made: from.Add(time.Duration(at * float64(to.Sub(from)))).Truncate(time.Second), until: to,
		}
		p.use(&k)
		p.end(&k)
		c.keys = append(c.keys, k)
	}
}

// use decides how a key is used: one of a hundred is busy on each working day, one of seven now and then in a week, most
// once in a month and a quarter never. What they use is spread by a power law as well.
func (p *planner) use(k *demoKey) {
	tokens := func(least, most, exponent float64) int64 {
		return int64(min(most, least*math.Pow(1-p.random.Float64(), -exponent)))
	}
	switch r := p.random.Float64(); {
	case r < 0.01:
		k.every, k.requests, k.perDay, k.weekends = 1, 4+p.random.IntN(20), tokens(50_000, 5_000_000, 0.8), p.random.IntN(3) == 0
	case r < 0.15:
		k.every, k.requests, k.perDay = 7, 1+p.random.IntN(3), tokens(5_000, 500_000, 0.7)
	case r < 0.75:
		k.every, k.requests, k.perDay = 30, 1, tokens(1_500, 100_000, 0.5)
	}
	k.phase = p.random.IntN(30)
}

// end decides whether a key is deactivated or expires before the day of the demo.
func (p *planner) end(k *demoKey) {
	switch r := p.random.Float64(); {
	case r < 0.12 && k.until.Sub(k.made) > 24*time.Hour:
		k.until, k.gone = p.between(k.made, k.until), true
	case r < 0.17:
		k.expires = k.made.AddDate(0, 0, 90)
		if k.expires.Before(k.until) {
			k.until = k.expires
		}
	}
}
