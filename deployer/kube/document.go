package kube

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"

	"go.yaml.in/yaml/v3"
	k8syaml "sigs.k8s.io/yaml"
)

const (
	// maxDepth bounds how deep values are nested.
	maxDepth = 100
	// maxDocuments bounds a stream of documents, empty ones included.
	maxDocuments = 5000
	// maxMarks bounds what may begin a value in a stream: lines, elements, lists and mappings. Each may take hundreds of bytes of
	// memory, so that a few megabytes of nothing but them would take a gigabyte.
	maxMarks = 300_000
)

// document is a YAML document as JSON.
type document struct {
	json []byte
	// line is where it begins in the stream, from 1.
	line int
}

// separator is what parts documents. A comment may follow it; what YAML and Helm take for one and this does not would hide
// objects.
var separator = regexp.MustCompile(`(?m)^---(\s|$)`)

// documents splits a stream of YAML into its documents, leaving out those that are empty. Each may have size bytes when
// aliases are written out. Errors quote no values.
func documents(text []byte, size int) ([]document, error) {
	ends := separator.FindAllIndex(text, maxDocuments+1)
	if len(ends) > maxDocuments {
		return nil, errLimit("there are more than %d documents", maxDocuments)
	}
	if marks(text) > maxMarks {
		return nil, errLimit("there are more than %d lines and values", maxMarks)
	}
	var all []document
	begin := 0
	for i := 0; i <= len(ends); i++ {
		end := len(text)
		if i < len(ends) {
			end = ends[i][0]
		}
		line := 1 + bytes.Count(text[:begin], []byte("\n"))
		d, err := toJSON(text[begin:end], size)
		if err != nil {
			return nil, fmt.Errorf("document at line %d: %w", line, err)
		}
		if d != nil {
			all = append(all, document{json: d, line: line})
		}
		if i < len(ends) {
			begin = ends[i][0] + len("---")
		}
	}
	return all, nil
}

// limitError says that a bound has been reached.
type limitError struct{ text string }

func (e *limitError) Error() string { return e.text }

func errLimit(format string, args ...any) error { return &limitError{fmt.Sprintf(format, args...)} }

// toJSON returns the JSON of one document, nil if it is empty. It is converted as Kubernetes does it, with the words of YAML
// 1.1 for true and false, once its size is known.
func toJSON(text []byte, size int) ([]byte, error) {
	if len(text) > size {
		return nil, errLimit("it has more than %d KiB", size>>10)
	}
	d := yaml.NewDecoder(bytes.NewReader(text))
	var root yaml.Node
	switch err := d.Decode(&root); {
	case errors.Is(err, io.EOF):
		return nil, nil
	case err != nil:
		return nil, errors.New("it is not YAML")
	}
	if err := d.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, errors.New("a second document follows without a line of ---")
	}
	m := measure{limit: size, known: map[*yaml.Node]extent{}}
	if _, err := m.of(&root, 0); err != nil {
		return nil, err
	}
	j, err := k8syaml.YAMLToJSON(text)
	if err != nil {
		return nil, errors.New("it cannot be read as an object")
	}
	if string(j) == "null" {
		return nil, nil
	}
	return j, nil
}

// marks counts what may begin a value.
func marks(text []byte) int {
	n := 0
	for _, m := range []string{"\n", ",", "[", "{", "- ", "? "} {
		n += bytes.Count(text, []byte(m))
	}
	return n
}

// measure finds out how large a document gets when its aliases are written out.
type measure struct {
	limit int
	known map[*yaml.Node]extent
}

// extent is how large a node is, in bytes and in levels below it.
type extent struct{ bytes, height int }

// of returns the extent of a node, or an error if it is too large, nested too deep, or contains itself.
func (m *measure) of(n *yaml.Node, depth int) (extent, error) {
	e := extent{bytes: len(n.Value) + 2}
	if n.Kind == yaml.AliasNode {
		known, ok := m.known[n.Alias]
		if !ok {
			return e, errors.New("an alias contains itself")
		}
		e = known
	}
	if depth+e.height > maxDepth {
		return e, errLimit("values are nested more than %d deep", maxDepth)
	}
	for _, c := range n.Content {
		below, err := m.of(c, depth+1)
		if err != nil {
			return e, err
		}
		e = extent{bytes: e.bytes + below.bytes, height: max(e.height, below.height+1)}
		if e.bytes > m.limit {
			return e, errLimit("it has more than %d KiB with its aliases written out", m.limit>>10)
		}
	}
	if n.Anchor != "" {
		m.known[n] = e
	}
	return e, nil
}
