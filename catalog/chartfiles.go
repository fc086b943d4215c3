package catalog

import (
	"archive/tar"
	"bytes"
	"cmp"
	"compress/gzip"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// Bounds on one chart.
const (
	maxChartFiles = 500
	maxChartBytes = 4 << 20
)

// MaxArchiveBytes bounds the archive of a chart: Helm keeps a chart in a Secret of the release, which has room for 1 MiB of it
// compressed.
const MaxArchiveBytes = 1 << 20

var (
	errTooManyFiles = fmt.Errorf("more than %d files", maxChartFiles)
	errTooLarge     = fmt.Errorf("more than %d MiB of files", maxChartBytes>>20)
)

// chartFiles gathers the files of a chart within the bounds.
type chartFiles struct {
	list []ChartFile
	size int
}

func (c *chartFiles) add(name string, read func(limit int64) ([]byte, error)) error {
	if len(c.list) == maxChartFiles {
		return errTooManyFiles
	}
	data, err := read(int64(maxChartBytes - c.size))
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	c.size += len(data)
	c.list = append(c.list, ChartFile{Name: name, Data: data})
	return nil
}

// sorted returns the files in order of names.
func (c *chartFiles) sorted() []ChartFile {
	slices.SortFunc(c.list, func(a, b ChartFile) int { return cmp.Compare(a.Name, b.Name) })
	return c.list
}

// readChartFolder returns the files in a folder, but those whose names begin with a dot, and a digest of them. Links are
// refused wherever they lead: a chart is what is in its folder.
func readChartFolder(fsys fs.FS, dir string) ([]ChartFile, string, error) {
	var files chartFiles
	err := fs.WalkDir(fsys, dir, func(name string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case name != dir && strings.HasPrefix(e.Name(), ".") && e.IsDir():
			return fs.SkipDir
		case e.IsDir() || strings.HasPrefix(e.Name(), "."):
			return nil
		case !e.Type().IsRegular():
			return fmt.Errorf("%s: not a regular file", strings.TrimPrefix(name, dir+"/"))
		}
		return files.add(strings.TrimPrefix(name, dir+"/"), func(limit int64) ([]byte, error) { return readBounded(fsys, name, limit) })
	})
	if err != nil {
		return nil, "", err
	}
	if len(files.list) == 1 && files.list[0].Name == dir {
		return nil, "", errors.New("not a folder")
	}
	h := sha256.New()
	for _, f := range files.sorted() {
		fmt.Fprintf(h, "%s %d\n%s\n", f.Name, len(f.Data), f.Data)
	}
	return files.list, fmt.Sprintf("sha256:%x", h.Sum(nil)), nil
}

func readChartArchive(fsys fs.FS, name string) ([]ChartFile, string, error) {
	packed, err := readBounded(fsys, name, MaxArchiveBytes)
	if err != nil {
		return nil, "", err
	}
	return UnpackChart(packed)
}

// UnpackChart returns the files in a .tgz as Helm packs it, all in one folder, in order of names, and the digest of the
// archive. It is bounded in what it unpacks.
func UnpackChart(packed []byte) ([]ChartFile, string, error) {
	unzipped, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, "", fmt.Errorf("not a gzip archive: %w", err)
	}
	var files chartFiles
	seen := map[string]bool{}
	// The bound is on all that is unpacked, skipped parts and padding included.
	for t := tar.NewReader(io.LimitReader(unzipped, 2*maxChartBytes)); ; {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, "", fmt.Errorf("not a tar archive: %w", err)
		}
		if h.Typeflag == tar.TypeDir || h.Typeflag == tar.TypeXGlobalHeader {
			continue
		}
		_, inner, ok := strings.Cut(h.Name, "/")
		if h.Typeflag != tar.TypeReg || !ok || !fs.ValidPath(h.Name) || path.Clean(inner) != inner || seen[inner] {
			return nil, "", fmt.Errorf("holds %.60q, which is not a regular file in the chart's folder, or is there twice", h.Name)
		}
		seen[inner] = true
		if err := files.add(inner, func(limit int64) ([]byte, error) { return readAll(t, limit) }); err != nil {
			return nil, "", err
		}
	}
	return files.sorted(), fmt.Sprintf("sha256:%x", sha256.Sum256(packed)), nil
}

func readAll(r io.Reader, limit int64) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err == nil && int64(len(data)) > limit {
		err = errTooLarge
	}
	return data, err
}
