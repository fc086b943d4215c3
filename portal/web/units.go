package web

import (
	"math/big"
	"slices"
	"strings"

	"llmhub/metering"
	"llmhub/store"
)

// unitCard is the total of one kind of what was used beside tokens; there is one where there is any.
type unitCard struct {
	Heading, Text string
	// Sizes are the images by size.
	Sizes []string
}

// unitCards returns a card each for images, audio, characters and searches, as far as there are any.
func (v *visit) unitCards(q store.Quantities) (cards []unitCard) {
	var sized store.Quantities
	images := int64(0)
	for _, x := range q {
		if x.Unit == store.UnitImage || x.Unit.ImageSize() != "" {
			sized = append(sized, x)
			images += x.N
		}
	}
	if images > 0 {
		cards = append(cards, unitCard{v.t("usage.unit.images"), v.loc.Number(images), v.unitLines(sized)})
	}
	for _, x := range q {
		switch x.Unit {
		case store.UnitAudioMillisecond:
			cards = append(cards, unitCard{Heading: v.t("usage.unit.audio"), Text: v.seconds(x.N)})
		case store.UnitCharacter:
			cards = append(cards, unitCard{Heading: v.t("usage.unit.characters"), Text: v.loc.Number(x.N)})
		case store.UnitSearch:
			cards = append(cards, unitCard{Heading: v.t("usage.unit.searches"), Text: v.loc.Number(x.N)})
		}
	}
	return cards
}

// unitLines says in words what was used beside tokens, a line for each unit.
func (v *visit) unitLines(q store.Quantities) (lines []string) {
	for _, x := range q {
		switch size := x.Unit.ImageSize(); {
		case size != "":
			lines = append(lines, v.t("usage.unit.line.size", "Count", x.N, "Size", imageSize(size)))
		case x.Unit == store.UnitImage && slices.ContainsFunc(q, sized):
			lines = append(lines, v.t("usage.unit.line.othersize", "Count", x.N))
		case x.Unit == store.UnitAudioMillisecond:
			lines = append(lines, v.t("usage.unit.line.audio_millisecond", "Seconds", v.seconds(x.N)))
		default:
			lines = append(lines, v.t("usage.unit.line."+x.Unit.String(), "Count", x.N))
		}
	}
	return lines
}

func sized(x store.Quantity) bool { return x.Unit.ImageSize() != "" }

// seconds returns milliseconds as seconds, exactly.
func (v *visit) seconds(ms int64) string {
	text := strings.TrimRight(big.NewRat(ms, 1000).FloatString(3), "0")
	return v.loc.Decimal(strings.TrimSuffix(text, ".")) + " s"
}

// imageSize writes 1024x1024 with the sign that stands between measures.
func imageSize(size string) string { return strings.Replace(size, "x", "×", 1) }

// unitPrices says what a model costs beside tokens, a line for each unit that has a price.
func (v *visit) unitPrices(p metering.Price) (lines []string) {
	for _, u := range store.Units() {
		price, priced := p.Units[u]
		if !priced {
			continue
		}
		money := v.loc.Price(price.String(), v.web.Currency)
		switch size := u.ImageSize(); {
		case size != "":
			lines = append(lines, v.t("models.unit.image.size", "Price", money, "Size", imageSize(size)))
		case u == store.UnitImage && hasSizes(p):
			lines = append(lines, v.t("models.unit.image.other", "Price", money))
		default:
			lines = append(lines, v.t("models.unit."+u.String(), "Price", money))
		}
	}
	return lines
}

// hasSizes says whether images of any size have a price of their own.
func hasSizes(p metering.Price) bool {
	for u := range p.Units {
		if u.ImageSize() != "" {
			return true
		}
	}
	return false
}
