package proxytest

import "time"

// Script describes the answer to a request. The zero value answers eight words at once, in good order. Fields compose;
// what contradicts itself is resolved in the order of time: delays, Cut before headers, Status, then the answer's body.
type Script struct {
	// Deltas are the pieces of the reply, one event each; nil means Words generated words.
	Deltas []Delta
	// Words is how many words are generated, one token each; 0 means 8. The request's max_tokens can shorten them.
	Words int
	// Choices overrides the request's n; pieces of the choices are interleaved.
	Choices int
	// FinishReason overrides "stop" (or "length", or "tool_calls"). Responses become failed by "failed", and incomplete by
	// "length" and "content_filter"; messages take it as it is.
	FinishReason string
	// Logprobs adds log probabilities to each piece of content.
	Logprobs bool

	// PromptTokens is what the prompt counts; 0 means a plausible count, a quarter of the text's bytes.
	PromptTokens int64
	// CachedTokens is how many of them are said to be cached.
	CachedTokens int64
	// CacheWriteTokens is how many of them are said to have been written to a cache. Only messages tell.
	CacheWriteTokens int64
	// Usage says how usage is reported in streams.
	Usage UsageMode
	// RawUsage replaces the usage object by this JSON, as a provider with strange shapes would send it.
	RawUsage string

	// ByUnit reports and counts units in place of tokens: seconds of audio, search units of reranks, nothing of images.
	ByUnit bool
	// Size is how many bytes an image or a piece of speech has; 0 means 1024.
	Size int
	// AudioMilliseconds is how long the audio of a transcription is said to be; 0 means 1500.
	AudioMilliseconds int64

	// HeaderDelay is waited before the status line, FirstDelay between the headers and the first event.
	HeaderDelay, FirstDelay time.Duration
	// Pace is the time from one event with content to the next; 0 is as fast as can be. Jitter is the most that is added
	// to or taken from it.
	Pace, Jitter time.Duration

	// Split says where writes and chunks are divided.
	Split Split
	// Framing says how the end of the body is told.
	Framing Framing
	// Format says how events are written.
	Format Format
	// Done says how a stream ends that ends in good order.
	Done DoneMode
	// Cut ends the answer before its time.
	Cut Cut
	// Fault puts an error into the stream.
	Fault Fault

	// Status other than 0 and 200 answers an error at once.
	Status int
	// ErrorBody is the body of such an error; empty means one in the form of OpenAI.
	ErrorBody string
	// ContentType overrides that of the answer.
	ContentType string
	// Header lines are added to the answer.
	Header []Header
}

// UsageMode says how usage is reported in a stream. Whole answers always have usage, except with UsageNever.
type UsageMode int

// The usage modes. They are told in words of chat completions. In responses and messages usage cannot be asked for, so that
// the first two and UsageInFinish are alike: usage stands where the API has it.
const (
	// UsageAsAsked sends a chunk with usage and without choices if include_usage was asked for.
	UsageAsAsked UsageMode = iota
	// UsageAlways sends that chunk in any case.
	UsageAlways
	// UsageNever sends none, asked or not.
	UsageNever
	// UsageInFinish sends usage in the chunk with the finish reason, asked or not.
	UsageInFinish
	// UsageNullEach is UsageAsAsked with "usage":null in all other chunks.
	UsageNullEach
	// UsageCumulative sends running totals in each chunk, and at last the chunk without choices.
	UsageCumulative
	// UsageTwice sends the chunk twice, first with half of the output counted.
	UsageTwice
	// UsageReject answers 400 naming stream_options if the request has that member; otherwise UsageNever.
	UsageReject
	// UsageInStart sends usage in the events that begin a stream of responses or messages, with what can be known of the
	// output then, and none at its end; for others it is UsageNever.
	UsageInStart
)

