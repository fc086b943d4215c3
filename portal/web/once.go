package web

// onceDialog shows a secret, once: the answer that makes it is the only page that has it.
type onceDialog struct {
	Heading, Text, Label, Stored string
	// Sample is a first request, Next where it goes on.
	Sample, Next string
	// File is what can be downloaded: Variable with the secret, and a further line.
	File, Variable, Further string
	Secret                  revealer
}

// revealer is a secret whose text is asked for in so many words.
type revealer interface{ Reveal() string }
