package portal_test

import (
	"encoding/json"
	"net/http"
	"reflect"
	"testing"
	"time"

	"llmhub/store"
)

func event(key, model string, at time.Time, input, cached, output int64) store.Event {
	return store.Event{Key: key, Model: model, At: at, Duration: 1500 * time.Millisecond,
		Tokens: store.Tokens{Input: input, CachedInput: cached, Output: output}}
}

// rows returns the rows of a usage query, each as it stands in JSON.
func (f *fixture) rows(query string) []string {
	f.t.Helper()
	a := f.do(http.MethodGet, "/usage"+query, "")
	if a.status != http.StatusOK {
		f.t.Fatalf("%s: %d %s", query, a.status, a.text)
	}
	var body struct{ Data []json.RawMessage }
	a.into(f.t, &body)
	rows := make([]string, len(body.Data))
	for i, r := range body.Data {
		rows[i] = string(r)
	}
	return rows
}

func TestUsage(t *testing.T) {
	f := newFixture(t)
	tenant, sub, k1 := f.key("one")
	_, _, k2 := f.key("two")
	names := map[string]string{k1: "one", k2: "two"}
	at := func(month time.Month, day, hour int) time.Time {
		return time.Date(2026, month, day, hour, 0, 0, 0, time.UTC)
	}
	f.commit(
		event(k1, "m1", at(10, 31, 22), 7, 0, 7), // 31 October, 23:00 in Berlin
		event(k1, "m1", at(10, 31, 23), 1000, 200, 100),
		event(k1, "m1", at(11, 10, 12), 1000, 0, 0),
		event(k2, "free", at(11, 2, 12), 5, 0, 5),
		event(k2, "m1", at(11, 30, 22), 1, 0, 0),
		event(k2, "m1", at(11, 30, 23), 9, 0, 9), // 1 December in Berlin
	)
	first, second := k1, k2
	if second < first {
		first, second = second, first
	}
	byKey := map[string]string{
		k1: `{"key_id":"` + k1 + `","key_name":"one","requests":2,"input_tokens":2000,"cached_input_tokens":200,"output_tokens":100,"reasoning_tokens":0,"total_tokens":2100,"estimated_tokens":0,"amount":"0.0111","currency":"EUR"}`,
		k2: `{"key_id":"` + k2 + `","key_name":"two","requests":2,"input_tokens":6,"cached_input_tokens":0,"output_tokens":5,"reasoning_tokens":0,"total_tokens":11,"estimated_tokens":0,"amount":"0.00001","amount_incomplete":true,"currency":"EUR"}`,
	}
	const total = `{"total":true,"requests":4,"input_tokens":2006,"cached_input_tokens":200,"output_tokens":105,"reasoning_tokens":0,"total_tokens":2111,"estimated_tokens":0,"amount":"0.01111","amount_incomplete":true,"currency":"EUR"}`
	cases := []struct {
		name, query string
		want        []string
	}{
		{"current month by key", "", []string{byKey[first], byKey[second], total}},
		{"named month", "?month=2026-11&by=key", []string{byKey[first], byKey[second], total}},
		{"same range, both days included", "?from=2026-11-01&to=2026-11-30", []string{byKey[first], byKey[second], total}},
		{"total alone", "?by=", []string{total}},
		{"a single day", "?from=2026-11-02&to=2026-11-02&by=day,model", []string{
			`{"model":"free","day":"2026-11-02","requests":1,"input_tokens":5,"cached_input_tokens":0,"output_tokens":5,"reasoning_tokens":0,"total_tokens":10,"estimated_tokens":0,"amount":"0.00","amount_incomplete":true,"currency":"EUR"}`,
			`{"total":true,"requests":1,"input_tokens":5,"cached_input_tokens":0,"output_tokens":5,"reasoning_tokens":0,"total_tokens":10,"estimated_tokens":0,"amount":"0.00","amount_incomplete":true,"currency":"EUR"}`,
		}},
		{"one key by month", "?from=2026-10-01&to=2026-12-31&by=month&key_id=" + k1, []string{
			`{"month":"2026-10","requests":1,"input_tokens":7,"cached_input_tokens":0,"output_tokens":7,"reasoning_tokens":0,"total_tokens":14,"estimated_tokens":0,"amount":"0.000021","currency":"EUR"}`,
			`{"month":"2026-11","requests":2,"input_tokens":2000,"cached_input_tokens":200,"output_tokens":100,"reasoning_tokens":0,"total_tokens":2100,"estimated_tokens":0,"amount":"0.0111","currency":"EUR"}`,
			`{"total":true,"requests":3,"input_tokens":2007,"cached_input_tokens":200,"output_tokens":107,"reasoning_tokens":0,"total_tokens":2114,"estimated_tokens":0,"amount":"0.011121","currency":"EUR"}`,
		}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if got := f.rows(c.query); !reflect.DeepEqual(got, c.want) {
				t.Errorf("got\n%v\nwant\n%v", got, c.want)
			}
		})
	}
	for _, filter := range []string{"tenant_id=" + tenant, "subscription_id=" + sub, "key_id=" + k1} {
		if got := f.rows("?" + filter); len(got) != 2 || got[0] != byKey[k1] {
			t.Errorf("%s: %v (names %v)", filter, got, names)
		}
	}
}

