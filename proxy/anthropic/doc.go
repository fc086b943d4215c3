// Package anthropic puts chat completions of the OpenAI API into requests of Anthropic's Messages API, and the answers back,
// whole or as they stream.
//
// Bytes go in, bytes come out. Whatever one of both cannot say is refused where the answer would be another one without it,
// and left out otherwise; docs/ARCHITECTURE.md lists it. The package reads from a given io.Reader and does no other I/O, never
// makes up an end that the model server did not send, and never panics on any input. Time and memory are linear in the input,
// which its callers bound.
package anthropic
