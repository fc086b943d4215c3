// Package chart computes the geometry of bar charts that a template writes as SVG: positions along the bars' axis in
// percent of the width, heights in pixels, so that a chart fits any width without script and without style attributes.
package chart

import "strconv"

const (
	// Hues is how many series can be told apart; those behind are folded into one by the caller.
	Hues = 8
	// gap is left between the parts of a bar, in pixels.
	gap = 1.5
	// minHeight is the least height at which a value that is not zero is seen.
	minHeight = 1.0
	// barShare is how much of its column a bar takes.
	barShare = 0.72
)

// Column is the values of one bar from bottom to top, one for each series.
type Column struct {
	// Label stands below the bar, Title in its description.
	Label, Title string
	Values       []int64
	Emphasised   bool
}

// Bars is a chart of stacked bars.
type Bars struct {
	Height int
	Bars   []Bar
	Ticks  []Tick
}

// Bar is one stacked bar with its label.
type Bar struct {
	// Center, X and Width are in percent.
	Center, X, Width string
	// Label is empty where labels would be too close.
	Label, Title string
	Emphasised   bool
	Total        int64
	Parts        []Part
}

// Part is one series' share of a bar. Y and Height are in pixels from the top.
type Part struct {
	Series    int
	Hue       int
	Value     int64
	Y, Height string
}

// Tick is a line of the scale.
type Tick struct {
	Y     string
	Value int64
}

// Stacked lays out columns in a chart of a height in pixels. labels says at most how many labels stand below the bars.
func Stacked(columns []Column, height, labels int) Bars {
	top := int64(0)
	for _, c := range columns {
		top = max(top, sum(c.Values))
	}
	step := stepFor(top)
	scale := max(step*((top+step-1)/step), step)
	b := Bars{Height: height}
	for v := int64(0); v <= scale; v += step {
		b.Ticks = append(b.Ticks, Tick{Y: pixels(float64(height) * (1 - float64(v)/float64(scale))), Value: v})
	}
	every := max(1, (len(columns)+labels-1)/max(1, labels))
	width := 100 / float64(max(1, len(columns)))
	for i, c := range columns {
		left := float64(i) * width
		bar := Bar{
			Center: percent(left + width/2), X: percent(left + width*(1-barShare)/2), Width: percent(width * barShare),
			Title: c.Title, Emphasised: c.Emphasised, Total: sum(c.Values), Parts: stack(c.Values, height, scale),
		}
		if c.Emphasised || i == 0 || (i+1)%every == 0 && !nearEmphasised(columns, i) {
			bar.Label = c.Label
		}
		b.Bars = append(b.Bars, bar)
	}
	return b
}

// nearEmphasised says whether the label beside is one that is always shown.
func nearEmphasised(columns []Column, i int) bool {
	return i > 0 && columns[i-1].Emphasised || i+1 < len(columns) && columns[i+1].Emphasised
}

func stack(values []int64, height int, scale int64) []Part {
	var parts []Part
	base := float64(height)
	for i, v := range values {
		if v <= 0 {
			continue
		}
		h := float64(v) / float64(scale) * float64(height)
		drawn := max(h-gap, min(h, minHeight))
		parts = append(parts, Part{Series: i, Hue: min(i, Hues-1) + 1, Value: v, Y: pixels(base - drawn), Height: pixels(drawn)})
		base -= h
	}
	return parts
}

func sum(values []int64) (n int64) {
	for _, v := range values {
		n += v
	}
	return n
}

// stepFor returns a round step by which a scale up to top has three to six lines.
func stepFor(top int64) int64 {
	for unit := int64(1); ; unit *= 10 {
		for _, s := range []int64{1, 2, 5} {
			if top <= s*unit*5 {
				return s * unit
			}
		}
		if unit > 1e17 {
			return unit
		}
	}
}

func percent(v float64) string { return strconv.FormatFloat(v, 'f', 3, 64) + "%" }

func pixels(v float64) string { return strconv.FormatFloat(v, 'f', 2, 64) }
