package proxytest

import "strconv"

// responsesStream writes the events of OpenAI's responses.
type responsesStream struct {
	typed
	sequence int
}

// event writes one event. Members is what stands behind type and sequence_number, with a comma in front.
func (r *responsesStream) event(name, members string, u Usage) error {
	return r.w.add(r.build(name, members, u))
}

func (r *responsesStream) build(name, members string, u Usage) piece {
	data := `{"type":"` + name + `","sequence_number":` + strconv.Itoa(r.sequence) + members + `}`
	r.sequence++
	return r.typedEvent(name, data, u)
}

func (r *responsesStream) open() error {
	first, second := "null", "null"
	switch r.script.Usage {
	case UsageInStart, UsageCumulative:
		first, second = r.responsesUsage(Usage{}, true), r.responsesUsage(Usage{}, true)
	case UsageTwice:
		u := r.output()
		second = r.responsesUsage(Usage{Output: u.Output / 2, Reasoning: u.Reasoning / 2}, true)
	}
	if err := r.event("response.created", `,"response":`+r.response("in_progress", "", first), Usage{}); err != nil {
		return err
	}
	return r.event("response.in_progress", `,"response":`+r.response("in_progress", "", second), Usage{})
}

func (r *responsesStream) delta(i int) error {
	if r.at < 0 || i >= r.segments[r.at].end {
		if err := r.write(r.endItem()); err != nil {
			return err
		}
		r.at++
		if err := r.beginItem(); err != nil {
			return err
		}
	}
	d := &r.deltas[i]
	u := d.usage()
	r.given.add(u)
	return r.event(r.deltaName(), r.deltaMembers(d), u)
}

func (r *responsesStream) torn(i int) []byte {
	if r.at < 0 {
		return r.build("response.queued", `,"response":`+r.response("queued", "", "null"), Usage{}).wire
	}
	return r.build(r.deltaName(), r.deltaMembers(&r.deltas[i]), Usage{}).wire
}

// stems are what the events of a part are named by, in front of ".delta" and ".done".
var stems = map[Part]string{Content: "response.output_text", Refusal: "response.refusal",
	Reasoning: "response.reasoning_summary_text", ToolCall: "response.function_call_arguments"}

func (r *responsesStream) deltaName() string { return stems[r.segments[r.at].part] + ".delta" }

func (r *responsesStream) deltaMembers(d *Delta) string {
	members := r.place() + `,"delta":` + quote(d.Text)
	if d.Part != Content {
		return members
	}
	if r.script.Logprobs {
		return members + `,"logprobs":[` + logprob(d.Text) + `]`
	}
	return members + `,"logprobs":[]`
}

// place says which item, and which part of it, an event is about.
func (r *responsesStream) place() string {
	at := strconv.Itoa(r.at)
	switch r.segments[r.at].part {
	case ToolCall:
		return `,"item_id":"` + r.itemID("fc", r.at) + `","output_index":` + at
	case Reasoning:
		return `,"item_id":"` + r.itemID("rs", r.at) + `","output_index":` + at + `,"summary_index":0`
	}
	return `,"item_id":"` + r.itemID("msg", r.at) + `","output_index":` + at + `,"content_index":0`
}

// partName is the event that adds or ends the part of an item, if the item has parts.
func (r *responsesStream) partName(what string) string {
	switch r.segments[r.at].part {
	case ToolCall:
		return ""
	case Reasoning:
		return "response.reasoning_summary_part." + what
	}
	return "response.content_part." + what
}

func (r *responsesStream) beginItem() error {
	s := &r.segments[r.at]
	err := r.event("response.output_item.added", `,"output_index":`+strconv.Itoa(r.at)+`,"item":`+r.item(s, r.at, "in_progress", ""), Usage{})
	name := r.partName("added")
	if err != nil || name == "" {
		return err
	}
	return r.event(name, r.place()+`,"part":`+contentPart(s.part, ""), Usage{})
}

// endItem returns the events that end the item that is open.
func (r *responsesStream) endItem() []piece {
	if r.at < 0 {
		return nil
	}
	s := &r.segments[r.at]
	whole := map[Part]string{Refusal: `,"refusal":`, ToolCall: `,"arguments":`}[s.part]
	if whole == "" {
		whole = `,"text":`
	}
	if s.part == ToolCall {
		whole = `,"name":` + quote(s.name) + whole
	}
	members := r.place() + whole + quote(s.text)
	if s.part == Content {
		members += `,"logprobs":[]`
	}
	pieces := []piece{r.own(r.build(stems[s.part]+".done", members, Usage{}))}
	if name := r.partName("done"); name != "" {
		pieces = append(pieces, r.own(r.build(name, r.place()+`,"part":`+contentPart(s.part, s.text), Usage{})))
	}
	return append(pieces, r.own(r.build("response.output_item.done",
		`,"output_index":`+strconv.Itoa(r.at)+`,"item":`+r.item(s, r.at, "completed", s.text), Usage{})))
}

func (r *responsesStream) write(pieces []piece) error {
	for _, p := range pieces {
		if err := r.w.add(p); err != nil {
			return err
		}
	}
	return nil
}

func (r *responsesStream) closing() []piece {
	pieces := r.endItem()
	status := r.status()
	usage := r.responsesUsage(r.given, r.tellsUsage())
	return append(pieces, r.ending(r.build("response."+status,
		`,"response":`+r.response(status, responseItems(r.answer, r.segments), usage), Usage{})))
}
