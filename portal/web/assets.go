package web

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"path"
	"sort"
	"strings"

	"github.com/andybalholm/brotli"
	"github.com/gofiber/fiber/v2"
)

//go:embed static
var staticFiles embed.FS

// stylesheet is what the files of static/css become, in the order of their names.
const stylesheet = "portal.css"

// assets are the files that pages refer to. All lie below one folder named by their checksum, so that script modules can
// import each other by relative paths and every file may be kept for ever.
type assets struct {
	base  string
	files map[string]*asset
}

// asset is a file in every form it is sent in, made once.
type asset struct {
	contentType              string
	plain, gzipped, brotlied []byte
}

// brotliLevel is one at which the start does not wait: the best takes thirty times as long for a tenth less.
const brotliLevel = 6

var contentTypes = map[string]string{
	".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml", ".webmanifest": "application/manifest+json",
}

// newAssets reads the embedded files and adds those of the brand: its tokens behind all other styles, and its logo.
func newAssets(b Brand) (*assets, error) {
	content, err := readStatic()
	if err != nil {
		return nil, err
	}
	content[stylesheet] = append(content[stylesheet], b.CSS...)
	if len(b.Logo) > 0 {
		content["logo.svg"] = b.Logo
	}
	names := make([]string, 0, len(content))
	for name := range content {
		names = append(names, name)
	}
	sort.Strings(names)
	sum := sha256.New()
	a := &assets{files: map[string]*asset{}}
	for _, name := range names {
		fmt.Fprintf(sum, "%s %d\n", name, len(content[name]))
		sum.Write(content[name])
		if a.files[name], err = newAsset(name, content[name]); err != nil {
			return nil, err
		}
	}
	a.base = "/static/" + hex.EncodeToString(sum.Sum(nil)[:8]) + "/"
	return a, nil
}

// readStatic reads the embedded files; styles are joined to one.
func readStatic() (map[string][]byte, error) {
	content := map[string][]byte{}
	err := fs.WalkDir(staticFiles, "static", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := staticFiles.ReadFile(name)
		if err != nil {
			return err
		}
		name = strings.TrimPrefix(name, "static/")
		if strings.HasPrefix(name, "css/") { // WalkDir goes in order of the names
			content[stylesheet] = append(content[stylesheet], text...)
			return nil
		}
		content[name] = text
		return nil
	})
	return content, err
}

func newAsset(name string, text []byte) (*asset, error) {
	a := &asset{contentType: contentTypes[path.Ext(name)], plain: text}
	if a.contentType == "" {
		return nil, fmt.Errorf("asset %s: no content type is known for it", name)
	}
	var z, b bytes.Buffer
	zw, err := gzip.NewWriterLevel(&z, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	bw := brotli.NewWriterLevel(&b, brotliLevel)
	for _, w := range []interface {
		Write([]byte) (int, error)
		Close() error
	}{zw, bw} {
		if _, err := w.Write(text); err != nil {
			return nil, err
		}
		if err := w.Close(); err != nil {
			return nil, err
		}
	}
	a.gzipped, a.brotlied = z.Bytes(), b.Bytes()
	return a, nil
}

// url returns where a page finds a file.
func (a *assets) url(name string) string { return a.base + name }

// serve answers with a file, compressed as the browser likes it.
func (a *assets) serve(c *fiber.Ctx) error {
	file := a.files[strings.TrimPrefix(c.Path(), a.base)]
	if file == nil || !strings.HasPrefix(c.Path(), a.base) {
		return fiber.ErrNotFound
	}
	c.Set(fiber.HeaderCacheControl, "public, max-age=31536000, immutable")
	c.Set(fiber.HeaderContentType, file.contentType)
	c.Set(fiber.HeaderXContentTypeOptions, "nosniff")
	c.Set("Cross-Origin-Resource-Policy", "same-origin")
	c.Vary(fiber.HeaderAcceptEncoding)
	accepted := c.Get(fiber.HeaderAcceptEncoding)
	switch {
	case strings.Contains(accepted, "br"):
		c.Set(fiber.HeaderContentEncoding, "br")
		return c.Send(file.brotlied)
	case strings.Contains(accepted, "gzip"):
		c.Set(fiber.HeaderContentEncoding, "gzip")
		return c.Send(file.gzipped)
	}
	return c.Send(file.plain)
}
