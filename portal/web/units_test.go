package web_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"llmhub/metering"
	"llmhub/portal/gateway"
	"llmhub/portal/web"
	"llmhub/store"
)

// withUnitPrices has a painter that is billed by images alone, and an allround model with a price for everything.
func withUnitPrices(t *testing.T) func(*web.Options) {
	price := func(s string) metering.Amount {
		a, err := metering.ParseAmount(s)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	day, err := store.ParseDay("2020-01-01")
	if err != nil {
		t.Fatal(err)
	}
	all := metering.Price{From: day, InputPerMillion: price("0.40"), OutputPerMillion: price("1.60"), Units: map[store.Unit]metering.Amount{}}
	for _, u := range store.Units() {
		all.Units[u] = price("0.125")
	}
	painter := metering.Price{From: day, Units: map[store.Unit]metering.Amount{store.UnitImage: price("0.04")}}
	return func(o *web.Options) {
		o.Models = func() []gateway.Model { return []gateway.Model{{Name: "m1"}, {Name: "painter"}, {Name: "allround"}} }
		plain := o.Prices()
		plain["allround"], plain["painter"] = []metering.Price{all}, []metering.Price{painter}
		o.Prices = func() metering.PriceList { return plain }
	}
}

func using(key, model string, at time.Time, q store.Quantities) store.Event {
	e := use(key, model, at, 0, 0)
	e.Quantities = q
	return e
}

func TestPricesOfOtherUnits(t *testing.T) {
	f := newFixture(t, withUnitPrices(t))
	b := f.browser()
	a := b.get("/models")
	a.wants(t, http.StatusOK, "Other units", "€0.04 per image</span>", "€0.125 per image of any other size", "€0.125 per image 1024×1024", "€0.125 per image 1792×1024",
		"€0.125 per second of audio", "€0.125 per million characters to speech", "€0.125 per thousand searches", "-⟦", `<td class="num">–</td><td class="num">–</td><td class="num"><span class="nowrap">€0.04 per image`)
	b.lang = "de"
	b.get("/models").wants(t, http.StatusOK, "Andere Einheiten", "0,04 € je Bild", "0,125 € je Bild anderer Größe", "0,125 € je Sekunde Audio", "0,125 € je tausend Suchen", "-⟦")
	newFixture(t).browser().get("/models").wants(t, http.StatusOK, "€0.40", "-Other units")
}

// TestConsumptionOfOtherUnits: columns and cards appear for what was used, and for nothing else.
func TestConsumptionOfOtherUnits(t *testing.T) {
	f := newFixture(t, inNovember, withUnitPrices(t))
	sub := f.subscribe("D1", "owner.one")
	chat, paint := f.key(sub, "chat"), f.key(sub, "paint")
	f.commit(use(chat.ID, "m1", on(2), 1_000_000, 0))
	b := f.signIn("D1", "owner.one")
	path := "/subscriptions/" + sub + "/consumption"
	none := []string{"-Images", "-Audio", "-Searches", "-Other units"}
	for _, plain := range []answer{b.get(path), b.get("/subscriptions/" + sub + "/keys/" + chat.ID), f.operator().get("/operator/usage?month=2026-10")} {
		plain.wants(t, http.StatusOK, none...)
	}
	f.commit(
		using(paint.ID, "painter", on(3), store.Quantities{}.Plus(store.UnitImage1024, 1000).Plus(store.UnitImageTall, 200).Plus(store.UnitImage, 34)),
		using(paint.ID, "allround", on(4), store.Quantities{}.Plus(store.UnitAudioMillisecond, 3_661_250).Plus(store.UnitSearch, 4000)),
	)
	const lines = `<td class="num small units">34 images of other sizes<br>1,000 images 1024×1024<br>200 images 1024×1536</td>`
	b.get(path).wants(t, http.StatusOK, `<th scope="col" class="num">Other units</th>`, "-characters", "-Characters", lines, `<td class="num small units">0</td>`,
		`<h2>Images</h2><p class="value">1,234</p>`, `<p class="value">3,661.25 s</p>`, `<p class="value">4,000</p>`, ">3,661.25 s of audio<", "<br>4,000 searches<",
		`<p class="value">€507.92</p>`, "Before monthly invoice", // 1,234 images at 0.04, 3,661.25 s and 4 thousand searches at 0.125, and the chat for 0.40
		">chat</a>", ">paint</a>", "painter")
	b.get("/subscriptions/"+sub+"/keys/"+paint.ID).wants(t, http.StatusOK, lines, ">3,661.25 s of audio<", "<br>4,000 searches<", `>Other units</th>`)
	f.operator().get("/operator/usage?month=2026-11").wants(t, http.StatusOK, "34 images of other sizes", ">3,661.25 s of audio<", "€507.92", ">Other units</th>")
	b.lang = "de"
	b.get(path).wants(t, http.StatusOK, ">Andere Einheiten</th>", "<h2>Bilder</h2>", "34 Bilder anderer Größe", "3.661,25 s Audio", "<br>4.000 Suchen<", "507,92 €", "-⟦")
}

// TestOtherUnitsWithoutPrice: what has no price makes the charge incomplete, and is not taken for free.
func TestOtherUnitsWithoutPrice(t *testing.T) {
	f := newFixture(t, inNovember, withUnitPrices(t))
	sub := f.subscribe("D1", "owner.one")
	f.commit(using(f.key(sub, "k").ID, "painter", on(3), store.Quantities{}.Plus(store.UnitSearch, 1)))
	f.signIn("D1", "owner.one").get("/subscriptions/"+sub+"/consumption").wants(t, http.StatusOK, `<p class="value">–</p>`, "Incomplete: prices missing", ">1 search<")
}

func TestOtherUnitsAsAFile(t *testing.T) {
	f := newFixture(t, inNovember, withUnitPrices(t))
	sub := f.subscribe("D1", "owner.one")
	chat, paint := f.key(sub, "chat"), f.key(sub, "paint")
	f.commit(use(chat.ID, "m1", on(2), 10, 1))
	b := f.signIn("D1", "owner.one")
	path := "/subscriptions/" + sub + "/consumption.csv"
	b.get(path).wants(t, http.StatusOK, ",amount_incomplete\r\n")
	f.commit(
		using(paint.ID, "painter", on(3), store.Quantities{}.Plus(store.UnitImage1024, 1000)),
		using(paint.ID, "painter", on(4), store.Quantities{}.Plus(store.UnitAudioMillisecond, 1250)),
	)
	const header = ",amount,currency,amount_incomplete,image_1024x1024,audio_millisecond\r\n"
	b.get(path).wants(t, http.StatusOK, header, ","+chat.ID+",chat,1,10,0,1,0,11,0.0000056,EUR,,0,0\r\n",
		","+paint.ID+",paint,2,0,0,0,0,0,40.00,EUR,yes,1000,1250\r\n", ",,Total,3,10,0,1,0,11,40.0000056,EUR,yes,1000,1250\r\n")
	b.get(path+"?by=model").wants(t, http.StatusOK, header, ",painter,2,0,0,0,0,0,40.00,EUR,yes,1000,1250\r\n")
	a := f.operator().get("/operator/usage.csv?month=2026-11")
	a.wants(t, http.StatusOK, header, ",40.0000056,EUR,yes,1000,1250\r\n")
	if n := strings.Count(a.text, "\r\n"); n != 3 {
		t.Errorf("%d lines in %s", n, a.text)
	}
}
