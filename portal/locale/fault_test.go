package locale

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// faultPackages are those whose faults can be shown on a page, from here.
var faultPackages = []string{"../../fault", "../../identity", "../../subscription", "../../deployer", "../../alert", "../../drain", "../../limit", "../web", "../access"}

// verb is what a format takes an argument for.
var verb = regexp.MustCompile(`%[-+# 0]*[0-9.]*[a-zA-Z%]`)

// Each fault that a page can show has a translation that takes the same arguments, and there are no others.
func TestFaultsAreTranslated(t *testing.T) {
	used := map[string]bool{}
	for _, dir := range faultPackages {
		for _, file := range parseFolder(t, dir) {
			for _, format := range faultFormats(t, dir, file) {
				used[format] = true
			}
		}
	}
	if len(used) < 20 {
		t.Fatalf("only %d faults have been found", len(used))
	}
	for _, lang := range Languages[1:] {
		translated := readMessages(t, "faults."+lang+".yaml")
		for format := range used {
			text, ok := translated[format]
			switch {
			case !ok:
				t.Errorf("%s: nothing for %q", lang, format)
			case !slices.Equal(verb.FindAllString(format, -1), verb.FindAllString(text["other"], -1)):
				t.Errorf("%s: %q takes other arguments than %q", lang, text["other"], format)
			}
		}
		for format := range translated {
			if !used[format] {
				t.Errorf("%s: no fault has the text %q", lang, format)
			}
		}
	}
}

// text is an argument of a fault that comes in several languages.
type text map[string]string

func (t text) In(lang string) string { return t[lang] }

func TestFaultInALanguage(t *testing.T) {
	c, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	args := []any{3}
	if got := c.In("en").Fault("must have at most %d entries", "must have at most 3 entries", args); got != "must have at most 3 entries" {
		t.Error(got)
	}
	if got := c.In("de").Fault("must have at most %d entries", "must have at most 3 entries", args); got != "darf höchstens 3 Einträge haben" {
		t.Error(got)
	}
	titled := []any{text{"en": "too short", "de": "zu kurz"}}
	if got := c.In("de").Fault("%s", "too short", titled); got != "zu kurz" {
		t.Error(got)
	}
	if got := c.In("en").Fault("%s", "too short", titled); got != "too short" {
		t.Error(got)
	}
	if got := c.In("de").Fault("is odd", "is odd", nil); got != "⟦is odd⟧" {
		t.Error(got)
	}
}

// parseFolder returns the Go files of a folder and those below it, without tests.
func parseFolder(t *testing.T, dir string) []*ast.File {
	t.Helper()
	var files []*ast.File
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, text, 0)
		files = append(files, file)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// faultFormats returns the formats that a file calls fault.New with. Each must be a constant text, or it could have no
// translation.
func faultFormats(t *testing.T, dir string, file *ast.File) []string {
	t.Helper()
	var formats []string
	ast.Inspect(file, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok || len(call.Args) < 3 || !isFaultNew(file, call) {
			return true
		}
		text, ok := constantText(call.Args[2])
		if !ok {
			t.Errorf("%s: a fault is made of a text that is not constant", dir)
		}
		formats = append(formats, text)
		return true
	})
	return formats
}

func isFaultNew(file *ast.File, call *ast.CallExpr) bool {
	switch f := call.Fun.(type) {
	case *ast.SelectorExpr:
		pkg, ok := f.X.(*ast.Ident)
		return ok && pkg.Name == "fault" && f.Sel.Name == "New"
	case *ast.Ident:
		return file.Name.Name == "fault" && f.Name == "New"
	}
	return false
}

// constantText returns the value of a literal, or of literals put together.
func constantText(e ast.Expr) (string, bool) {
	switch e := e.(type) {
	case *ast.BasicLit:
		text, err := strconv.Unquote(e.Value)
		return text, err == nil
	case *ast.BinaryExpr:
		x, ok1 := constantText(e.X)
		y, ok2 := constantText(e.Y)
		return x + y, ok1 && ok2
	}
	return "", false
}
