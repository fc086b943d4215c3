package proxy

import (
	"reflect"
	"strings"
	"testing"

	"llmhub/proxy/openai"
	"llmhub/store"
)

func TestUnits(t *testing.T) {
	one := func(u store.Unit, n int64) store.Quantities { return store.Quantities{{Unit: u, N: n}} }
	for name, c := range map[string]struct {
		units       func(asked, used openai.Units, tokens bool) store.Quantities
		asked, used openai.Units
		tokens      bool
		want        store.Quantities
	}{
		"the answer's size wins":     {imageUnits, openai.Units{Images: 2, ImageSize: "auto"}, openai.Units{Images: 1, ImageSize: "1536x1024"}, true, one(store.UnitImageWide, 1)},
		"the size that was asked":    {imageUnits, openai.Units{ImageSize: "1024x1792"}, openai.Units{Images: 2}, false, one(store.UnitImageTaller, 2)},
		"a size of upper case":       {imageUnits, openai.Units{}, openai.Units{Images: 1, ImageSize: "512X512"}, false, one(store.UnitImage512, 1)},
		"a size nobody knows":        {imageUnits, openai.Units{ImageSize: "auto"}, openai.Units{Images: 3}, false, one(store.UnitImage, 3)},
		"no image":                   {imageUnits, openai.Units{Images: 2}, openai.Units{}, true, nil},
		"characters of the request":  {speechUnits, openai.Units{Characters: 7}, openai.Units{}, false, one(store.UnitCharacter, 7)},
		"audio that was listened to": {audioUnits, openai.Units{}, openai.Units{AudioMilliseconds: 1500}, false, one(store.UnitAudioMillisecond, 1500)},
		"audio of unknown length":    {audioUnits, openai.Units{}, openai.Units{}, false, nil},
		"audio as long as its file":  {audioUnits, openai.Units{AudioMilliseconds: 900}, openai.Units{}, false, one(store.UnitAudioMillisecond, 900)},
		"audio as long as is billed": {audioUnits, openai.Units{AudioMilliseconds: 900}, openai.Units{AudioMilliseconds: 1500}, false, one(store.UnitAudioMillisecond, 1500)},
		"audio billed by tokens":     {audioUnits, openai.Units{AudioMilliseconds: 900}, openai.Units{}, true, nil},
		"searches that are told":     {searchUnits, openai.Units{}, openai.Units{Searches: 3}, true, one(store.UnitSearch, 3)},
		"a search":                   {searchUnits, openai.Units{}, openai.Units{}, false, one(store.UnitSearch, 1)},
		"tokens in place of one":     {searchUnits, openai.Units{}, openai.Units{}, true, nil},
	} {
		if got := c.units(c.asked, c.used, c.tokens); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

// TestEndpointTable keeps names and paths apart, and forms where they belong.
func TestEndpointTable(t *testing.T) {
	seen := map[string]bool{}
	for _, ep := range append(endpoints, realtimeEndpoint) {
		if seen[ep.path] || seen[ep.name] || !strings.HasPrefix(ep.path, "/") || ep.name == "" {
			t.Errorf("endpoint %q %q is not named alone", ep.name, ep.path)
		}
		seen[ep.path], seen[ep.name] = true, true
		messages := openai.FormMessages == ep.form
		for _, prefix := range []string{"/v1", "/v2"} {
			if messages != (formOf([]byte(prefix+ep.path)) == openai.FormMessages) {
				t.Errorf("errors about %s have a form of their own", ep.path)
			}
		}
	}
	for _, path := range []string{"", "/", "/v1", "/v1/", "/messages", "/v1/models", "/v1/x/messages"} {
		if formOf([]byte(path)) != openai.FormOpenAI {
			t.Errorf("errors about %q are in Anthropic's form", path)
		}
	}
}