// Split says where the bytes of a streamed body are divided into writes, each of which is a chunk. The zero value writes
// each event whole. The first field that is set counts.
type Split struct {
	// Bytes is the size of each write.
	Bytes int
	// Events is the number of events in each write.
	Events int
	// Seed divides at random, between 1 and 64 bytes, the same way for the same seed.
	Seed uint64
	// Pause is waited between writes, so that the reader sees them apart.
	Pause time.Duration
}

// Framing says how the end of a body is told.
type Framing int

// The framings.
const (
	// FramingDefault is chunked for streams, Content-Length for whole answers.
	FramingDefault Framing = iota
	// FramingChunked is chunked for both.
	FramingChunked
	// FramingClose has neither: the body ends with the connection.
	FramingClose
)

// Format says how events are written.
type Format struct {
	// LineEnd is "\n" if empty; "\r\n" and "\r" are the others that are allowed.
	LineEnd string
	// NoSpace leaves out the space behind "data:".
	NoSpace bool
	// BOM starts the stream with a byte order mark.
	BOM bool
	// MultiLine divides the data of each event into two data lines.
	MultiLine bool
	// Fields are lines written into each event before its data, such as "event: message".
	Fields []string
	// Comment is written as it is before every CommentEvery-th event (and the first), such as ": ping\n\n".
	Comment string
	// CommentEvery is 1 if 0.
	CommentEvery int
	// Leading is written as it is before the first event, behind the byte order mark.
	Leading string
}

// DoneMode says how a stream ends.
type DoneMode int

// The done modes. In streams without [DONE] they are about the event that ends them, such as response.completed.
const (
	// DoneNormal sends "data: [DONE]" and a blank line.
	DoneNormal DoneMode = iota
	// DoneMissing ends behind the last chunk.
	DoneMissing
	// DoneNoBlank leaves out the blank line behind [DONE].
	DoneNoBlank
	// DoneNoLineEnd leaves out the line end behind [DONE] as well.
	DoneNoLineEnd
)

// Cut ends an answer before its time.
type Cut struct {
	// At is where; NoCut is nowhere.
	At CutPoint
	// After is the number of deltas written whole before the cut (not counting the first event, which names the role).
	// CutMidBody and the points before the first event do not use it.
	After int
	// How the connection ends.
	How CutHow
}

// CutPoint is where an answer is cut.
type CutPoint int

// The points of a cut.
const (
	// NoCut lets the answer end in good order.
	NoCut CutPoint = iota
	// CutBeforeHeaders is before the status line.
	CutBeforeHeaders
	// CutAfterHeaders is behind the headers, before any event.
	CutAfterHeaders
	// CutBetween is between two events.
	CutBetween
	// CutMidEvent is in the middle of an event, behind a chunk that is whole.
	CutMidEvent
	// CutMidChunk is in the middle of an event and of its chunk.
	CutMidChunk
	// CutMidChunkHeader is in the line that tells the size of a chunk.
	CutMidChunkHeader
	// CutBeforeDone is behind the last chunk with content, finish reason or usage, before [DONE] or the event that ends a
	// stream which has none.
	CutBeforeDone
	// CutMidBody is in the middle of a whole answer.
	CutMidBody
)

// CutHow is how a cut ends the connection.
type CutHow int

// The ways to cut.
const (
	// CutClose closes in the ordinary way, without an end of the body.
	CutClose CutHow = iota
	// CutReset sends a TCP reset.
	CutReset
	// CutStall sends nothing more and keeps the connection until the client closes it.
	CutStall
	// CutOrderly ends the body as if it were complete.
	CutOrderly
)

// Fault is an error within a stream that began well.
type Fault struct {
	// Body is the error; empty is no fault.
	Body string
	// After is the number of deltas before it; a negative number puts it before everything.
	After int
	// Plain writes Body as it is, with a line end, instead of as an event.
	Plain bool
	// Event is the name of the event, if any.
	Event string
	// Done sends [DONE] behind it.
	Done bool
}