// TestUsageOfOtherUnits: images, audio and searches stand beside the tokens, in sums as in single requests, and what of
// them has no price makes the amount incomplete.
func TestUsageOfOtherUnits(t *testing.T) {
	f := newFixture(t)
	_, _, k := f.key("one")
	at := time.Date(2026, 11, 2, 12, 0, 0, 0, time.UTC)
	image, audio := event(k, "images", at, 0, 0, 0), event(k, "speech", at, 0, 0, 0)
	image.Quantities = image.Quantities.Plus(store.UnitImage1024, 2).Plus(store.UnitImageTall, 1)
	audio.Quantities = audio.Quantities.Plus(store.UnitAudioMillisecond, 61_500)
	f.commit(image, audio, image)
	const tokens = `"input_tokens":0,"cached_input_tokens":0,"output_tokens":0,"reasoning_tokens":0,"total_tokens":0,"estimated_tokens":0,`
	want := []string{
		`{"model":"images","requests":2,` + tokens + `"quantities":[{"unit":"image_1024x1024","quantity":4},{"unit":"image_1024x1536","quantity":2}],"amount":"0.28","currency":"EUR"}`,
		`{"model":"speech","requests":1,` + tokens + `"quantities":[{"unit":"audio_millisecond","quantity":61500}],"amount":"0.00","amount_incomplete":true,"currency":"EUR"}`,
		`{"total":true,"requests":3,` + tokens + `"quantities":[{"unit":"image_1024x1024","quantity":4},{"unit":"image_1024x1536","quantity":2},{"unit":"audio_millisecond","quantity":61500}],"amount":"0.28","amount_incomplete":true,"currency":"EUR"}`,
	}
	if got := f.rows("?by=model"); !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%v\nwant\n%v", got, want)
	}
	events := f.must(http.StatusOK, http.MethodGet, "/keys/"+k+"/events", "")["data"].([]any)
	newest := events[1].(map[string]any)["quantities"]
	if want := []any{map[string]any{"unit": "audio_millisecond", "quantity": 61500.0}}; !reflect.DeepEqual(newest, want) {
		t.Errorf("the event has %v, want %v", newest, want)
	}
}

func TestUsageOfNothing(t *testing.T) {
	f := newFixture(t)
	f.commit(event("key_of_nobody", "m1", time.Date(2026, 11, 5, 0, 0, 0, 0, time.UTC), 1, 0, 1))
	tenant := f.create("/tenants", `{"name":"empty"}`)
	got := f.rows("?by=key&tenant_id=" + tenant)
	if len(got) != 1 {
		t.Fatalf("a tenant without keys sees %v", got)
	}
	var row map[string]any
	if err := json.Unmarshal([]byte(got[0]), &row); err != nil || row["total"] != true || row["requests"] != 0.0 {
		t.Errorf("total of nothing: %v %v", row, err)
	}
	if got := f.rows(""); len(got) != 2 {
		t.Errorf("usage of a key that is not known any more is hidden: %v", got)
	}
}

func TestEventsTellWhereCountsComeFrom(t *testing.T) {
	f := newFixture(t)
	_, _, key := f.key("k")
	start := time.Date(2026, 11, 1, 10, 0, 0, 0, time.UTC)
	for i, p := range []store.Provenance{store.FromUpstream, store.FromDrained, store.FromPartial, store.FromEstimate} {
		e := event(key, "m1", start.Add(time.Duration(i)*time.Minute), 10, 2, 5)
		e.Provenance, e.Recovered, e.Tokens.Estimated = p, p == store.FromPartial, int64(i)
		f.commit(e)
	}
	var got []string
	for path := "/keys/" + key + "/events?limit=3"; ; {
		list := f.must(http.StatusOK, http.MethodGet, path, "")
		for _, v := range list["data"].([]any) {
			e := v.(map[string]any)
			got = append(got, e["provenance"].(string))
			if e["duration_ms"] != 1500.0 || e["total_tokens"] != 15.0 || e["cached_input_tokens"] != 2.0 || e["deployment"] != "up/m" ||
				e["recovered"] != (e["provenance"] == "partial") {
				t.Errorf("event %v", e)
			}
			if id, err := store.ParseRequestID(e["request_id"].(string)); err != nil || id.Source() != f.source {
				t.Errorf("request ID %v", e["request_id"])
			}
		}
		next, more := list["next"].(string)
		if !more {
			break
		}
		path = "/keys/" + key + "/events?limit=3&cursor=" + next
	}
	if want := []string{"estimated", "partial", "drained", "upstream"}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
