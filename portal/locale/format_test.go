package locale

import (
	"testing"
	"time"
)

func localizers(t *testing.T) (en, de *Localizer) {
	t.Helper()
	c, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	return c.In("en"), c.In("de")
}

func TestShortAndScale(t *testing.T) {
	en, de := localizers(t)
	for n, want := range map[int64][4]string{
		0: {"0", "0", "0", "0"}, 9_999: {"9,999", "9,999", "9.999", "9.999"}, 20_000: {"20.0 k", "20 k", "20,0 Tsd.", "20 Tsd."},
		1_500_000: {"1.5 M", "1.5 M", "1,5 Mio.", "1,5 Mio."}, 40_000_000: {"40.0 M", "40 M", "40,0 Mio.", "40 Mio."},
		123_456_789: {"123 M", "123 M", "123 Mio.", "123 Mio."}, 2_000_000_000: {"2.0 bn", "2 bn", "2,0 Mrd.", "2 Mrd."},
	} {
		got := [4]string{en.Short(n), en.Scale(n), de.Short(n), de.Scale(n)}
		for i := range got {
			if plain(got[i]) != want[i] {
				t.Errorf("%d: %q, want %q", n, got[i], want[i])
			}
		}
	}
}

// plain has ordinary spaces in place of those that keep a line together.
func plain(s string) string {
	out := []rune(s)
	for i, r := range out {
		if r == '\u00a0' || r == '\u202f' {
			out[i] = ' '
		}
	}
	return string(out)
}

func TestDays(t *testing.T) {
	en, de := localizers(t)
	day := func(year, month, day int) time.Time {
		return time.Date(year, time.Month(month), day, 0, 0, 0, 0, time.UTC)
	}
	for _, c := range []struct {
		first, last    time.Time
		english, other string
	}{
		{day(2026, 10, 1), day(2026, 10, 22), "1–22 October", "1.–22. Oktober"},
		{day(2026, 10, 1), day(2026, 10, 31), "October", "Oktober"},
		{day(2026, 2, 1), day(2026, 2, 28), "February", "Februar"},
		{day(2026, 10, 5), day(2026, 10, 5), "5 October", "5. Oktober"},
		{day(2026, 9, 30), day(2026, 10, 1), "30 Sep 2026 – 1 Oct 2026", "30.09.2026 – 01.10.2026"},
		{day(2025, 10, 1), day(2026, 10, 31), "1 Oct 2025 – 31 Oct 2026", "01.10.2025 – 31.10.2026"},
	} {
		if got := plain(en.Days(c.first, c.last)); got != c.english {
			t.Errorf("%q, want %q", got, c.english)
		}
		if got := plain(de.Days(c.first, c.last)); got != c.other {
			t.Errorf("%q, want %q", got, c.other)
		}
	}
	if en, de := en.DayMonth(day(2026, 11, 3)), de.DayMonth(day(2026, 11, 3)); en != "3 Nov" || de != "03.11." {
		t.Errorf("%q, %q", en, de)
	}
}
