package main

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"llmhub/deployer"
	"llmhub/secret"
	"llmhub/yamldoc"
)

const (
	maxValuesBytes = 256 << 10
	maxSecretBytes = 64 << 10
)

// valueFlags say what a product is configured with.
type valueFlags struct {
	api                     *apiFlags
	values                  string
	sets, files, unset      []string
	secrets, clear          []string
	licence                 string
	licenceLater, confirmed bool
}

func (v *valueFlags) add(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&v.values, "values", "", "YAML `FILE` of values, nested or by dotted paths; - for standard input")
	f.StringArrayVar(&v.sets, "set", nil, "a value as `PATH=VALUE`; several of one path are a list")
	f.StringArrayVar(&v.files, "set-file", nil, "a value as `PATH=FILE`, which holds it")
	f.StringArrayVar(&v.secrets, "secret", nil, "a secret as `PATH=REFERENCE`: env:NAME or file:PATH, never the secret itself")
	f.StringVar(&v.licence, "licence", "", "`FILE` of a licence that you bring along; - for standard input")
	f.BoolVar(&v.licenceLater, "licence-later", false, "the licence is entered after the deployment, where the product allows it")
	cmd.MarkFlagsMutuallyExclusive("licence", "licence-later")
	f.BoolVar(&v.confirmed, "yes-warnings", false, "go on in spite of warnings")
}

// addUpgrade adds what only an upgrade takes.
func (v *valueFlags) addUpgrade(cmd *cobra.Command) {
	cmd.Flags().StringArrayVar(&v.unset, "unset", nil, "`PATH` of a value that goes back to the chart's default")
	cmd.Flags().StringArrayVar(&v.clear, "clear-secret", nil, "`PATH` of a secret that goes back to the chart's default")
}

// body returns what the flags say, in the terms of the API.
func (v *valueFlags) body() (map[string]any, error) {
	values, err := v.allValues()
	if err != nil {
		return nil, err
	}
	secrets, err := v.allSecrets()
	if err != nil {
		return nil, err
	}
	body := map[string]any{"values": values, "secrets": secrets, "clear_secrets": v.clear, "licence_later": v.licenceLater, "confirm_warnings": v.confirmed}
	if v.licence != "" {
		licence, err := v.api.env.readInput(v.licence, deployer.MaxLicenceBytes)
		if err != nil {
			return nil, err
		}
		body["licence"] = base64.StdEncoding.EncodeToString(licence)
		if v.licence != fromStdin {
			body["licence_name"] = filepath.Base(v.licence)
		}
	}
	return body, nil
}

// allValues returns values by dotted path; flags come before the file.
func (v *valueFlags) allValues() (map[string]any, error) {
	values := map[string]any{}
	if v.values != "" {
		var err error
		if values, err = v.readValues(); err != nil {
			return nil, err
		}
	}
	set := map[string][]any{}
	for _, s := range v.sets {
		path, value, err := pair("--set", s)
		if err != nil {
			return nil, err
		}
		set[path] = append(set[path], value)
	}
	for _, s := range v.files {
		path, file, err := pair("--set-file", s)
		if err != nil {
			return nil, err
		}
		text, err := v.api.env.readInput(file, maxValuesBytes)
		if err != nil {
			return nil, err
		}
		set[path] = append(set[path], string(text))
	}
	for path, list := range set {
		values[path] = list
		if len(list) == 1 {
			values[path] = list[0]
		}
	}
	for _, path := range v.unset {
		values[path] = nil
	}
	return values, nil
}

func (v *valueFlags) readValues() (map[string]any, error) {
	text, err := v.api.env.readInput(v.values, maxValuesBytes)
	if err != nil {
		return nil, err
	}
	d := &yamldoc.Decoder{File: v.values}
	root := d.Parse(text)
	var values map[string]any
	if root != nil {
		values = d.Values(yamldoc.Node{Node: root})
	}
	if len(d.Faults()) > 0 {
		return nil, reportFaults(v.api.env, v.values, yamldoc.Sorted(d.Faults()), v.api.asJSON)
	}
	return values, nil
}

// allSecrets resolves the references to secrets. Its errors never contain what stands behind the path: it could be a secret
// that was written there by mistake.
func (v *valueFlags) allSecrets() (map[string]string, error) {
	secrets := map[string]string{}
	for _, s := range v.secrets {
		path, reference, err := pair("--secret", s)
		if err != nil {
			return nil, &hintedError{usagef("--secret must be PATH=REFERENCE"), "such as --secret auth.password=env:PASSWORD"}
		}
		text, err := v.resolve(reference)
		if err != nil {
			return nil, fmt.Errorf("--secret %s: %w", path, err)
		}
		secrets[path] = text.Reveal()
	}
	return secrets, nil
}

// resolve returns the secret that a reference names.
func (v *valueFlags) resolve(reference string) (secret.Text, error) {
	if name, ok := strings.CutPrefix(reference, "env:"); ok {
		text, ok := v.api.env.lookup(name)
		if !ok || text == "" {
			return secret.Text{}, usagef("environment variable %s is not set", clean(name))
		}
		return secret.New(text), nil
	}
	if name, ok := strings.CutPrefix(reference, "file:"); ok {
		text, err := v.api.env.readInput(name, maxSecretBytes)
		// The line end is what editors and echo leave.
		return secret.New(strings.TrimSuffix(strings.TrimSuffix(string(text), "\n"), "\r")), err
	}
	return secret.Text{}, &hintedError{usagef("a secret is not written on the command line; it must be a reference: env:NAME or file:PATH"), "other users of this machine can see command lines"}
}

// pair splits PATH=VALUE.
func pair(flag, text string) (path, value string, err error) {
	path, value, ok := strings.Cut(text, "=")
	if !ok || path == "" {
		return "", "", usagef("%s must be PATH=VALUE", flag)
	}
	return path, value, nil
}

// fromStdin stands for standard input where a file is asked for.
const fromStdin = "-"

// readInput reads a file, or standard input, of at most limit bytes.
func (e *environment) readInput(path string, limit int64) ([]byte, error) {
	if path == fromStdin {
		return readBounded("standard input", e.stdin, limit)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("%s cannot be read: %s", clean(path), yamldoc.Reason(err))
	}
	defer f.Close()
	return readBounded(path, f, limit)
}

func readBounded(name string, from io.Reader, limit int64) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(from, limit+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s cannot be read: %s", clean(name), yamldoc.Reason(err))
	case int64(len(text)) > limit:
		return nil, fmt.Errorf("%s is larger than %d bytes", clean(name), limit)
	case len(text) == 0:
		return nil, errors.New(clean(name) + " is empty")
	}
	return text, nil
}
