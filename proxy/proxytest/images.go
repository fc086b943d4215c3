package proxytest

import (
	"encoding/base64"
	"strconv"
	"strings"
)

// defaultSize is how many bytes an image or a piece of speech has where the script does not say.
const defaultSize = 1024

// noise returns n bytes that are no text.
func noise(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*7 + i>>8)
	}
	return b
}

func (a *answer) size() int {
	if a.script.Size > 0 {
		return a.script.Size
	}
	return defaultSize
}

// images answers generations and edits, whole or streamed. Each image counts what the script's deltas count, or nothing
// but itself where units are counted.
func (a *answer) images() error {
	a.fileHeader()
	if a.ask.Stream {
		return a.imageStream()
	}
	u := a.output()
	if a.script.ByUnit {
		u = Usage{}
	}
	u.Images = int64(a.choices)
	image := `{"b64_json":"` + base64.StdEncoding.EncodeToString(noise(a.size())) + `"}`
	if a.ask.format() == "url" {
		image = `{"url":"https://images.example/` + a.name + `.png"}`
	}
	usage := ""
	if a.tellsUsage() && !a.script.ByUnit {
		usage = `,"usage":` + a.imageUsage(u.Output)
	}
	all := strings.Repeat(image+",", a.choices)
	return a.whole(`{"created":`+a.p.created+`,"data":[`+strings.TrimSuffix(all, ",")+`]`+a.imageMembers()+usage+`}`, u)
}

func (a *answer) imageMembers() string {
	size := a.ask.Size
	if size == "" || size == "auto" {
		size = "1024x1024"
	}
	return `,"background":"opaque","output_format":"png","quality":"high","size":` + quote(size)
}

func (a *answer) imageUsage(output int64) string {
	if a.script.RawUsage != "" {
		return a.script.RawUsage
	}
	n := func(v int64) string { return strconv.FormatInt(v, 10) }
	return `{"input_tokens":` + n(a.prompt.Prompt) + `,"input_tokens_details":{"image_tokens":0,"text_tokens":` + n(a.prompt.Prompt) +
		`},"output_tokens":` + n(output) + `,"total_tokens":` + n(a.prompt.Prompt+output) + `}`
}

// imageStream writes one image: partial ones first, as many as were asked for, which count nothing.
func (a *answer) imageStream() error {
	f := &imageEvents{typed: a.newTyped(), kind: "image_generation"}
	if a.path == "/images/edits" {
		f.kind = "image_edit"
	}
	f.usage = Usage{Images: 1}
	if !a.script.ByUnit {
		for _, d := range a.deltas {
			f.usage.add(d.usage())
		}
	}
	a.choices, a.deltas = 1, make([]Delta, a.ask.PartialImages)
	return f.run(f)
}

// imageEvents writes the events of images.
type imageEvents struct {
	typed
	kind  string
	usage Usage
}

func (f *imageEvents) open() error { return nil }

func (f *imageEvents) delta(i int) error {
	return f.w.add(f.image("partial_image", f.partial(i), Usage{}))
}

func (f *imageEvents) torn(i int) []byte { return f.image("partial_image", f.partial(i), Usage{}).wire }

func (f *imageEvents) partial(i int) string { return `,"partial_image_index":` + strconv.Itoa(i) }

func (f *imageEvents) image(what, members string, u Usage) piece {
	name := f.kind + "." + what
	return f.typedEvent(name, `{"type":"`+name+`","b64_json":"`+base64.StdEncoding.EncodeToString(noise(f.size()))+`","created_at":`+
		f.p.created+f.imageMembers()+members+`}`, u)
}

func (f *imageEvents) closing() []piece {
	usage := ""
	if f.tellsUsage() && !f.script.ByUnit {
		usage = `,"usage":` + f.imageUsage(f.usage.Output)
	}
	return []piece{f.ending(f.image("completed", usage, f.usage))}
}
