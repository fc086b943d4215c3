package openai

import (
	"strings"
	"testing"
)

// answerBenches are events, and whole answers, as most are in their dialect.
var answerBenches = []struct {
	name    string
	dialect Dialect
	whole   bool
	data    string
}{
	{"responses", DialectResponses, false, `{"type":"response.output_text.delta","sequence_number":42,"item_id":"msg_67c9fdcf37fc8190ba82116e33fb28c507b8b0ad4e5eb654",` +
		`"output_index":0,"content_index":0,"delta":" token","logprobs":[],"obfuscation":"aBcDeFgHiJ"}`},
	{"responses end", DialectResponses, false, `{"type":"response.completed","sequence_number":99,"response":{"id":"resp_1",` + echo +
		`,"status":"completed","output":[{"id":"msg_1","type":"message","content":[{"type":"output_text","text":"` + strings.Repeat("some text ", 200) + `"}]}],` + responsesUsage + `}}`},
	{"messages", DialectMessages, false, `{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":" token"}}`},
	{"messages end", DialectMessages, false, `{"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"input_tokens":25,"cache_creation_input_tokens":0,"cache_read_input_tokens":10,"output_tokens":15}}`},
	{"image of 2 MiB", DialectImages, false, `{"type":"image_generation.partial_image","b64_json":"` + strings.Repeat("iVBORw0K", 1<<18) + `","size":"1024x1024"}`},
	{"images of 2 MiB", DialectImages, true, `{"created":1,"data":[{"b64_json":"` + strings.Repeat("iVBORw0K", 1<<17) + `"},{"b64_json":"` + strings.Repeat("iVBORw0K", 1<<17) + `"}],"size":"1024x1024","usage":{"input_tokens":1,"output_tokens":2,"total_tokens":3}}`},
	{"speech", DialectSpeech, false, `{"type":"speech.audio.delta","audio":"` + strings.Repeat("UklGRgAA", 512) + `"}`},
	{"transcription", DialectTranscriptions, false, `{"type":"transcript.text.delta","delta":" token","logprobs":[{"token":" token","logprob":-0.1,"bytes":[32]}]}`},
	{"moderations", DialectModerations, true, `{"id":"modr-1","model":"omni","results":[{"flagged":false,"categories":{"violence":false},"category_scores":{"violence":0.00001}}]}`},
	{"rerank", DialectRerank, true, `{"id":"x","results":[` + strings.Repeat(`{"index":1,"relevance_score":0.98},`, 20) + `{}],"meta":{"billed_units":{"search_units":1}},"usage":{"total_tokens":7}}`},
}

func BenchmarkMeterAnswer(b *testing.B) {
	for _, c := range answerBenches {
		b.Run(c.name, func(b *testing.B) {
			m := Meter{Dialect: c.dialect}
			data := []byte(c.data)
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				takeAnswer(b, &m, data, c.whole)
				if n++; n%1000 == 0 {
					m.Reset()
				}
			}
		})
	}
}

// BenchmarkAppendEventWithIDs is of an event without IDs, as nearly all are.
func BenchmarkAppendEventWithIDs(b *testing.B) {
	ev := Event{Raw: []byte("data: " + answerBenches[0].data + "\n\n"), Kind: Data, dataAt: 6}
	ev.Data = ev.Raw[6 : len(ev.Raw)-2]
	m := Meter{Dialect: DialectResponses}
	m.Event(ev.Data)
	dst := make([]byte, 0, 4096)
	b.ReportAllocs()
	for b.Loop() {
		dst = m.AppendEventWithIDs(dst[:0], ev, sealed)
	}
}

// sealed is what an ID becomes in benchmarks.
func sealed(dst, id []byte) []byte { return append(append(dst, id...), ".c3VmZml4"...) }

func takeAnswer(t testing.TB, m *Meter, data []byte, whole bool) {
	c := Chunk{}
	if whole {
		c, _ = m.Whole(data)
	} else {
		c = m.Event(data)
	}
	if !c.Valid {
		t.Fatal("not valid")
	}
}

// TestAnswersDoNotAllocate guards what is done for every event and every whole answer, and for the IDs in them.
func TestAnswersDoNotAllocate(t *testing.T) {
	dst := make([]byte, 0, 8192)
	for _, c := range answerBenches {
		m := Meter{Dialect: c.dialect}
		data := []byte(c.data)
		for range 3 {
			takeAnswer(t, &m, data, c.whole)
		}
		n := testing.AllocsPerRun(20, func() {
			m.Reset()
			takeAnswer(t, &m, data, c.whole)
			if c.dialect == DialectResponses {
				dst = m.AppendWithIDs(dst[:0], data, sealed)
			}
		})
		if n != 0 {
			t.Errorf("%s: %v allocations", c.name, n)
		}
	}
}
