package deployer

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"sync"

	"llmhub/catalog"
	"llmhub/deployer/form"
)

// maxForms bounds how many compiled forms are kept.
const maxForms = 100

// formCache keeps compiled forms, which are found by what they are made of. It may be used concurrently.
type formCache struct {
	mu    sync.Mutex
	forms map[[sha256.Size]byte]*form.Form
}

func newFormCache() *formCache { return &formCache{forms: map[[sha256.Size]byte]*form.Form{}} }

// compile returns the form of a product with its chart; the error is a *Reason.
func (c *formCache) compile(p catalog.Product, chart Chart) (*form.Form, error) {
	fields, err := json.Marshal(p.CCE.Fields)
	if err != nil {
		return nil, fmt.Errorf("encode the fields of %s: %w", p.ID, err)
	}
	key := sha256.Sum256(append([]byte(chart.Digest+"\n"), fields...))
	c.mu.Lock()
	f := c.forms[key]
	c.mu.Unlock()
	if f != nil {
		return f, nil
	}
	var schema, defaults []byte
	for _, file := range chart.Files {
		switch file.Name {
		case "values.schema.json":
			schema = file.Data
		case "values.yaml":
			defaults = file.Data
		}
	}
	f, err = form.Compile(p.CCE.Fields, schema, defaults)
	if err != nil {
		return nil, &Reason{Code: ChartInvalid, Detail: cut(err.Error())}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for k := range c.forms {
		if len(c.forms) < maxForms {
			break
		}
		delete(c.forms, k)
	}
	c.forms[key] = f
	return f, nil
}

// fetch returns the chart of a product. Where the catalog demands no digest of a remote one, want is demanded; empty takes
// what there is.
func (s *Service) fetch(ctx context.Context, p catalog.Product, want string) (Chart, error) {
	ref := p.CCE.Chart
	if ref.Digest == "" {
		ref.Digest = want
	}
	return s.o.Releases.Fetch(ctx, ref)
}
