package web_test

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"llmhub/identity"
	"llmhub/portal/web"
	"llmhub/store"
)

// on is a day of the fixture's November, at noon in Berlin.
func on(day int) time.Time { return time.Date(2026, 11, day, 11, 0, 0, 0, time.UTC) }

// inNovember lets the portal believe that it is the 22nd of November.
func inNovember(o *web.Options) { o.Now = func() time.Time { return on(22) } }

func use(key, model string, at time.Time, input, output int64) store.Event {
	return store.Event{Key: key, Model: model, At: at, Tokens: store.Tokens{Input: input, Output: output}}
}

func TestConsumptionIsFound(t *testing.T) {
	f := newFixture(t)
	tenant, _ := f.approve("D1", "owner.one")
	b := f.signIn("D1", "owner.one")
	b.get("/consumption").wants(t, http.StatusOK, "Nothing is subscribed to", `href="/catalog?type=llm"`)
	first := f.subscriptionOf(tenant.ID, "llm-hub").ID
	if a := b.get("/consumption"); a.status != http.StatusSeeOther || a.location() != "/subscriptions/"+first+"/consumption" {
		t.Errorf("%d to %q", a.status, a.location())
	}
	second := f.subscriptionOf(tenant.ID, "llm-hub").ID
	b.get("/consumption").wants(t, http.StatusOK, "Choose the one", "/subscriptions/"+first+"/consumption", "/subscriptions/"+second+"/consumption")
}

func TestConsumptionOfAMonth(t *testing.T) {
	f := newFixture(t, inNovember)
	sub := f.subscribe("D1", "owner.one")
	b := f.signIn("D1", "owner.one")
	path := "/subscriptions/" + sub + "/consumption"
	b.get(path).wants(t, http.StatusOK, "There is no key yet", `href="/subscriptions/`+sub+`/keys/new"`)
	chat, batch, idle := f.key(sub, "chat"), f.key(sub, "batch"), f.key(sub, "idle")
	b.get(path).wants(t, http.StatusOK, "Nothing was used in November 2026", `href="/integration"`, "-<svg class=\"chart-plot\"")
	f.commit(
		use(chat.ID, "m1", on(2), 1_000_000, 500_000), use(chat.ID, "m1", on(22), 1_500_000, 0), use(batch.ID, "m2", on(21), 900_000, 100_000),
		use(chat.ID, "m1", on(1).AddDate(0, -1, 0), 2_000_000, 0), use(chat.ID, "m1", on(30).AddDate(0, -1, 0), 7_000_000, 0),
	)
	a := b.get(path)
	a.wants(t, http.StatusOK,
		">4,000,000<", "<b>&#43;100.0%</b>", "vs. 1–22 October", // the same days of the month before, not all of it
		"<b>3.4 M</b>", "<b>600 k</b>", `class="part-in" width="85%"`,
		"€1.80", "Incomplete: prices missing", // m1: 2.5 M at 0.40 and 0.5 M at 1.60; m2 has no price
		`href="/subscriptions/`+sub+"/keys/"+chat.ID+`"`, chat.Prefix, "75.0%", "25.0%", "Total of all keys", "1 further key used nothing",
		`class="now"`, `role="img"`, "2 Nov 2026: 1,500,000\nchat: 1,500,000", "-"+idle.Name+"</a>",
		`href="/subscriptions/`+sub+`/consumption.csv"`, "No tokens estimated",
	)
	if rows := regexp.MustCompile(`<tr><th scope="row">\d+ Nov 2026`).FindAllString(a.text, -1); len(rows) != 30 {
		t.Errorf("the table of the chart has %d days", len(rows))
	}
	b.get(path+"?by=model").wants(t, http.StatusOK, "2 Nov 2026: 1,500,000\nm1: 1,500,000", `consumption.csv?by=model"`, `name="by" value="model"`)
	b.get(path+"?month=2026-10").wants(t, http.StatusOK, ">9,000,000<", `value="2026-10" selected`, "September: nothing was used")
	b.get(path+"?month=2027-10").wants(t, http.StatusOK, `value="2026-11" selected`)
	b.get(path+"?month=nonsense").wants(t, http.StatusOK, `value="2026-11" selected`)
	b.lang = "de"
	b.get(path).wants(t, http.StatusOK, ">4.000.000<", "<b>&#43;100,0 %</b>", "ggü. 1.–22. Oktober", "1,80 €", "Summe aller Schlüssel")
}

