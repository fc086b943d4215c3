package main

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

// TestUsageShowsOtherUnits: what was used beside tokens has a column where there is any.
func TestUsageShowsOtherUnits(t *testing.T) {
	const row = `"requests":1,"input_tokens":0,"cached_input_tokens":0,"output_tokens":0,"reasoning_tokens":0,"total_tokens":0,"estimated_tokens":0,"currency":"EUR"`
	body := ""
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"from":"2026-11-01","to":"2026-11-30","data":[` + body + `]}`))
	}))
	defer s.Close()
	for _, c := range []struct{ name, body, want string }{
		{"none", `{"total":true,"amount":"0.00",` + row + `}`,
			"MODEL  REQUESTS  INPUT  CACHED  OUTPUT  REASONING  TOTAL  ESTIMATED  AMOUNT (EUR)\n" +
				"total         1      0       0       0          0      0          0          0.00\n"},
		{"some", `{"model":"dall-e","quantities":[{"unit":"image_1024x1024","quantity":1200}],"amount":"48.00",` + row + `},
			{"model":"whisper","quantities":[{"unit":"audio_millisecond","quantity":90500}],"amount":"0.00","amount_incomplete":true,` + row + `},
			{"total":true,"quantities":[{"unit":"image_1024x1024","quantity":1200},{"unit":"audio_millisecond","quantity":90500}],"amount":"48.00","amount_incomplete":true,` + row + `}`,
			"MODEL    REQUESTS  INPUT  CACHED  OUTPUT  REASONING  TOTAL  ESTIMATED  IMAGE_1024X1024  AUDIO_MILLISECOND  AMOUNT (EUR)\n" +
				"dall-e          1      0       0       0          0      0          0            1,200                  0         48.00\n" +
				"whisper         1      0       0       0          0      0          0                0             90,500         0.00+\n" +
				"total           1      0       0       0          0      0          0            1,200             90,500        48.00+\n"},
		{"a unit of a later server", `{"total":true,"quantities":[{"unit":"b\u001b[31m","quantity":2}],"amount":"0.00",` + row + `}`,
			"MODEL  REQUESTS  INPUT  CACHED  OUTPUT  REASONING  TOTAL  ESTIMATED  B\uFFFD[31M  AMOUNT (EUR)\n" +
				"total         1      0       0       0          0      0          0       2          0.00\n"},
	} {
		body = c.body
		code, out, errs := command(t, s.URL, "a-token-of-some-length", "usage", "--by", "model")
		if code != 0 || out != c.want {
			t.Errorf("%s: %d %s\n got %q\nwant %q", c.name, code, errs, out, c.want)
		}
	}
}
