package catalog

import (
	"regexp"
	"strings"
	"time"
)

// CCE is what a product of TypeCCE has besides.
type CCE struct {
	Chart ChartRef
	// Fields are the configuration form, in the seller's order.
	Fields []Field
	// BYOL is set for the licence BYOL only.
	BYOL *OwnLicence
	// KubeVersion is a range such as ">=1.27"; empty means any.
	KubeVersion string
	// TimeLimit is how long a deployment may take until it is ready; 0 leaves it to the deployer.
	TimeLimit time.Duration
}

// ChartKind says where a chart comes from.
type ChartKind string

// The kinds of chart.
const (
	// ChartFolder and ChartArchive are within the product's folder, and loaded with the catalog.
	ChartFolder  ChartKind = "folder"
	ChartArchive ChartKind = "archive"
	// ChartRepository is an HTTPS repository with an index.yaml, ChartOCI an OCI registry.
	ChartRepository ChartKind = "repository"
	ChartOCI        ChartKind = "oci"
)

// ChartRef names a Helm chart.
type ChartRef struct {
	Kind ChartKind
	// Path is that of a folder or archive within the product's folder, with slashes.
	Path string
	// URL is that of a repository, or oci://host/path/name without the version.
	URL string
	// Name and Version are the chart's own; the name of a chart in an OCI registry is the last element of its URL.
	Name    string
	Version string
	// Digest is "sha256:" and the hexadecimal digest of the archive, or of all files of a folder. For the two remote kinds
	// it is the one that the catalog demands of the archive, empty if it demands none.
	Digest string

	files []ChartFile
}

// ChartFile is a file of a chart.
type ChartFile struct {
	// Name is relative to the folder of Chart.yaml, with slashes.
	Name string
	Data []byte
}

// Files returns the files of a chart that is part of the catalog in order of names, nil for the remote kinds.
func (r ChartRef) Files() []ChartFile { return cloneFiles(r.files) }

// OwnLicence says how a bought licence gets into the cluster.
type OwnLicence struct {
	// SecretName and FileName are the Secret and the key in it that take the licence before the chart is installed. Both
	// are empty where the licence is entered after the deployment, as the LicensingGuide says.
	SecretName string
	FileName   string
	// ShopURL is where the licence is bought.
	ShopURL string
	// LicensingGuide is the address of a page; empty if there is none.
	LicensingGuide string
}

// Input is the control a field is entered with.
type Input string

// The inputs.
const (
	InputText      Input = "text"
	InputSelection Input = "selection"
	InputSwitch    Input = "switch"
)

// Field is an entry of the configuration form, in the terms of the marketplace's configuration list.
type Field struct {
	// Key is the dotted path into the chart's values.
	Key     string
	Label   Text
	Hint    Text
	Tooltip Text
	Input   Input
	// Required fields must be filled in. Confidential ones are masked, and their values are secrets. Hidden ones are not
	// shown; their Default goes to the chart. Multiple makes the value a list.
	Required     bool
	Confidential bool
	Hidden       bool
	Multiple     bool
	// Default is what the form starts with: "true" or "false" for a switch, one value to a line where Multiple. Empty
	// means none: the chart's own default holds.
	Default    string
	Values     []Choice
	Validation []Pattern
}

// Choice is a value of an InputSelection.
type Choice struct {
	Label Text
	Value string
}

// Pattern is a regular expression that a value must match, and what is said if it does not.
type Pattern struct {
	// Pattern is in the syntax of package regexp.
	Pattern string
	Message Text

	compiled *regexp.Regexp
}

// Match says whether a value satisfies the pattern.
func (p Pattern) Match(value string) bool {
	if p.compiled == nil {
		matched, err := regexp.MatchString(p.Pattern, value)
		return err == nil && matched
	}
	return p.compiled.MatchString(value)
}

// Defaults returns the Default as a list: the lines of it where Multiple, itself otherwise, nothing if it is empty.
func (f Field) Defaults() []string {
	switch {
	case f.Default == "":
		return nil
	case f.Multiple:
		return strings.Split(f.Default, "\n")
	}
	return []string{f.Default}
}

// StorageClass says whether the field names a storage class, so that a form can offer those of the cluster.
func (f Field) StorageClass() bool {
	last := f.Key[strings.LastIndexByte(f.Key, '.')+1:]
	return f.Input == InputText && (last == "storageClass" || last == "storageClassName")
}
