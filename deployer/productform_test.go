package deployer

import (
	"testing"

	"llmhub/fault"
)

func TestProductForm(t *testing.T) {
	f := newFixture(t)
	got, err := f.ProductForm(t.Context(), "cache")
	if err != nil || len(got.Fields) != 2 || got.Fields[0].Path != "size" {
		t.Errorf("form %+v, error %v", got, err)
	}
	for id, kind := range map[string]fault.Kind{"none": fault.NotFound, "": fault.NotFound, "hub": fault.Invalid} {
		_, err := f.ProductForm(t.Context(), id)
		isFault(t, err, kind, "product_id")
	}
	_, err = f.ProductForm(t.Context(), "remote")
	isReason(t, err, ChartMissing)
}
