package web

import (
	"bytes"
	"encoding/csv"
	"strconv"
	"strings"

	"github.com/gofiber/fiber/v2"

	"llmhub/store"
)

// table is a file of comma-separated values, or of semicolons where the comma stands before decimals, as spreadsheets of
// that language expect it.
type table struct {
	v    *visit
	name string
	b    bytes.Buffer
	w    *csv.Writer
	rows int
	// units are those that have a column behind those of usage.
	units store.Quantities
}

func (v *visit) newTable(name string) *table {
	t := &table{v: v, name: name}
	t.b.WriteString("\ufeff") // spreadsheets take a file without it for one in an old encoding
	t.w = csv.NewWriter(&t.b)
	t.w.UseCRLF = true
	if v.loc.Point() == "," {
		t.w.Comma = ';'
	}
	return t
}

// row adds a row. A text that a spreadsheet would run as a formula is marked as text.
func (t *table) row(cells ...string) {
	guarded := make([]string, len(cells))
	for i, c := range cells {
		if c != "" && strings.ContainsRune("=+-@\t\r", rune(c[0])) {
			c = "'" + c
		}
		guarded[i] = c
	}
	_ = t.w.Write(guarded) // a buffer takes everything
	t.rows++
}

// send answers with the file.
func (t *table) send() error {
	t.w.Flush()
	if err := t.w.Error(); err != nil {
		return err
	}
	t.v.c.Set(fiber.HeaderContentType, "text/csv; charset=utf-8")
	t.v.c.Set(fiber.HeaderContentDisposition, `attachment; filename="`+t.name+`"`)
	return t.v.c.Send(t.b.Bytes())
}

// usageColumns name what usage adds behind the names of a row.
var usageColumns = []string{
	"requests", "input_tokens", "cached_input_tokens", "output_tokens", "reasoning_tokens", "total_tokens", "amount", "currency", "amount_incomplete",
}

// usageHeader adds the names of the columns of usage: those of the rows' names, the fixed ones, and one for each unit in all,
// by the word that the API has for it.
func (t *table) usageHeader(named []string, all store.Quantities) {
	t.units = all
	header := append(named, usageColumns...)
	for _, q := range all {
		header = append(header, q.Unit.String())
	}
	t.row(header...)
}

// usage adds a row of figures below usageHeader: what they are of, its names, and the counts with the exact amount.
func (t *table) usage(of string, names []string, f usageFigures) {
	cells := append([]string{of}, names...)
	for _, n := range []int64{f.Requests, f.Input, f.Cached, f.Output, f.Reasoning, f.Total} {
		cells = append(cells, strconv.FormatInt(n, 10))
	}
	incomplete := ""
	if f.Incomplete {
		incomplete = "yes"
	}
	cells = append(cells, strings.ReplaceAll(f.Amount, ".", t.v.loc.Point()), t.v.web.Currency, incomplete)
	for _, q := range t.units {
		cells = append(cells, strconv.FormatInt(f.Quantities.Of(q.Unit), 10))
	}
	t.row(cells...)
}
