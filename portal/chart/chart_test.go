package chart_test

import (
	"strconv"
	"testing"

	"pgregory.net/rapid"

	"llmhub/portal/chart"
)

func number(t *rapid.T, s string) float64 {
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// Whatever the values are, parts stay within the chart, do not overlap, and every value that is not zero is drawn.
func TestStackedStaysWithinItsFrame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		series := rapid.IntRange(1, chart.Hues).Draw(t, "series")
		columns := make([]chart.Column, rapid.IntRange(1, 40).Draw(t, "columns"))
		for i := range columns {
			columns[i].Label = strconv.Itoa(i + 1)
			for range series {
				columns[i].Values = append(columns[i].Values, rapid.Int64Range(0, 1e15).Draw(t, "value"))
			}
		}
		b := chart.Stacked(columns, 180, 7)
		if n := len(b.Ticks); n < 2 || n > 7 {
			t.Fatalf("%d lines of the scale", n)
		}
		for i, bar := range b.Bars {
			base := 180.0
			drawn := map[int]bool{}
			for _, p := range bar.Parts {
				y, h := number(t, p.Y), number(t, p.Height)
				if y < -0.01 || h < 0 || y+h > base+0.02 {
					t.Fatalf("bar %d: part from %v, %v high, on %v", i, y, h, base)
				}
				base = y
				drawn[p.Series] = true
			}
			for s, v := range columns[i].Values {
				if drawn[s] != (v > 0) {
					t.Fatalf("bar %d: value %d is drawn: %v", i, v, drawn[s])
				}
			}
		}
	})
}

func TestStackedScaleIsRound(t *testing.T) {
	for top, want := range map[int64]int64{0: 1, 1: 1, 5: 1, 6: 2, 3_276_000: 1_000_000, 46_000: 10_000, 999: 200} {
		b := chart.Stacked([]chart.Column{{Values: []int64{top}}}, 100, 7)
		if got := b.Ticks[1].Value; got != want {
			t.Errorf("up to %d the lines are %d apart, want %d", top, got, want)
		}
	}
}

func TestStackedLabels(t *testing.T) {
	columns := make([]chart.Column, 30)
	for i := range columns {
		columns[i] = chart.Column{Label: strconv.Itoa(i + 1), Values: []int64{1}, Emphasised: i == 20}
	}
	var shown []string
	for _, bar := range chart.Stacked(columns, 100, 7).Bars {
		if bar.Label != "" {
			shown = append(shown, bar.Label)
		}
	}
	want := []string{"1", "5", "10", "15", "21", "25", "30"}
	if len(shown) != len(want) {
		t.Fatalf("labels %v, want %v", shown, want)
	}
	for i := range want {
		if shown[i] != want[i] {
			t.Errorf("labels %v, want %v", shown, want)
		}
	}
}
