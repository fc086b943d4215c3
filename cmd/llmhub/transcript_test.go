package main

import (
	"bytes"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"llmhub/config"
	"llmhub/limit"
	"llmhub/metering"
	"llmhub/proxy/proxytest"
	"llmhub/store"
)

// TestTranscriptWithoutUsage has text that is no JSON counted, since nothing in it says what it used.
func TestTranscriptWithoutUsage(t *testing.T) {
	h := startHub(t, []string{"hear"}, nil)
	a := h.account("hearer")
	for _, format := range []string{"text", "srt"} {
		body := "--b\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nhear\r\n" +
			"--b\r\nContent-Disposition: form-data; name=\"response_format\"\r\n\r\n" + format + "\r\n" +
			"--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.wav\"\r\nContent-Type: audio/wav\r\n\r\nRIFF\r\n--b--\r\n"
		r := h.request(t.Context(), a.text, "/v1/audio/transcriptions", strings.NewReader(body))
		r.Header.Set("Content-Type", "multipart/form-data; boundary=b")
		resp, err := h.client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode != 200 || err != nil || !strings.Contains(string(text), "the") {
			t.Fatalf("%d %q, %v", resp.StatusCode, text, err)
		}
		if e := a.settled(t, 1)[0]; e.Provenance != store.FromEstimate || e.Tokens.Output < 8 {
			t.Errorf("%s: %+v", format, e)
		}
	}
	h.shutDown(t)
}

// Models that transcribe, by what has a price. Their model server tells what it used where it is asked for JSON.
const (
	modelBySecond = "by-second"
	modelByToken  = "by-token"
	modelByBoth   = "by-both"
	modelUntold   = "untold" // by second; its model server never tells
)

func recordingsHub(t *testing.T) *hub {
	t.Helper()
	all := []string{modelBySecond, modelByToken, modelByBoth, modelUntold}
	h := startHub(t, all, func(c *config.Config) {
		second := map[store.Unit]metering.Amount{store.UnitAudioMillisecond: money(t, "0.006")}
		for i := range c.Models {
			m := &c.Models[i]
			p := metering.Price{InputPerMillion: money(t, "1"), OutputPerMillion: money(t, "2"), Units: second}
			switch m.Name {
			case modelBySecond, modelUntold:
				p = metering.Price{Units: second}
			case modelByToken:
				p.Units = nil
			}
			m.Prices = []metering.Price{p}
		}
	})
	for _, m := range all {
		h.provider.Script(m, proxytest.Script{ByUnit: true})
	}
	h.provider.Script(modelUntold, proxytest.Script{Usage: proxytest.UsageNever})
	return h
}

// transcribe sends a recording of two and a half seconds, and returns the answer in a format, or as a stream.
func (a *account) transcribe(t *testing.T, path, model, format, file string) (*http.Response, []byte) {
	t.Helper()
	recording, err := os.ReadFile(filepath.Join("../../proxy/audio/testdata", file))
	if err != nil {
		t.Fatal(err)
	}
	field := "response_format"
	if format == "stream" {
		field, format = "stream", "true"
	}
	var b bytes.Buffer
	b.WriteString("--b\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\n" + model + "\r\n" +
		"--b\r\nContent-Disposition: form-data; name=\"" + field + "\"\r\n\r\n" + format + "\r\n" +
		"--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"" + file + "\"\r\n\r\n")
	b.Write(recording)
	b.WriteString("\r\n--b--\r\n")
	return a.h.post(t, a.text, path, "multipart/form-data; boundary=b", b.Bytes())
}

// TestRecordings has what the model server does not tell billed by what the model's price is for: the length that the file tells, an
// estimate, or tokens.
func TestRecordings(t *testing.T) {
	h := recordingsHub(t)
	a := h.account("hearer")
	read, told := counts(store.UnitAudioMillisecond, 2500), counts(store.UnitAudioMillisecond, 2000)
	for _, c := range []struct {
		model, format, file string
		provenance          store.Provenance
		tokens              bool
		quantities          store.Quantities
	}{
		{modelBySecond, "text", "plain.wav", store.FromEstimate, false, read},
		{modelBySecond, "srt", "vorbis.ogg", store.FromEstimate, false, read},
		{modelBySecond, "vtt", "piped.flac", store.FromEstimate, false, read},
		{modelBySecond, "json", "plain.wav", store.FromUpstream, false, told},
		{modelUntold, "json", "plain.flac", store.FromEstimate, false, read},
		{modelUntold, "stream", "plain.flac", store.FromEstimate, false, read},
		{modelByBoth, "text", "plain.flac", store.FromEstimate, false, read},
		{modelByBoth, "json", "plain.flac", store.FromUpstream, false, told},
		{modelByToken, "text", "plain.wav", store.FromEstimate, true, nil},
	} {
		for _, path := range []string{"/v1/audio/transcriptions", "/v1/audio/translations"} {
			if c.format == "stream" && strings.HasSuffix(path, "translations") {
				continue // these are not streamed
			}
			resp, answer := a.transcribe(t, path, c.model, c.format, c.file)
			if resp.StatusCode != http.StatusOK {
				t.Fatalf("%s: %d %s", c.model, resp.StatusCode, answer)
			}
			e := a.settled(t, 1)[0]
			if e.Provenance != c.provenance || e.Tokens.Estimated > 0 != c.tokens || e.Tokens.Total() != e.Tokens.Estimated || !reflect.DeepEqual(e.Quantities, c.quantities) {
				t.Errorf("%s as %s: entry %+v, want %v, tokens %v, %v", c.model, c.format, e, c.provenance, c.tokens, c.quantities)
			}
			if _, complete := h.server.priceList().Charge(c.model, store.DayOf(e.At, h.server.cfg.Billing.TimeZone), e.Tokens, e.Quantities); !complete {
				t.Errorf("%s as %s: something in %+v has no price", c.model, c.format, e)
			}
		}
	}
}

// TestRecordingsBudget holds a budget of money against the length of a recording before it is sent.
func TestRecordingsBudget(t *testing.T) {
	h := recordingsHub(t)
	a := h.account("hearer")
	a.limit(limit.Rules{MonthlyAmount: "0.02"}) // a recording costs 0.015
	for i, want := range []int{http.StatusOK, http.StatusTooManyRequests} {
		resp, answer := a.transcribe(t, "/v1/audio/transcriptions", modelBySecond, "text", "plain.wav")
		if resp.StatusCode != want || want != http.StatusOK && errorOf(t, "", answer) != "budget_exceeded" {
			t.Errorf("recording %d: %d %s", i, resp.StatusCode, answer)
		}
	}
	if asked := h.provider.Totals().All.Requests; asked != 1 {
		t.Errorf("%d recordings have reached the model server", asked)
	}
	a.settled(t, 1)
	a.wantNothingHeld()
	// The length of what is billed by tokens has no price, and needs none.
	if resp, answer := a.transcribe(t, "/v1/audio/transcriptions", modelByToken, "text", "plain.wav"); resp.StatusCode != http.StatusOK {
		t.Errorf("%d %s", resp.StatusCode, answer)
	}
}
