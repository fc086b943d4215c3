package yamldoc

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Parse returns the root of the only document in the text, nil after a fault.
func (d *Decoder) Parse(text []byte) *yaml.Node {
	if len(bytes.TrimSpace(text)) == 0 {
		d.FaultAt(0, "", "is empty")
		return nil
	}
	decode := yaml.NewDecoder(bytes.NewReader(text))
	var doc, second yaml.Node
	err := decode.Decode(&doc)
	if err == nil {
		err = decode.Decode(&second)
	}
	switch {
	case err == nil:
		d.FaultAt(second.Line, "", "holds more than one document; only one is read")
	case !errors.Is(err, io.EOF):
		d.syntaxFault(err)
	case len(doc.Content) == 0:
		d.FaultAt(0, "", "is empty")
	default:
		return doc.Content[0]
	}
	return nil
}

var syntaxLine = regexp.MustCompile(`^(?:yaml: )?(?:line (\d+): )?(.*)$`)

// syntaxFault notes an error of the YAML parser.
func (d *Decoder) syntaxFault(err error) {
	line, reason := Syntax(err)
	d.FaultAt(line, "", "is not valid YAML: %s", reason)
}

// Syntax returns the line of an error of the YAML parser, 0 if it names none, and its reason without further lines.
func Syntax(err error) (line int, reason string) {
	text := strings.TrimPrefix(err.Error(), "yaml: unmarshal errors:\n  ")
	text, _, _ = strings.Cut(text, "\n")
	m := syntaxLine.FindStringSubmatch(text)
	if m == nil {
		return 0, text
	}
	line, _ = strconv.Atoi(m[1])
	return line, m[2]
}

// Reason returns the text of an error of a file without the operation and the path, which the fault names anyway.
func Reason(err error) string {
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		err = pathErr.Err
	}
	return err.Error()
}
