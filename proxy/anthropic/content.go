package anthropic

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"llmhub/proxy/openai"
)

type source struct {
	Type      string `json:"type"`
	MediaType string `json:"media_type,omitempty"`
	Data      string `json:"data,omitempty"`
	URL       string `json:"url,omitempty"`
}

type chatPart struct {
	Type     string `json:"type"`
	Text     string `json:"text"`
	Refusal  string `json:"refusal"`
	ImageURL struct {
		URL string `json:"url"`
	} `json:"image_url"`
	File struct {
		Data string `json:"file_data"`
		Name string `json:"filename"`
	} `json:"file"`
	CacheControl json.RawMessage `json:"cache_control"`
}

var imageTypes = []string{"image/jpeg", "image/png", "image/gif", "image/webp"}

// blocks reads the content of a message: a text or a list of parts. Empty texts are left out, as the API takes none.
func blocks(content json.RawMessage, at string) ([]block, *openai.Error) {
	if !isSet(content) {
		return nil, nil
	}
	if content[0] == '"' {
		var text string
		if err := json.Unmarshal(content, &text); err != nil {
			return nil, decodeError(err, at)
		}
		return appendText(nil, text, nil), nil
	}
	var parts []chatPart
	if err := json.Unmarshal(content, &parts); err != nil {
		return nil, decodeError(err, at)
	}
	out := make([]block, 0, len(parts))
	for i := range parts {
		p := &parts[i]
		var e *openai.Error
		switch where := fmt.Sprintf("%s[%d]", at, i); p.Type {
		case "text":
			out = appendText(out, p.Text, p.CacheControl)
		case "refusal":
			out = appendText(out, p.Refusal, nil)
		case "image_url":
			out, e = appendImage(out, p, where)
		case "file":
			out, e = appendFile(out, p, where)
		default:
			e = refuse(where+".type", fmt.Sprintf("This model takes no parts of type %q: text, image_url and file are known.", short(p.Type)))
		}
		if e != nil {
			return nil, e
		}
	}
	return out, nil
}

func appendText(out []block, text string, cache json.RawMessage) []block {
	if text == "" {
		return out
	}
	return append(out, block{Type: "text", Text: text, CacheControl: cached(cache)})
}

func appendImage(out []block, p *chatPart, at string) ([]block, *openai.Error) {
	b := block{Type: "image", CacheControl: cached(p.CacheControl)}
	url := p.ImageURL.URL
	media, data, isData := dataURL(url)
	switch {
	case isData && media == "image/jpg":
		b.Source = &source{Type: "base64", MediaType: "image/jpeg", Data: data}
	case isData && slices.Contains(imageTypes, media):
		b.Source = &source{Type: "base64", MediaType: media, Data: data}
	case strings.HasPrefix(url, "https://"), strings.HasPrefix(url, "http://"):
		b.Source = &source{Type: "url", URL: url}
	default:
		return nil, refuse(at+".image_url.url", "An image must be an http or https address, or a data URL in base64 of type image/jpeg, image/png, image/gif or image/webp.")
	}
	return append(out, b), nil
}

func appendFile(out []block, p *chatPart, at string) ([]block, *openai.Error) {
	media, data, ok := dataURL(p.File.Data)
	if !ok || media != "application/pdf" {
		return nil, refuse(at+".file.file_data", "A file must be given as file_data, a data URL in base64 of type application/pdf.")
	}
	return append(out, block{
		Type: "document", Title: p.File.Name, CacheControl: cached(p.CacheControl),
		Source: &source{Type: "base64", MediaType: media, Data: data},
	}), nil
}

// cached keeps the mark of what is to be cached, by which callers who know the model reach its cache.
func cached(v json.RawMessage) json.RawMessage {
	if !isObject(v) {
		return nil
	}
	return v
}

// dataURL takes a data URL in base64 apart.
func dataURL(url string) (media, data string, ok bool) {
	rest, ok := strings.CutPrefix(url, "data:")
	if !ok {
		return "", "", false
	}
	head, data, ok := strings.Cut(rest, ",")
	head, base64 := strings.CutSuffix(head, ";base64")
	media, _, _ = strings.Cut(head, ";")
	return strings.ToLower(media), data, ok && base64
}
