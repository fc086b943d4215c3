package proxytest

import (
	"strconv"
	"strings"
)

// responses answers a request of OpenAI's responses, whole or streamed.
func (a *answer) responses() error {
	if id := a.ask.Previous; id != "" && !a.p.stored.has(id) {
		return a.plain(400, "application/json", `{"error":{"message":"Previous response with id '`+safe(id)+
			`' not found.","type":"invalid_request_error","param":"previous_response_id","code":"previous_response_not_found"}}`)
	}
	a.choices = 1
	s := segments(a.deltas)
	u := a.output()
	body := a.response(a.status(), responseItems(a, s), a.responsesUsage(u, a.tellsUsage()))
	if a.ask.Store == nil || *a.ask.Store || a.ask.Background {
		a.p.stored.put(a.responseID(), storedAnswer{body: body, input: a.inputItems(), background: a.ask.Background})
	}
	if a.ask.Background {
		return a.plain(200, "application/json", a.response("queued", "", "null"))
	}
	if a.ask.Stream {
		f := &responsesStream{typed: a.newTyped()}
		return f.run(f)
	}
	return a.whole(body, u)
}

// safe makes a text of a request fit for a JSON string in single quotes.
func safe(text string) string { return strings.Trim(quote(text), `"`) }

func (a *answer) responseID() string { return "resp_" + a.p.tag + strings.TrimPrefix(a.name, "pt-") }

// status is the response's own at its end.
func (a *answer) status() string {
	switch a.finish {
	case "length", "content_filter":
		return "incomplete"
	case "failed":
		return "failed"
	}
	return "completed"
}

// response returns the response object.
func (a *answer) response(status, items, usage string) string {
	failure, details, store := "null", "null", "true"
	switch {
	case status == "failed":
		failure = `{"code":"server_error","message":"The model failed to generate a response."}`
	case status == "incomplete" && a.finish == "length":
		details = `{"reason":"max_output_tokens"}`
	case status == "incomplete":
		details = `{"reason":` + quote(a.finish) + `}`
	}
	previous := "null"
	if a.ask.Previous != "" {
		previous = quote(a.ask.Previous)
	}
	if a.ask.Store != nil {
		store = strconv.FormatBool(*a.ask.Store)
	}
	return `{"id":"` + a.responseID() + `","object":"response","created_at":` + a.p.created + `,"status":"` + status +
		`","background":` + strconv.FormatBool(a.ask.Background) + `,"error":` + failure + `,"incomplete_details":` + details +
		`,"instructions":null,"max_output_tokens":null,"model":` + quote(a.ask.Model) + `,"output":[` + items +
		`],"parallel_tool_calls":true,"previous_response_id":` + previous + `,"reasoning":{"effort":null,"summary":null},"store":` + store +
		`,"temperature":1.0,"text":{"format":{"type":"text"}},"tool_choice":"auto","tools":[],"top_p":1.0,"truncation":"disabled","usage":` +
		usage + `,"user":null,"metadata":{}}`
}

// responsesUsage returns the usage object for the given output, or null.
func (a *answer) responsesUsage(u Usage, told bool) string {
	switch {
	case !told:
		return "null"
	case a.script.RawUsage != "":
		return a.script.RawUsage
	}
	n := func(v int64) string { return strconv.FormatInt(v, 10) }
	return `{"input_tokens":` + n(a.prompt.Prompt) + `,"input_tokens_details":{"cached_tokens":` + n(a.prompt.Cached) +
		`},"output_tokens":` + n(u.Output) + `,"output_tokens_details":{"reasoning_tokens":` + n(u.Reasoning) +
		`},"total_tokens":` + n(a.prompt.Prompt+u.Output) + `}`
}

func (a *answer) itemID(kind string, index int) string {
	return kind + "_" + a.p.tag + strings.TrimPrefix(a.name, "pt-") + "_" + strconv.Itoa(index)
}

// responseItems returns the output items of a response that has come to its end.
func responseItems(a *answer, all []segment) string {
	items := make([]string, len(all))
	for i := range all {
		items[i] = a.item(&all[i], i, "completed", all[i].text)
	}
	return strings.Join(items, ",")
}

// item returns one output item. In progress, with no text, its content is empty.
func (a *answer) item(s *segment, index int, status, text string) string {
	switch s.part {
	case ToolCall:
		return `{"id":"` + a.itemID("fc", index) + `","type":"function_call","status":"` + status + `","arguments":` + quote(text) +
			`,"call_id":` + quote(s.callID) + `,"name":` + quote(s.name) + `}`
	case Reasoning:
		summary := ""
		if status == "completed" {
			summary = contentPart(Reasoning, text)
		}
		return `{"id":"` + a.itemID("rs", index) + `","type":"reasoning","summary":[` + summary + `]}`
	}
	content := ""
	if status == "completed" {
		content = contentPart(s.part, text)
	}
	return `{"id":"` + a.itemID("msg", index) + `","type":"message","status":"` + status + `","content":[` + content + `],"role":"assistant"}`
}

func contentPart(p Part, text string) string {
	switch p {
	case Refusal:
		return `{"type":"refusal","refusal":` + quote(text) + `}`
	case Reasoning:
		return `{"type":"summary_text","text":` + quote(text) + `}`
	}
	return `{"type":"output_text","annotations":[],"logprobs":[],"text":` + quote(text) + `}`
}
