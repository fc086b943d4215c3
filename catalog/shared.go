package catalog

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"llmhub/yamldoc"
)

const (
	maxSellers   = 500
	maxDocuments = 20
)

// shared reads what all products refer to.
func (d *decoder) shared(n node) {
	d.loader.sellers = map[string]Seller{}
	d.Mapping(n,
		required("sellers", d.sellers),
		required("categories", d.categories),
		required("documents", func(n node) { d.documents(&d.loader.documents, n, nil) }),
	)
}

func (d *decoder) sellers(list node) {
	seen := map[string]int{}
	d.Sequence(list, maxSellers, func(_ int, n node) {
		var s Seller
		d.Mapping(n,
			required("id", d.id(&s.ID)),
			required("name", d.phrase(&s.Name, maxLineRunes)),
			required("email", d.email(&s.Email)),
			required("support_email", d.email(&s.SupportEmail)),
			optional("support_url", d.link(&s.SupportURL)),
			optional("website", d.link(&s.Website)),
			optional("verified", d.Flag(&s.Verified)),
		)
		d.once(seen, child(n, "id"), s.ID, "ID of the seller")
		d.loader.sellers[s.ID] = s
	})
}

func (d *decoder) categories(list node) {
	seen := map[string]int{}
	d.Sequence(list, maxCategories, func(_ int, n node) {
		var c Category
		d.Mapping(n,
			required("id", d.id(&c.ID)),
			required("name", d.line(&c.Name)),
			optional("description", d.paragraph(&c.Description)),
		)
		d.once(seen, child(n, "id"), c.ID, "ID of the category")
		d.loader.categories = append(d.loader.categories, c)
	})
}

// documents reads a list of documents with their content. The IDs of others are taken.
func (d *decoder) documents(into *[]Document, list node, others []Document) {
	seen := map[string]int{}
	d.Sequence(list, maxDocuments, func(_ int, n node) {
		var doc Document
		d.Mapping(n,
			required("id", d.id(&doc.ID)),
			required("title", d.line(&doc.Title)),
			required("version", d.phrase(&doc.Version, maxNameRunes)),
			required("date", d.date(&doc.Date)),
			required("file", d.languages(&doc.Content, d.documentFile)),
			optional("consent", d.Flag(&doc.Consent)),
		)
		d.once(seen, child(n, "id"), doc.ID, "ID of the document")
		if slices.ContainsFunc(others, func(o Document) bool { return o.ID == doc.ID && o.ID != "" }) {
			d.Fault(child(n, "id"), "%s is already the ID of a document of the marketplace in %s", yamldoc.Quote(doc.ID), catalogFile)
		}
		doc.Digest = digestOf(doc.Content)
		*into = append(*into, doc)
	})
}

// documentFile reads the name of a file and the text in it.
func (d *decoder) documentFile(into *string) reader {
	return func(n node) {
		var name string
		data, ok := d.content(n, &name, maxDocumentBytes)
		if !ok {
			return
		}
		text := strings.TrimSpace(strings.ReplaceAll(string(data), "\r\n", "\n"))
		switch {
		case !utf8.ValidString(text):
			d.Fault(n, "%s is not UTF-8 text", yamldoc.Quote(name))
		case text == "":
			d.Fault(n, "%s is empty", yamldoc.Quote(name))
		case strings.ContainsFunc(text, unseen):
			d.Fault(n, "%s contains control characters", yamldoc.Quote(name))
		default:
			*into = text
		}
	}
}

// digestOf covers each language with the length of its text, so that no two contents can look the same to it.
func digestOf(content Text) string {
	h := sha256.New()
	for _, lang := range slices.Sorted(maps.Keys(content)) {
		fmt.Fprintf(h, "%s %d\n%s\n", lang, len(content[lang]), content[lang])
	}
	return fmt.Sprintf("sha256:%x", h.Sum(nil))
}
