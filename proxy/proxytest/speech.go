package proxytest

import (
	"encoding/base64"
	"encoding/json"
	"strconv"
	"unicode/utf8"
)

// speech answers with audio: bytes as they are, or events of them. It is divided into as many pieces as the script has
// deltas. The text's characters are counted, and tokens in events only, as only those tell them.
func (a *answer) speech() error {
	a.choices = 1
	var text string
	if json.Unmarshal(a.ask.Input, &text) != nil {
		return a.fail(400, "invalid_request_error", "", "input must be a text.")
	}
	audio := noise(a.size())
	if a.ask.StreamFormat == "sse" {
		a.prompt.Characters = int64(utf8.RuneCountInString(text))
		f := &speechEvents{typed: a.newTyped(), audio: audio}
		return f.run(f)
	}
	a.prompt = Usage{Characters: int64(utf8.RuneCountInString(text))}
	if a.script.ContentType == "" {
		a.script.ContentType = "audio/mpeg"
	}
	f := &speechBytes{streamer: a.newStreamer(), audio: audio}
	return f.run(f)
}

// part returns the i-th of n parts of audio.
func part(audio []byte, i, n int) []byte { return audio[len(audio)*i/n : len(audio)*(i+1)/n] }

// speechBytes writes audio as it is.
type speechBytes struct {
	*streamer
	audio []byte
}

func (f *speechBytes) open() error { return nil }

func (f *speechBytes) delta(i int) error {
	return f.w.add(piece{wire: part(f.audio, i, len(f.deltas)), same: true})
}

func (f *speechBytes) torn(i int) []byte { return part(f.audio, i, len(f.deltas)) }

func (f *speechBytes) closing() []piece { return []piece{{same: true}} }

// speechEvents writes audio in events.
type speechEvents struct {
	typed
	audio []byte
}

func (f *speechEvents) open() error { return nil }

func (f *speechEvents) delta(i int) error {
	u := f.tokens(i)
	f.given.add(u)
	return f.w.add(f.audioDelta(i, u))
}

func (f *speechEvents) tokens(i int) Usage {
	if f.script.ByUnit {
		return Usage{}
	}
	return f.deltas[i].usage()
}

func (f *speechEvents) torn(i int) []byte { return f.audioDelta(i, Usage{}).wire }

func (f *speechEvents) audioDelta(i int, u Usage) piece {
	return f.typedEvent("speech.audio.delta", `{"type":"speech.audio.delta","audio":"`+
		base64.StdEncoding.EncodeToString(part(f.audio, i, len(f.deltas)))+`"}`, u)
}

func (f *speechEvents) closing() []piece {
	usage := ""
	if f.tellsUsage() && !f.script.ByUnit {
		usage = `,"usage":` + f.plainUsage(f.given.Output)
	}
	return []piece{f.ending(f.typedEvent("speech.audio.done", `{"type":"speech.audio.done"`+usage+`}`, Usage{}))}
}

// plainUsage returns a usage object of input, output and total.
func (a *answer) plainUsage(output int64) string {
	if a.script.RawUsage != "" {
		return a.script.RawUsage
	}
	n := func(v int64) string { return strconv.FormatInt(v, 10) }
	return `{"input_tokens":` + n(a.prompt.Prompt) + `,"output_tokens":` + n(output) + `,"total_tokens":` + n(a.prompt.Prompt+output) + `}`
}
