package form

// The bounds. A chart comes from a seller and an input from anybody, so neither is trusted to be small.
const (
	// maxDocumentBytes, maxDepth and maxNodes bound values.schema.json and values.yaml, aliases written out.
	maxDocumentBytes = 1 << 20
	maxDepth         = 64
	maxNodes         = 20_000
	// maxFields and maxOptions bound what is asked for, maxPathBytes and maxPathDepth the paths to it.
	maxFields    = 200
	maxOptions   = 200
	maxPathBytes = 250
	maxPathDepth = 10
	// maxValueBytes bounds one value, maxInputBytes all of them together, maxEntries the values of a Multi or List.
	maxValueBytes = 64 << 10
	maxInputBytes = 256 << 10
	maxEntries    = 200
	// maxLineRunes bounds what is entered in one line, where nothing else does.
	maxLineRunes = 4000
	// maxNumberBytes bounds the text of a number, and maxExponent what it is raised by: 1e999999999 is a short text, and a
	// number that takes minutes to calculate with.
	maxNumberBytes = 64
	maxExponent    = 400
	// maxFaults bounds what is said about one input.
	maxFaults = 20
	// maxTitleRunes and maxHintRunes bound what is shown of a schema's title and description, maxShownRunes of a value.
	maxTitleRunes = 100
	maxHintRunes  = 500
	maxShownRunes = 200
	// maxReferences bounds how many references one schema may lead to another by, one after the other.
	maxReferences = 16
	// maxPatternBytes and maxPatternSteps bound a regular expression of a schema, the latter in instructions.
	maxPatternBytes = 2000
	maxPatternSteps = 5000
	// maxSizePatternBytes bounds a pattern that is looked at to find out whether it is one of sizes.
	maxSizePatternBytes = 200
	// maxValidation bounds the work of checking values against a schema, in steps of some nanoseconds to a microsecond.
	maxValidation = 2_000_000
)
