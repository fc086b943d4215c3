package yamldoc

import (
	"fmt"
	"strings"
)

// Quote returns a text in quotes, shortened.
func Quote(text string) string {
	if r := []rune(text); len(r) > 40 {
		text = string(r[:40]) + "…"
	}
	return fmt.Sprintf("%q", text)
}

// suggestion names the key that was probably meant, or all there are.
func suggestion(key string, settings []Setting) string {
	best, distance := "", 1+len(key)/3
	names := make([]string, len(settings))
	for i, s := range settings {
		names[i] = s.key
		if n := editDistance(strings.ToLower(key), s.key, distance); n <= distance && (best == "" || n < distance) {
			best, distance = s.key, n
		}
	}
	if best != "" {
		return fmt.Sprintf("; did you mean %q?", best)
	}
	return "; known are " + strings.Join(names, ", ")
}

// editDistance counts the letters to insert, remove or replace to turn a into b; above limit it is only a lower bound.
func editDistance(a, b string, limit int) int {
	if diff := len(a) - len(b); diff > limit || -diff > limit {
		return limit + 1
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		diagonal := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			diagonal, row[j] = row[j], min(row[j]+1, row[j-1]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}
