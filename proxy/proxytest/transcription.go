package proxytest

import (
	"fmt"
	"strconv"
)

// defaultAudioMilliseconds is how long audio is where the script does not say.
const defaultAudioMilliseconds = 2000

// transcription answers transcriptions and translations in the format that was asked for, or streamed.
func (a *answer) transcription() error {
	a.choices = 1
	a.fileHeader()
	if len(a.ask.files) == 0 {
		return a.fail(400, "invalid_request_error", "", "The form has no file.")
	}
	if a.ask.Stream {
		f := &transcriptEvents{typed: a.newTyped()}
		return f.run(f)
	}
	text, format := gather(a.deltas).content.String(), a.ask.format()
	u := a.transcribed(format)
	body, kind := "", "text/plain; charset=utf-8"
	switch format {
	case "text":
		body = text + "\n"
	case "srt":
		body = "1\n00:00:00,000 --> " + a.clock(',') + "\n" + text + "\n\n"
	case "vtt":
		body = "WEBVTT\n\n00:00:00.000 --> " + a.clock('.') + "\n" + text + "\n\n"
	case "verbose_json":
		kind = "application/json"
		body = `{"task":"transcribe","language":"english","duration":` + a.seconds() + `,"text":` + quote(text) +
			`,"segments":[{"id":0,"seek":0,"start":0.0,"end":` + a.seconds() + `,"text":` + quote(text) + `}]` + a.transcriptUsage(u.Output) + `}`
	default:
		kind = "application/json"
		body = `{"text":` + quote(text) + a.transcriptUsage(u.Output) + `}`
	}
	if a.script.ContentType == "" {
		a.script.ContentType = kind
	}
	return a.whole(body, u)
}

// transcribed returns what the answer counts: tokens, or the audio's time; both in the format that tells the time anyway.
func (a *answer) transcribed(format string) Usage {
	u := Usage{AudioMilliseconds: a.audioMilliseconds()}
	if a.script.ByUnit {
		return u
	}
	if format != "verbose_json" {
		u = Usage{}
	}
	u.add(a.output())
	return u
}

func (a *answer) audioMilliseconds() int64 {
	if ms := a.script.AudioMilliseconds; ms > 0 {
		return ms
	}
	return defaultAudioMilliseconds
}

func (a *answer) seconds() string {
	return strconv.FormatFloat(float64(a.audioMilliseconds())/1000, 'f', -1, 64)
}

// clock returns the audio's end as subtitles write it.
func (a *answer) clock(point byte) string {
	ms := a.audioMilliseconds()
	return fmt.Sprintf("%02d:%02d:%02d%c%03d", ms/3600000, ms/60000%60, ms/1000%60, point, ms%1000)
}

// transcriptUsage returns the member with the usage, if the script tells it.
func (a *answer) transcriptUsage(output int64) string {
	n := func(v int64) string { return strconv.FormatInt(v, 10) }
	switch {
	case !a.tellsUsage():
		return ""
	case a.script.RawUsage != "":
		return `,"usage":` + a.script.RawUsage
	case a.script.ByUnit:
		return `,"usage":{"type":"duration","seconds":` + a.seconds() + `}`
	}
	return `,"usage":{"type":"tokens","input_tokens":` + n(a.prompt.Prompt) + `,"input_token_details":{"text_tokens":0,"audio_tokens":` +
		n(a.prompt.Prompt) + `},"output_tokens":` + n(output) + `,"total_tokens":` + n(a.prompt.Prompt+output) + `}`
}

// transcriptEvents writes a transcript in events.
type transcriptEvents struct{ typed }

func (f *transcriptEvents) open() error { return nil }

func (f *transcriptEvents) delta(i int) error {
	u := f.deltas[i].usage()
	if f.script.ByUnit {
		u = Usage{}
	}
	f.given.add(u)
	return f.w.add(f.textDelta(i, u))
}

func (f *transcriptEvents) torn(i int) []byte { return f.textDelta(i, Usage{}).wire }

func (f *transcriptEvents) textDelta(i int, u Usage) piece {
	return f.typedEvent("transcript.text.delta", `{"type":"transcript.text.delta","delta":`+quote(f.deltas[i].Text)+`}`, u)
}

func (f *transcriptEvents) closing() []piece {
	u := Usage{}
	if f.script.ByUnit {
		u.AudioMilliseconds = f.audioMilliseconds()
	}
	data := `{"type":"transcript.text.done","text":` + quote(gather(f.deltas).content.String()) + f.transcriptUsage(f.given.Output) + `}`
	return []piece{f.ending(f.typedEvent("transcript.text.done", data, u))}
}
