package main

import (
	"io"
	"strings"
	"testing"

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
