package catalog

import (
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"sync"

	"llmhub/yamldoc"
)

// Bounds on what a catalog may hold.
const (
	maxProducts      = 500
	maxCatalogBytes  = 1 << 20
	maxProductBytes  = 256 << 10
	maxDocumentBytes = 256 << 10
	maxIconBytes     = 64 << 10
)

// catalogFile declares sellers, categories and the marketplace's documents; productsFolder holds a folder for each product.
const (
	catalogFile    = "catalog.yaml"
	productsFolder = "products"
	productFile    = "product.yaml"
)

// Faults is all that is wrong with a catalog, in order of files and lines.
type Faults = yamldoc.Faults

//go:embed all:default
var defaultFiles embed.FS

// Default returns the catalog that is part of the program.
func Default() (*Catalog, error) { return loadDefault() }

var loadDefault = sync.OnceValues(func() (*Catalog, error) {
	files, err := fs.Sub(defaultFiles, "default")
	if err != nil {
		return nil, fmt.Errorf("embedded catalog: %w", err)
	}
	return Load(files)
})

// LoadDir reads the catalog in a folder. Links that lead out of it are faults, as all other unreadable files are.
func LoadDir(dir string) (*Catalog, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, &Faults{List: []yamldoc.Fault{{File: dir, Message: "cannot be read: " + yamldoc.Reason(err)}}}
	}
	defer root.Close()
	return load(root.FS(), func(name string) string { return filepath.Join(dir, filepath.FromSlash(name)) })
}

// Load reads a catalog with all its documents, icons and charts; the file system is not needed afterwards. An error is a
// *Faults that lists everything wrong.
func Load(fsys fs.FS) (*Catalog, error) {
	return load(fsys, func(name string) string { return name })
}

// loader reads the files of a catalog and gathers their faults.
type loader struct {
	fsys fs.FS
	// shown turns the name of a file within the catalog into the one that faults give it.
	shown  func(name string) string
	faults []yamldoc.Fault

	sellers    map[string]Seller
	categories []Category
	documents  []Document
}

func load(fsys fs.FS, shown func(string) string) (*Catalog, error) {
	l := &loader{fsys: fsys, shown: shown}
	l.read(catalogFile, maxCatalogBytes, func(d *decoder, root node) { d.shared(root) })
	products := l.products()
	if len(l.faults) > 0 {
		return nil, yamldoc.Sorted(l.faults)
	}
	return newCatalog(products, l.categories), nil
}

var folderForm = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$`)

// products reads all product folders. Files beside them, and folders whose names begin with a dot, are none.
func (l *loader) products() []Product {
	entries, err := fs.ReadDir(l.fsys, productsFolder)
	if err != nil {
		l.faultIn(productsFolder, "cannot be read: %s", yamldoc.Reason(err))
		return nil
	}
	var products []Product
	for _, e := range entries {
		dir := path.Join(productsFolder, e.Name())
		info, err := fs.Stat(l.fsys, dir)
		switch {
		case strings.HasPrefix(e.Name(), "."):
		case err != nil:
			l.faultIn(dir, "cannot be read: %s", yamldoc.Reason(err))
		case !info.IsDir():
		case !folderForm.MatchString(e.Name()):
			l.faultIn(dir, "is not the ID of a product: at most 40 lower-case letters, digits and hyphens")
		default:
			p := Product{ID: e.Name(), Revision: 1}
			l.read(path.Join(dir, productFile), maxProductBytes, func(d *decoder, root node) { d.product(&p, root) })
			products = append(products, p)
		}
	}
	switch {
	case len(products) == 0 && len(l.faults) == 0:
		l.faultIn(productsFolder, "holds no product")
	case len(products) > maxProducts:
		l.faultIn(productsFolder, "holds %d products; at most %d are allowed", len(products), maxProducts)
	}
	return products
}

// faultIn notes a fault of a file as a whole.
func (l *loader) faultIn(name, format string, args ...any) {
	l.faults = append(l.faults, yamldoc.Fault{File: l.shown(name), Message: fmt.Sprintf(format, args...)})
}

// read parses a YAML file of at most limit bytes and hands its root to decode.
func (l *loader) read(name string, limit int64, decode func(d *decoder, root node)) {
	text, err := readBounded(l.fsys, name, limit)
	if err != nil {
		l.faultIn(name, "cannot be read: %s", yamldoc.Reason(err))
		return
	}
	d := &decoder{Decoder: &yamldoc.Decoder{File: l.shown(name)}, loader: l, dir: path.Dir(name)}
	if root := d.Parse(text); root != nil {
		decode(d, node{Node: root})
	}
	l.faults = append(l.faults, d.Faults()...)
}

// readBounded reads a regular file of at most limit bytes.
func readBounded(fsys fs.FS, name string, limit int64) ([]byte, error) {
	info, err := fs.Stat(fsys, name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("not a regular file")
	}
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("larger than %d KiB", limit>>10)
	}
	return data, nil
}
