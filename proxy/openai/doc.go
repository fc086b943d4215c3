// Package openai knows the wire shapes of the OpenAI API: it looks into requests and answers, and changes them as
// little as possible. Bytes go in, bytes come out.
//
// It reads JSON with a walker of its own that validates while it looks, copies nothing and allocates nothing in the
// usual case; what it changes it splices, so that every other byte, unknown fields too, stays as it was. It cuts event
// streams into whole events, says what each one means for metering, and normalises what model servers report as usage.
// A Meter is told the Dialect of the answers: Anthropic's messages are one of them.
//
// It refuses JSON nested deeper than 512 levels, request members that parsers of different make would read
// differently (duplicates and case variants of those it acts on) and events larger than the scanner's bound. It does
// no I/O but reading from a given io.Reader, knows no HTTP framework, never logs, and never panics on any input.
package openai