func TestConsumptionOfARange(t *testing.T) {
	f := newFixture(t, inNovember)
	sub := f.subscribe("D1", "owner.one")
	k := f.key(sub, "chat")
	f.commit(use(k.ID, "m1", on(2), 100, 1), use(k.ID, "m1", on(3), 10, 1), use(k.ID, "m1", on(2).AddDate(0, -5, 0), 1000, 1))
	b := f.signIn("D1", "owner.one")
	path := "/subscriptions/" + sub + "/consumption"
	b.get(path+"?from=2026-11-01&to=2026-11-02").wants(t, http.StatusOK, "<p class=\"value\">101<", "1 Nov 2026 – 2 Nov 2026", `<details class="range" open>`)
	b.get(path+"?from=2026-06-01&to=2026-11-22").wants(t, http.StatusOK, "<p class=\"value\">1,113<", "Tokens per month", "June 2026: 1,001")
	b.get(path+"?from=2026-11-01&to=2026-11-30").wants(t, http.StatusOK, `value="2026-11" selected`, `<details class="range">`)
	b.get(path+"?from=2026-11-05&to=2026-11-02").wants(t, http.StatusUnprocessableEntity, "must not be before the first day", `value="2026-11-05"`)
	b.get(path+"?from=1900-01-01&to=2026-11-02").wants(t, http.StatusUnprocessableEntity, "days of the first")
	b.get(path+"?from=0001-01-01&to=0001-01-02").wants(t, http.StatusUnprocessableEntity, "must be a day", "-May 1001")
	b.get(path+`?from="><i+id=x>&to=2026-11-02`).wants(t, http.StatusUnprocessableEntity, "must be a day", `-"><i id`)
	b.get(path+".csv?from=2026-11-05&to=2026-11-02").wants(t, http.StatusUnprocessableEntity, "Must not be before")
}

// TestConsumptionWithoutPrice: what has no price costs nobody knows how much, which is not nothing.
func TestConsumptionWithoutPrice(t *testing.T) {
	f := newFixture(t, inNovember)
	sub := f.subscribe("D1", "owner.one")
	key := f.key(sub, "chat").ID
	f.commit(use(key, "m2", on(2), 10, 1))
	b := f.signIn("D1", "owner.one")
	path := "/subscriptions/" + sub + "/consumption"
	b.get(path).wants(t, http.StatusOK, `<p class="value">–</p>`, "-€0.00")
	f.commit(use(key, "m1", on(2), 1_000_000, 0))
	b.get(path).wants(t, http.StatusOK, `<p class="value">€0.40</p>`)
}

func TestConsumptionAsAFile(t *testing.T) {
	f := newFixture(t, inNovember)
	sub := f.subscribe("D1", "owner.one")
	chat, evil := f.key(sub, "chat"), f.key(sub, "=1+1")
	f.commit(use(chat.ID, "m1", on(2), 1_000_000, 500_000), use(evil.ID, "m2", on(2), 10, 1))
	b := f.signIn("D1", "owner.one")
	path := "/subscriptions/" + sub + "/consumption.csv"
	a := b.get(path)
	a.wants(t, http.StatusOK, "\ufefffrom,to,key_id,key,requests,",
		"2026-11-01,2026-11-30,"+chat.ID+",chat,1,1000000,0,500000,0,1500000,1.20,EUR,\r\n",
		"2026-11-01,2026-11-30,"+evil.ID+",'=1+1,1,10,0,1,0,11,0.00,EUR,yes\r\n",
		"2026-11-01,2026-11-30,,Total,2,1000010,0,500001,0,1500011,1.20,EUR,yes\r\n")
	if kind := a.header.Get("Content-Type"); kind != "text/csv; charset=utf-8" {
		t.Error(kind)
	}
	if name := a.header.Get("Content-Disposition"); name != `attachment; filename="consumption-2026-11-01-2026-11-30.csv"` {
		t.Error(name)
	}
	b.get(path+"?by=model&month=2026-11").wants(t, http.StatusOK, "from,to,model,requests,", "2026-11-01,2026-11-30,m2,1,", "2026-11-01,2026-11-30,Total,2,")
	b.lang = "de"
	b.get(path).wants(t, http.StatusOK, "\ufefffrom;to;key_id;key;", ";1500000;1,20;EUR;", ";Gesamt;")
}

