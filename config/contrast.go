package config

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
)

// minContrast is what WCAG 2.2 asks of text on its ground.
const minContrast = 4.5

// The colours of a primary button that the portal has built in, for a brand that sets only one of the two.
const (
	builtInBrand   = "light-dark(#00676f, #55c5cc)"
	builtInOnBrand = "light-dark(#ffffff, #06262a)"
)

var (
	brandDeclaration = regexp.MustCompile(`(--[a-zA-Z][a-zA-Z0-9-]*)\s*:\s*([^;}]+)`)
	lightDark        = regexp.MustCompile(`^light-dark\(\s*([^,]+?)\s*,\s*([^,]+?)\s*\)$`)
	hexColour        = regexp.MustCompile(`^#(?:[0-9a-fA-F]{3}|[0-9a-fA-F]{6})$`)
)

// Warnings says what is allowed and yet likely to be a mistake. Each text is complete in itself.
func (p Portal) Warnings() []string {
	brand, onBrand := builtInBrand, builtInOnBrand
	for _, d := range brandDeclaration.FindAllStringSubmatch(blankComments(string(p.BrandCSS)), -1) {
		switch d[1] {
		case "--brand":
			brand = strings.TrimSpace(d[2])
		case "--on-brand":
			onBrand = strings.TrimSpace(d[2])
		}
	}
	var warnings []string
	for theme, name := range []string{"light", "dark"} {
		ground, known := luminance(inTheme(brand, theme))
		text, alsoKnown := luminance(inTheme(onBrand, theme))
		if !known || !alsoKnown {
			continue // only a browser knows what it becomes
		}
		if c := contrast(ground, text); c < minContrast {
			warnings = append(warnings, fmt.Sprintf(
				"portal.brand_css: --on-brand on --brand has a contrast of %.2f in the %s theme; texts on buttons need at least %.1f", math.Floor(c*100)/100, name, minContrast))
		}
	}
	return warnings
}

// inTheme returns the colour that a value stands for in the light theme, 0, or the dark one, 1.
func inTheme(value string, theme int) string {
	if both := lightDark.FindStringSubmatch(value); both != nil {
		return both[1+theme]
	}
	return value
}

// luminance returns the relative luminance of a colour, from 0 to 1; only hexadecimal colours are known.
func luminance(colour string) (l float64, known bool) {
	if !hexColour.MatchString(colour) {
		return 0, false
	}
	digits := colour[1:]
	if len(digits) == 3 {
		digits = string([]byte{digits[0], digits[0], digits[1], digits[1], digits[2], digits[2]})
	}
	for i, weight := range []float64{0.2126, 0.7152, 0.0722} {
		n, err := strconv.ParseUint(digits[2*i:2*i+2], 16, 8)
		if err != nil {
			return 0, false
		}
		channel := float64(n) / 255
		if channel <= 0.04045 {
			channel /= 12.92
		} else {
			channel = math.Pow((channel+0.055)/1.055, 2.4)
		}
		l += weight * channel
	}
	return l, true
}

// contrast returns the ratio of two luminances, from 1 to 21.
func contrast(a, b float64) float64 {
	return (max(a, b) + 0.05) / (min(a, b) + 0.05)
}
