package openai

// ranking reads moderations and reranks: of the results there is nothing to count.
func (r *chunkReader) ranking() bool {
	c := &r.chunk
	for key, ok := r.firstMember(); ok; key, ok = r.nextMember() {
		switch string(key) {
		case "results", "data":
			c.HasContent = r.elements() > 0
			c.Finished = true
		case "usage":
			r.usageObject()
		case "meta":
			r.meta()
		case "type":
			c.IsError = c.IsError || string(r.word()) == "error"
		default:
			r.common(key)
		}
	}
	return r.finish()
}

// meta reads where Cohere says what it bills.
func (r *chunkReader) meta() {
	if r.peek() != '{' {
		r.skip()
		return
	}
	for key, ok := r.firstMember(); ok; key, ok = r.nextMember() {
		switch string(key) {
		case "billed_units":
			r.billedUnits()
		case "tokens":
			r.usageObject()
		default:
			r.skip()
		}
	}
}

func (r *chunkReader) billedUnits() {
	if r.peek() != '{' {
		r.skip()
		return
	}
	for key, ok := r.firstMember(); ok; key, ok = r.nextMember() {
		if string(key) == "search_units" {
			r.index(&r.units.Searches)
		} else {
			r.skip()
		}
	}
}
