package openai

import (
	"math"
	"strconv"
)

// Usage is what a model server reported, in tokens, in one meaning whichever server it was.
type Usage struct {
	// Input is all of the prompt, cached tokens included.
	Input int64
	// CachedInput is the part of Input that came from a cache.
	CachedInput int64
	// Output is all that was generated, reasoning included.
	Output int64
	// Reasoning is the part of Output that was reasoning.
	Reasoning int64
	// CacheCreation is the part of Input that was written into a cache, which costs more than other input. Only
	// DialectMessages tells of it.
	CacheCreation int64
}

// reported holds the numbers as they came. A field never reported is not set, which is not the same as zero.
type reported struct {
	input, output, total, cached, reasoning, cacheHit, creation number
	// audio is in milliseconds.
	audio number
}

// number is a count that may not have been reported.
type number struct {
	n   int64
	set bool
}

// or returns v, or w where v has not been reported.
func (v number) or(w number) number {
	if v.set {
		return v
	}
	return w
}

// readNumber consumes a value. What is no count leaves v as it is: a later value replaces an earlier one, nothing does
// not.
func (w *walker) readNumber(v *number) {
	if n, ok := w.count(); ok {
		*v = number{n, true}
	}
}

// readUsage consumes a usage object. Its fields replace those reported before.
func (w *walker) readUsage(u *reported) {
	for key, ok := w.firstMember(); ok; key, ok = w.nextMember() {
		switch string(key) {
		case "prompt_tokens", "input_tokens":
			w.readNumber(&u.input)
		case "completion_tokens", "output_tokens":
			w.readNumber(&u.output)
		case "total_tokens":
			w.readNumber(&u.total)
		case "prompt_tokens_details", "input_tokens_details", "input_token_details":
			w.readDetail("cached_tokens", &u.cached)
		case "completion_tokens_details", "output_tokens_details", "output_token_details":
			w.readDetail("reasoning_tokens", &u.reasoning)
		case "prompt_cache_hit_tokens", "cached_tokens":
			w.readNumber(&u.cacheHit)
		case "reasoning_tokens":
			w.readNumber(&u.reasoning)
		case "seconds", "prompt_audio_seconds":
			w.readMilliseconds(&u.audio)
		default:
			w.skip()
		}
	}
}

// readMessagesUsage consumes the usage object of a message. Of the prompt its numbers replace those reported before as
// one, unless all are 0: servers that tell of the prompt at one end of the stream only, first or last, put zeros at the
// other.
func (w *walker) readMessagesUsage(u *reported) {
	var now reported
	for key, ok := w.firstMember(); ok; key, ok = w.nextMember() {
		switch string(key) {
		case "input_tokens":
			w.readNumber(&now.input)
		case "cache_read_input_tokens":
			w.readNumber(&now.cached)
		case "cache_creation_input_tokens":
			w.readNumber(&now.creation)
		case "output_tokens":
			w.readNumber(&now.output)
		default:
			w.skip()
		}
	}
	told := now.input.n > 0 || now.cached.n > 0 || now.creation.n > 0
	u.input.replace(now.input, told)
	u.cached.replace(now.cached, told)
	u.creation.replace(now.creation, told)
	u.output.replace(now.output, now.output.n > 0)
}

// replace takes w for v if it has been reported, but where it tells nothing only if v has not been.
func (v *number) replace(w number, told bool) {
	if w.set && (told || !v.set) {
		*v = w
	}
}

// readMilliseconds consumes seconds as a number, or as a string that holds one.
func (w *walker) readMilliseconds(v *number) {
	text := w.value()
	if n := len(text); n > 1 && text[0] == '"' {
		text = text[1 : n-1]
	}
	if len(text) == 0 || scanNumber(text, 0) != len(text) {
		return
	}
	seconds, err := strconv.ParseFloat(string(text), 64)
	if ms := math.Round(seconds * 1000); err == nil && ms >= 0 && ms <= maxCount {
		*v = number{int64(ms), true}
	}
}

func (w *walker) readDetail(name string, v *number) {
	if w.peek() != '{' {
		w.skip()
		return
	}
	for key, ok := w.firstMember(); ok; key, ok = w.nextMember() {
		if string(key) == name {
			w.readNumber(v)
		} else {
			w.skip()
		}
	}
}

// normaliseAs gives the numbers one meaning, as normalise does. In DialectMessages, what came from a cache or was
// written into one is not part of the input reported.
func (u reported) normaliseAs(d Dialect) (usage Usage, inputSet, outputSet bool) {
	if d != DialectMessages {
		return u.normalise()
	}
	return Usage{
		Input:         u.input.n + u.cached.n + u.creation.n,
		CachedInput:   u.cached.n,
		Output:        u.output.n,
		CacheCreation: u.creation.n,
	}, u.input.set, u.output.set
}

// normalise gives the numbers one meaning. Some servers leave reasoning out of the completion and only add it to the
// total; where the sums say so, it is added. inputSet and outputSet say whether the server has said anything about
// that side.
func (u reported) normalise() (usage Usage, inputSet, outputSet bool) {
	in, out := u.input, u.output
	if u.total.set {
		switch {
		case !in.set && !out.set:
			in = u.total
		case in.set && !out.set:
			out = number{max(u.total.n-in.n, 0), true}
		case !in.set:
			in = number{max(u.total.n-out.n, 0), true}
		case u.reasoning.n > 0 && in.n+out.n+u.reasoning.n == u.total.n:
			out.n += u.reasoning.n
		}
	}
	return Usage{
		Input:       in.n,
		CachedInput: min(u.cached.or(u.cacheHit).n, in.n),
		Output:      out.n,
		Reasoning:   min(u.reasoning.n, out.n),
	}, in.set, out.set
}
