package config

import "llmhub/yamldoc"

// Faults is all that is wrong with a configuration file, in order of lines.
type Faults = yamldoc.Faults

// decoder fills a Config and gathers faults.
type decoder struct {
	*yamldoc.Decoder
	dir    string
	lookup func(name string) (string, bool)
}

type (
	node   = yamldoc.Node
	reader = yamldoc.Reader
)

var (
	optional = yamldoc.Optional
	required = yamldoc.Required
)
