package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// maxFileBytes bounds the configuration file.
const maxFileBytes = 1 << 20

// LoadEnv reads the file and what it refers to, with the given environment. An error is a *Faults that lists everything
// wrong.
func LoadEnv(path string, lookup func(name string) (string, bool)) (*Config, error) {
	d := &decoder{file: path, dir: filepath.Dir(path), lookup: lookup}
	c := Default()
	if root := d.parse(d.readFile()); root != nil {
		d.config(&c, root)
	}
	if len(d.faults) > 0 {
		return nil, sorted(d.faults)
	}
	return &c, nil
}

// readFile returns the content of the configuration file, nil after a fault.
func (d *decoder) readFile() []byte {
	f, err := os.Open(d.file)
	if err != nil {
		d.faultAt(0, "", "cannot be read: %s", plain(err))
		return nil
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxFileBytes+1))
	switch {
	case err != nil:
		d.faultAt(0, "", "cannot be read: %s", plain(err))
	case len(text) > maxFileBytes:
		d.faultAt(0, "", "is larger than 1 MiB")
	case len(bytes.TrimSpace(text)) == 0:
		d.faultAt(0, "", "is empty")
	default:
		return text
	}
	return nil
}

// parse returns the root of the only document, nil after a fault.
func (d *decoder) parse(text []byte) *yaml.Node {
	if text == nil {
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
		d.faultAt(second.Line, "", "holds more than one document; only one is read")
	case !errors.Is(err, io.EOF):
		d.syntaxFault(err)
	case len(doc.Content) == 0:
		d.faultAt(0, "", "is empty")
	default:
		return doc.Content[0]
	}
	return nil
}

var syntaxLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?(.*)$`)

// syntaxFault notes an error of the YAML parser.
func (d *decoder) syntaxFault(err error) {
	text, _, _ := strings.Cut(err.Error(), "\n")
	line := 0
	if m := syntaxLine.FindStringSubmatch(text); m != nil {
		line, _ = strconv.Atoi(m[1])
		text = m[2]
	}
	d.faultAt(line, "", "is not valid YAML: %s", text)
}

// plain returns an error of a file without the operation and the path, which the fault names anyway.
func plain(err error) string {
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		err = pathErr.Err
	}
	return err.Error()
}

// relative resolves a path that the file gives.
func (d *decoder) relative(path string) (string, error) {
	if !filepath.IsAbs(path) {
		path = filepath.Join(d.dir, path)
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", fmt.Errorf("working folder: %w", err)
	}
	return abs, nil
}

// readBounded reads a regular file of at most limit bytes.
func readBounded(path string, limit int64) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("not a regular file")
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(text)) > limit {
		return nil, fmt.Errorf("larger than %d bytes", limit)
	}
	return text, nil
}
