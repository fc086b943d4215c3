package deployer

import (
	"context"

	"llmhub/deployer/form"
)

// ProductForm returns the configuration form of a product, for those who prepare values before there is a draft. It is no
// more secret than the catalog.
func (s *Service) ProductForm(ctx context.Context, productID string) (*form.Form, error) {
	p, err := s.product(productID)
	if err != nil {
		return nil, err
	}
	chart, err := s.fetch(ctx, p, "")
	if err != nil {
		return nil, err
	}
	return s.forms.compile(p, chart)
}
