package proxy

import (
	"encoding/json"
	"testing"
	"time"
)

func TestModelObject(t *testing.T) {
	for _, c := range []struct {
		name  string
		model Model
		want  string
	}{
		{"nothing known", Model{Name: "m"}, `{"id":"m","object":"model","created":0,"owned_by":"llmhub"}`},
		{
			"defaults", Model{Name: "m", OwnedBy: "o", About: &About{Kind: Chat}},
			`{"id":"m","object":"model","created":0,"owned_by":"o","meta_data":{"model_type":"LLM","source_type":"","max_sequence_length":0,"hidden_size":0,` +
				`"max_output_length":0,"deployment_region":"","location":"","license":"","display_name":"m","deployment_country":"",` +
				`"input_modalities":["text"],"output_modalities":["text"],"model_lifecycle_stage":"Stable","is_externally_hosted":false,"end_of_life_date":null}}`,
		},
		{
			"all", Model{Name: "m", OwnedBy: "o", About: &About{
				DisplayName: "M", Kind: Embedding, ContextTokens: 8192, MaxOutputTokens: 1, Location: "eu-de", Country: "Germany, EU",
				Licence: "https://example.com/l", External: true, EndOfLife: time.Date(2027, 12, 31, 0, 0, 0, 0, time.UTC),
			}},
			`{"id":"m","object":"model","created":0,"owned_by":"o","meta_data":{"model_type":"EMBEDDING","source_type":"","max_sequence_length":8192,"hidden_size":0,` +
				`"max_output_length":1,"deployment_region":"eu-de","location":"eu-de","license":"https://example.com/l","display_name":"M","deployment_country":"Germany, EU",` +
				`"input_modalities":["text"],"output_modalities":["embeddings"],"model_lifecycle_stage":"Deprecated","is_externally_hosted":true,"end_of_life_date":"2027-12-31T00:00:00Z"}}`,
		},
	} {
		got, err := json.Marshal(c.model.object())
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != c.want {
			t.Errorf("%s:\ngot  %s\nwant %s", c.name, got, c.want)
		}
	}
}