// Thousands of keys are shown page by page, and the chart has seven of them and all others.
func TestConsumptionOfManyKeys(t *testing.T) {
	f := newFixture(t, inNovember)
	sub := f.subscribe("D1", "owner.one")
	var events []store.Event
	for i := range 60 {
		events = append(events, use(f.key(sub, fmt.Sprintf("key-%02d", i)).ID, "m1", on(2), int64(1000-i), 0))
	}
	f.commit(events...)
	b := f.signIn("D1", "owner.one")
	path := "/subscriptions/" + sub + "/consumption"
	a := b.get(path)
	a.wants(t, http.StatusOK, ">key-00</a>", ">key-49</a>", "->key-50</a>", "All others", `class="hue-8"`, "Page 1 of 2", path+"?page=2")
	if n := strings.Count(a.text, "<li><svg class=\"swatch\""); n != 8 {
		t.Errorf("%d series", n)
	}
	b.get(path+"?page=2").wants(t, http.StatusOK, "->key-49</a>", ">key-59</a>", "<td class=\"num\">58,230</td>") // the total is that of all keys
	b.get(path+"?page=99").wants(t, http.StatusOK, ">key-59</a>")
}

// What may be seen and done follows the state of tenant and subscription, and the rights of the visitor.
func TestConsumptionGoesByRightsAndState(t *testing.T) {
	f := newFixture(t, inNovember)
	sub := f.subscribe("D1", "owner.one")
	f.commit(use(f.key(sub, "<script>alert(1)</script>").ID, "m1", on(2), 10, 1))
	path, newKey := "/subscriptions/"+sub+"/consumption", "/subscriptions/"+sub+"/keys/new"
	owner := f.signIn("D1", "owner.one")
	owner.get(path).wants(t, http.StatusOK, newKey, "&lt;script&gt;alert(1)", "-<script>alert")
	f.readOnly("D1", "owner.one", "reader")
	reader := f.signIn("D1", "reader")
	reader.get(path).wants(t, http.StatusOK, "-"+newKey, "<p class=\"value\">11<")
	nobody := f.signIn("D1", "somebody")
	nobody.get(path).wants(t, http.StatusForbidden)
	f.approve("D2", "owner.two")
	f.signIn("D2", "owner.two").get(path).wants(t, http.StatusNotFound, "-alert(1)")
	f.signIn("D2", "owner.two").get(path+".csv").wants(t, http.StatusNotFound)
	admin := identity.Administrator()
	if _, err := f.options.Tenants.Suspend(t.Context(), admin, f.tenantID("D1", "owner.one"), "unpaid"); err != nil {
		t.Fatal(err)
	}
	owner.get(path).wants(t, http.StatusOK, "-"+newKey, "is suspended", "<p class=\"value\">11<")
	if _, err := f.options.Tenants.Resume(t.Context(), admin, f.tenantID("D1", "owner.one")); err != nil {
		t.Fatal(err)
	}
	if _, err := f.options.Service.CancelSubscription(t.Context(), admin, sub, ""); err != nil {
		t.Fatal(err)
	}
	owner.get(path).wants(t, http.StatusOK, "-"+newKey, "cancelled on", "<p class=\"value\">11<")
}
