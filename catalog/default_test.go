package catalog

import "testing"

func TestX(t *testing.T) {
	_, err := Default()
	if err != nil {
		t.Fatal(err)
	}
}
