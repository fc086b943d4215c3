package catalog

import (
	"net/url"
	"path"
	"regexp"
	"strings"
	"time"

	"llmhub/yamldoc"
)

var (
	chartNameForm  = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,51}[a-z0-9])?$`)
	secretNameForm = regexp.MustCompile(`^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$`)
	secretKeyForm  = regexp.MustCompile(`^[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}$`)
	kubeRangeForm  = regexp.MustCompile(`^(>=|<=|>|<|=|~|\^)?\d{1,3}(\.\d{1,3}){0,2}(-0)?((, ?| )(>=|<=|>|<|=|~|\^)?\d{1,3}(\.\d{1,3}){0,2}(-0)?){0,3}$`)
	digestForm     = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)
)

func (d *decoder) cce(into **CCE) reader {
	return func(n node) {
		var c CCE
		var chart *chart
		d.Mapping(n,
			required("chart", func(n node) { chart = d.chart(&c.Chart, n) }),
			optional("kube_version", d.Text(&c.KubeVersion, 100, kubeRangeForm, `a range of versions such as ">=1.27"`)),
			optional("time_limit", d.timeLimit(&c.TimeLimit)),
			optional("byol", d.byol(&c.BYOL)),
			optional("fields", d.fields(&c.Fields)),
		)
		if at := child(n, "fields"); chart != nil && len(c.Fields) == len(at.Content) {
			d.fieldsInChart(c.Fields, at, chart)
		}
		*into = &c
	}
}

func (d *decoder) timeLimit(into *time.Duration) reader {
	return func(n node) {
		text, ok := d.Scalar(n, "a duration such as 5m", "!!str")
		if !ok {
			return
		}
		v, err := time.ParseDuration(text)
		if err != nil || v < time.Minute || v > 2*time.Hour {
			d.Fault(n, "%s is not a duration from 1m to 2h", yamldoc.Quote(text))
			return
		}
		*into = v
	}
}

func (d *decoder) byol(into **OwnLicence) reader {
	return func(n node) {
		var b OwnLicence
		if d.Mapping(n,
			optional("secret_name", d.Text(&b.SecretName, 63, secretNameForm, "the name of a Secret: lower-case letters, digits, dots and hyphens")),
			optional("file_name", d.Text(&b.FileName, 128, secretKeyForm, "a key in a Secret: letters, digits, dots, hyphens and underscores")),
			required("shop_url", d.link(&b.ShopURL)),
			optional("licensing_guide", d.link(&b.LicensingGuide)),
		) {
			name, file, guide := has(n, "secret_name"), has(n, "file_name"), has(n, "licensing_guide")
			switch {
			case name && !file:
				d.Fault(n.Named("file_name"), "is required with secret_name")
			case file && !name:
				d.Fault(n.Named("secret_name"), "is required with file_name")
			case !name && !guide:
				d.Fault(n, "needs secret_name and file_name, or a licensing_guide that says how the licence is entered")
			}
		}
		*into = &b
	}
}

// has says whether a mapping has a key.
func has(n node, key string) bool { return child(n, key).Node != n.Node }

// chart reads where a chart comes from, and the chart itself if it is part of the catalog; nil if it is not, or after a
// fault.
func (d *decoder) chart(into *ChartRef, n node) *chart {
	before := len(d.Faults())
	ok := d.Mapping(n,
		optional("folder", d.source(into, ChartFolder, d.file(&into.Path))),
		optional("archive", d.source(into, ChartArchive, d.file(&into.Path))),
		optional("repository", d.source(into, ChartRepository, d.link(&into.URL))),
		optional("oci", d.source(into, ChartOCI, d.oci(into))),
		optional("name", d.Text(&into.Name, 53, chartNameForm, "the name of a chart: lower-case letters, digits and hyphens")),
		optional("version", d.version(&into.Version)),
		optional("digest", d.Text(&into.Digest, 71, digestForm, "a digest: sha256: and 64 hexadecimal digits")),
	)
	if !ok {
		return nil
	}
	if into.Kind == "" {
		d.Fault(n, "needs one of folder, archive, repository and oci")
		return nil
	}
	for _, key := range []string{"name", "version", "digest"} {
		switch given := has(n, key); {
		case into.Kind == ChartRepository && !given && key != "digest":
			d.Fault(n.Named(key), "is required with a repository")
		case given && into.Kind != ChartRepository && (into.Kind != ChartOCI || key != "digest"):
			d.Fault(child(n, key), "is not for a chart of the kind %s", into.Kind)
		}
	}
	if len(d.Faults()) > before {
		return nil
	}
	return d.ownChart(into, n)
}

// source reads one of the keys that say where a chart comes from, of which there may be only one.
func (d *decoder) source(into *ChartRef, kind ChartKind, read reader) reader {
	return func(n node) {
		if into.Kind != "" {
			d.Fault(n, "is one place too many; the chart is already given as %s", into.Kind)
			return
		}
		into.Kind = kind
		read(n)
	}
}

// oci reads oci://host/path/name:version.
func (d *decoder) oci(into *ChartRef) reader {
	return func(n node) {
		text, ok := d.Scalar(n, "an address such as oci://registry.example.com/charts/app:1.2.3", "!!str")
		if !ok {
			return
		}
		colon := strings.LastIndexByte(text, ':')
		u, err := url.Parse(text[:max(colon, 0)])
		switch {
		case len(text) > maxURLBytes || err != nil || u.Scheme != "oci" || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "":
			d.Fault(n, "is not an address such as oci://registry.example.com/charts/app:1.2.3")
		case !chartNameForm.MatchString(path.Base(u.Path)):
			d.Fault(n, "%s is not the name of a chart: lower-case letters, digits and hyphens", yamldoc.Quote(path.Base(u.Path)))
		case !versionForm.MatchString(text[colon+1:]):
			d.Fault(n, "%s, behind the last colon, is not %s", yamldoc.Quote(text[colon+1:]), versionRule)
		default:
			into.URL, into.Name, into.Version = text[:colon], path.Base(u.Path), text[colon+1:]
		}
	}
}

// ownChart reads a chart that is within the product's folder; nil if it is elsewhere, or after a fault.
func (d *decoder) ownChart(into *ChartRef, n node) *chart {
	load := readChartFolder
	switch into.Kind {
	case ChartFolder:
	case ChartArchive:
		load = readChartArchive
	default:
		return nil
	}
	name := path.Join(d.dir, into.Path)
	files, digest, err := load(d.loader.fsys, name)
	if err != nil {
		d.Fault(child(n, string(into.Kind)), "%s cannot be read: %s", yamldoc.Quote(into.Path), yamldoc.Reason(err))
		return nil
	}
	c, faults := checkChart(files)
	for _, f := range faults {
		f.File = d.loader.shown(path.Join(name, f.File))
		d.loader.faults = append(d.loader.faults, f)
	}
	into.Name, into.Version, into.Digest, into.files = c.name, c.version, digest, files
	if len(faults) > 0 {
		return nil
	}
	return c
}
