package openai

// imagesAnswer reads images that were generated or edited: all of them, or an event about one.
func (r *chunkReader) imagesAnswer() bool {
	var kind, size []byte
	listed, images := false, int64(0)
	for key, ok := r.firstMember(); ok; key, ok = r.nextMember() {
		switch string(key) {
		case "type":
			kind = r.word()
		case "data":
			listed = r.peek() == '['
			images = r.elements()
		case "size":
			size = r.word()
		case "usage":
			r.usageObject()
		default:
			r.common(key)
		}
	}
	if !r.finish() {
		return false
	}
	c := &r.chunk
	switch string(kind) {
	case "image_generation.partial_image", "image_edit.partial_image":
		c.HasContent = true
	case "image_generation.completed", "image_edit.completed":
		// Each image has one of its own. A server that makes fewer than were asked for may end the stream behind any.
		r.units.Images++
		r.imageSize(size)
		c.HasContent, c.Finished, c.Final = true, true, r.units.Images >= r.images
	case "error":
		c.IsError = true
	case "":
		if listed {
			r.units.Images = images
			r.imageSize(size)
			c.HasContent, c.Finished = images > 0, true
		}
	}
	return true
}

// elements consumes a value and returns how many elements it has.
func (r *chunkReader) elements() (n int64) {
	if r.peek() != '[' {
		r.skip()
		return 0
	}
	for ok := r.firstElement(); ok; ok = r.nextElement() {
		r.skip()
		n++
	}
	return n
}

// imageSize takes the size of images if it is a short word such as 1024x1024, 2K or 16:9, and not the one that leaves it
// to the model.
func (r *chunkReader) imageSize(size []byte) {
	if len(size) == 0 || len(size) > maxSizeName || string(size) == "auto" || string(size) == r.units.ImageSize {
		return
	}
	for _, c := range size {
		if c != ':' && (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'z') {
			return
		}
	}
	r.units.ImageSize = sizeName(size)
}

// sizeName returns the size as a string, without allocating one for the sizes that are usual.
func sizeName(size []byte) string {
	for _, usual := range [...]string{"1024x1024", "1536x1024", "1024x1536", "1792x1024", "1024x1792", "512x512", "256x256"} {
		if string(size) == usual {
			return usual
		}
	}
	return string(size)
}

// speechEvent reads an event of speech; answers that are not streamed are audio.
func (r *chunkReader) speechEvent() bool {
	var kind []byte
	for key, ok := r.firstMember(); ok; key, ok = r.nextMember() {
		switch string(key) {
		case "type":
			kind = r.word()
		case "usage":
			r.usageObject()
		default:
			r.common(key)
		}
	}
	if !r.finish() {
		return false
	}
	c := &r.chunk
	switch string(kind) {
	case "speech.audio.delta":
		c.HasContent = true
	case "speech.audio.done":
		c.Finished, c.Final = true, true
	case "error":
		c.IsError = true
	}
	return true
}

// transcription reads a transcription or an event of one. Some servers stream them in the chunks of chat.
func (r *chunkReader) transcription() bool {
	var kind []byte
	var text, delta, choices span
	var length number
	for key, ok := r.firstMember(); ok; key, ok = r.nextMember() {
		switch string(key) {
		case "type":
			kind = r.word()
		case "text":
			text = r.place()
		case "delta":
			delta = r.place()
		case "choices":
			choices = r.place()
		case "duration":
			r.readMilliseconds(&length)
		case "usage":
			r.usageObject()
		default:
			r.common(key)
		}
	}
	if !r.finish() {
		return false
	}
	// What the server bills goes before the length it found.
	if length = r.usage.audio.or(length); length.set {
		r.units.AudioMilliseconds = length.n
	}
	c := &r.chunk
	switch string(kind) {
	case "transcript.text.delta":
		if r.backTo(delta, '"') {
			r.textOf(laneContent)
		}
	case "transcript.text.segment":
		c.HasContent = true
	case "transcript.text.done":
		c.Finished, c.Final = true, true
	case "error":
		c.IsError = true
	case "":
		if r.backTo(text, '"') {
			c.Finished = true
			r.textOf(laneContent)
		} else if r.backTo(choices, '[') {
			r.choices()
			c.HasChoices, c.Finished = false, false // which only chat knows
		}
	}
	return true
}
