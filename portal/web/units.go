package web

import (
	"math/big"
	"strings"

	"llmhub/metering"
	"llmhub/store"
)

// unitColumn is a column of what was used beside tokens, and appears where there is any of it. Images of all sizes share
// one, in which the sizes are told apart.
type unitColumn struct {
	Heading string
	units   []store.Unit
}

// unitCell is how much there is of a column, in numbers as the language writes them.
type unitCell struct {
	Heading, Text string
	// Sizes are the images by size.
	Sizes []string
}

// unitColumns returns the columns for what there is of any unit.
func (v *visit) unitColumns(q store.Quantities) []unitColumn {
	images := unitColumn{Heading: v.t("usage.unit.images")}
	var others []unitColumn
	for _, x := range q {
		switch x.Unit {
		case store.UnitAudioMillisecond:
			others = append(others, unitColumn{v.t("usage.unit.audio"), []store.Unit{x.Unit}})
		case store.UnitCharacter:
			others = append(others, unitColumn{v.t("usage.unit.characters"), []store.Unit{x.Unit}})
		case store.UnitSearch:
			others = append(others, unitColumn{v.t("usage.unit.searches"), []store.Unit{x.Unit}})
		default:
			images.units = append(images.units, x.Unit)
		}
	}
	if images.units == nil {
		return others
	}
	return append([]unitColumn{images}, others...)
}

// unitCells returns a cell for each of the columns.
func (v *visit) unitCells(columns []unitColumn, q store.Quantities) []unitCell {
	cells := make([]unitCell, len(columns))
	for i, c := range columns {
		cell, total := unitCell{Heading: c.Heading}, int64(0)
		for _, u := range c.units {
			n := q.Of(u)
			total += n
			switch size := u.ImageSize(); {
			case n == 0:
			case size != "":
				cell.Sizes = append(cell.Sizes, v.t("usage.unit.size", "Number", v.loc.Number(n), "Size", imageSize(size)))
			case u == store.UnitImage && len(c.units) > 1:
				cell.Sizes = append(cell.Sizes, v.t("usage.unit.othersize", "Number", v.loc.Number(n)))
			}
		}
		if cell.Text = v.loc.Number(total); c.units[0] == store.UnitAudioMillisecond {
			cell.Text = v.seconds(total)
		}
		cells[i] = cell
	}
	return cells
}

// seconds returns milliseconds as seconds, exactly.
func (v *visit) seconds(ms int64) string {
	text := strings.TrimRight(big.NewRat(ms, 1000).FloatString(3), "0")
	return v.loc.Decimal(strings.TrimSuffix(text, ".")) + " s"
}

// imageSize writes 1024x1024 with the sign that stands between measures.
func imageSize(size string) string { return strings.Replace(size, "x", "×", 1) }

// withUnits returns the figures with a cell for each of the columns.
func (v *visit) withUnits(columns []unitColumn, f metering.Figures) usageFigures {
	figures := figuresOf(f)
	figures.Units = v.unitCells(columns, f.Quantities)
	return figures
}

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
