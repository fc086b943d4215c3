package main

import (
	"encoding/json"
	"net/http"
	"testing"

	"llmhub/config"
	"llmhub/store"
)

// TestModelsTellWhatTheyAre reads the models as an application does: one that is described, and one that is not.
func TestModelsTellWhatTheyAre(t *testing.T) {
	eol, err := store.ParseDay("2027-12-31")
	if err != nil {
		t.Fatal(err)
	}
	h := startHub(t, []string{"described", "plain"}, func(c *config.Config) {
		a := config.DefaultAbout()
		a.DisplayName, a.ContextTokens, a.HostedBy = "Described", 128000, config.ThirdParty
		a.Licence, a.LicenceURL, a.EndOfLife = "L", "https://example.com/l", &eol
		c.Models[0].About = a
	})
	key, _ := h.key("models")
	get := func(path string) (v map[string]any) {
		t.Helper()
		r := h.request(t.Context(), key, path, nil)
		r.Method = http.MethodGet
		resp, err := h.client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if err := json.NewDecoder(resp.Body).Decode(&v); err != nil {
			t.Fatal(err)
		}
		return v
	}
	list := get("/v1/models")["data"].([]any)
	if len(list) != 2 {
		t.Fatalf("models: %v", list)
	}
	for _, model := range []map[string]any{list[0].(map[string]any), get("/v1/models/described")} {
		meta, _ := model["meta_data"].(map[string]any)
		for member, want := range map[string]any{
			"display_name": "Described", "model_type": "LLM", "max_sequence_length": 128000.0, "is_externally_hosted": true,
			"license": "https://example.com/l", "end_of_life_date": "2027-12-31T00:00:00Z",
		} {
			if meta[member] != want {
				t.Errorf("%s is %v, want %v", member, meta[member], want)
			}
		}
	}
	if meta, ok := list[1].(map[string]any)["meta_data"]; ok {
		t.Errorf("a model without description has %v", meta)
	}
	h.shutDown(t)
}
