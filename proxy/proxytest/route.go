package proxytest

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"strconv"
	"strings"
)

// routes are the endpoints of models, by their path behind the version or Azure's deployment.
var routes = map[string]func(*answer) error{
	"/chat/completions":      (*answer).completion,
	"/completions":           (*answer).completion,
	"/embeddings":            (*answer).embeddings,
	"/responses":             (*answer).responses,
	"/messages":              (*answer).messages,
	"/messages/count_tokens": (*answer).countTokens,
	"/images/generations":    (*answer).images,
	"/images/edits":          (*answer).images,
	"/images/variations":     (*answer).images,
	"/audio/speech":          (*answer).speech,
	"/audio/transcriptions":  (*answer).transcription,
	"/audio/translations":    (*answer).transcription,
	"/moderations":           (*answer).moderations,
	"/rerank":                (*answer).rerank,
}

// azurePrefix is in front of the deployment's name.
const azurePrefix = "/openai/deployments/"

// find splits the request's path. Paths of Azure's need an api-version, and name the model.
func (a *answer) find() {
	path, query, _ := strings.Cut(a.r.path, "?")
	if rest, ok := strings.CutPrefix(path, azurePrefix); ok && strings.Contains("&"+query, "&api-version=") {
		model, path, _ := strings.Cut(rest, "/")
		a.azure, a.ask.Model, a.path = true, model, "/"+path
		return
	}
	if rest, ok := strings.CutPrefix(path, "/openai/v1/"); ok {
		a.azure, a.path = true, "/"+rest
		return
	}
	a.path = path
	if rest, ok := strings.CutPrefix(path, "/v1/"); ok {
		a.path = "/" + rest
	} else if path != TotalsPath {
		a.path = ""
	}
}

// authorized says whether the request carries the key of the options, in the header of its API.
func (a *answer) authorized() bool {
	key := a.p.opts.APIKey
	return key == "" || a.r.get("Authorization") == "Bearer "+key ||
		a.azure && a.r.get("api-key") == key || a.anthropic() && a.r.get("x-api-key") == key
}

func (a *answer) anthropic() bool { return strings.HasPrefix(a.path, "/messages") }

// fail answers an error in the form of the endpoint's API.
func (a *answer) fail(status int, kind, code, message string) error {
	return a.plain(status, "application/json", a.errorBody(status, kind, code, message))
}

func (a *answer) errorBody(status int, kind, code, message string) string {
	if !a.anthropic() {
		return apiError(kind, code, message)
	}
	switch status {
	case http.StatusUnauthorized:
		kind = "authentication_error"
	case http.StatusNotFound:
		kind = "not_found_error"
	case 529:
		kind = "overloaded_error"
	}
	if kind == "server_error" {
		kind = "api_error"
	}
	return messagesError(kind, message)
}

// messagesError returns an error in the form of Anthropic.
func messagesError(kind, message string) string {
	return `{"type":"error","error":{"type":` + quote(kind) + `,"message":` + quote(message) + `},"request_id":null}`
}

// readAsk reads the body, which is JSON or a form.
func (a *answer) readAsk() error {
	model := a.ask.Model
	kind, params, _ := mime.ParseMediaType(a.r.get("Content-Type"))
	if kind == "multipart/form-data" {
		if err := a.ask.readForm(a.r.body, params["boundary"]); err != nil {
			return fmt.Errorf("we could not parse the form of your request: %w", err)
		}
	} else if err := json.Unmarshal(a.r.body, &a.ask); err != nil {
		return fmt.Errorf("we could not parse the JSON body of your request: %w", err)
	}
	if model != "" {
		a.ask.Model = model
	}
	if a.ask.User == "" {
		a.ask.User = a.ask.metadataUser()
	}
	return nil
}

// readForm reads a multipart body. Of files it keeps what tells whether they arrived as they were.
func (k *ask) readForm(body []byte, boundary string) error {
	r := multipart.NewReader(strings.NewReader(string(body)), boundary)
	for {
		part, err := r.NextRawPart()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		content, err := io.ReadAll(part)
		if err != nil {
			return err
		}
		if part.FileName() != "" {
			sum := sha256.Sum256(content)
			k.files = append(k.files, File{Field: part.FormName(), Name: part.FileName(), Size: len(content), SHA256: hex.EncodeToString(sum[:])})
			continue
		}
		if err := k.field(part.FormName(), string(content)); err != nil {
			return err
		}
	}
}

func (k *ask) field(name, value string) (err error) {
	switch name {
	case "model":
		k.Model = value
	case "user":
		k.User = value
	case "size":
		k.Size = value
	case "response_format":
		k.ResponseFormat = json.RawMessage(quote(value))
	case "prompt":
		k.Prompt = json.RawMessage(quote(value))
	case "stream":
		k.Stream, err = strconv.ParseBool(value)
	case "n":
		k.N, err = strconv.Atoi(value)
	case "partial_images":
		k.PartialImages, err = strconv.Atoi(value)
	case "x_script":
		err = json.Unmarshal([]byte(value), &k.XScript)
	}
	if err != nil {
		return errors.New(name + " is not what it should be")
	}
	return nil
}

// fileHeader tells the SHA-256 of the first file of a form in the answer's header X-File-SHA256.
func (a *answer) fileHeader() {
	if len(a.ask.files) > 0 {
		a.script.Header = append(a.script.Header[:len(a.script.Header):len(a.script.Header)], Header{"X-File-SHA256", a.ask.files[0].SHA256})
	}
}
