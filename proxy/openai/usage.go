package openai

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
}

// reported holds the numbers as they came. A field never reported is not set, which is not the same as zero.
type reported struct{ input, output, total, cached, reasoning, cacheHit number }

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
		case "prompt_tokens_details", "input_tokens_details":
			w.readDetail("cached_tokens", &u.cached)
		case "completion_tokens_details", "output_tokens_details":
			w.readDetail("reasoning_tokens", &u.reasoning)
		case "prompt_cache_hit_tokens", "cached_tokens":
			w.readNumber(&u.cacheHit)
		case "reasoning_tokens":
			w.readNumber(&u.reasoning)
		default:
			w.skip()
		}
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
