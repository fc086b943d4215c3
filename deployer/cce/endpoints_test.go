package cce

import (
	"encoding/json"
	"testing"
)

const in, out = "https://192.168.0.61:5443", "https://80.158.1.2:5443"

func TestEndpoints(t *testing.T) {
	for _, c := range []struct{ text, external, internal string }{
		{`[{"Internal":"` + in + `"},{"External":"` + out + `"}]`, out, in},
		{`[{"internal":"` + in + `"},{"EXTERNAL":"` + out + `/"}]`, out, in},
		{`[{"url":"` + in + `","type":"Internal"},{"Url":"` + out + `","Type":"external"}]`, out, in},
		{`{"internal":"` + in + `","External":"` + out + `","external_otc":"https://c.cce.example.com"}`, out, in},
		{`{"Internal":"` + in + `","external":""}`, "", in},
		{`[{"Internal":"` + in + `","External":null}]`, "", in},
		{`{"External":"` + out + `","external":"https://second.example.com"}`, "https://second.example.com", ""},
		{`[{"External":"` + out + `"},{"External":"https://second.example.com"}]`, out, ""},
		{`null`, "", ""}, {`[]`, "", ""}, {`{}`, "", ""}, {`7`, "", ""}, {`"` + out + `"`, "", ""}, {`[7,[],null,"x"]`, "", ""}, {`[[{"External":"` + out + `"}]]`, "", ""},
		{`{"External":7,"Internal":["` + in + `"]}`, "", ""},
		{`{"type":"External"}`, "", ""}, {`{"url":"` + out + `","type":7}`, "", ""},
		{`{"External":"http://80.158.1.2:5443"}`, "", ""}, {`{"External":"https://u:p@80.158.1.2"}`, "", ""}, {`{"External":"https://80.158.1.2?a"}`, "", ""},
		{`{"External":"80.158.1.2:5443"}`, "", ""}, {`{"External":"javascript:alert(1)"}`, "", ""}, {`{"External":"https://"}`, "", ""}, {`{"External":"https:// x"}`, "", ""},
	} {
		v := struct{ E endpoints }{endpoints{external: "stale", internal: "stale"}}
		if err := json.Unmarshal([]byte(`{"e":`+c.text+`}`), &v); err != nil || v.E.external != c.external || v.E.internal != c.internal {
			t.Errorf("%s: external %q, internal %q, %v", c.text, v.E.external, v.E.internal, err)
		}
	}
}

// FuzzEndpoints: no text is an error or a panic, and what comes out is an address or nothing, the same each time.
func FuzzEndpoints(f *testing.F) {
	for _, text := range []string{`null`, `[{"Internal":"` + in + `"}]`, `[{"url":"` + out + `","type":"External"}]`, `{"external":"` + out + `","External":"x"}`, `[[[`, `{"type":"type","url":1}`} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var first, second endpoints
		if first.UnmarshalJSON(text) != nil || second.UnmarshalJSON(text) != nil {
			t.Fatal("an error")
		}
		if first != second {
			t.Errorf("%+v, then %+v", first, second)
		}
		for _, a := range []string{first.external, first.internal} {
			if a != "" && address(a) != a {
				t.Errorf("%q is no address", a)
			}
		}
	})
}
