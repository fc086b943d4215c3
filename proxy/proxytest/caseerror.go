package proxytest

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// checkErrorEvent insists on one event with an error, and nothing behind it. An error of the model server that is passed
// on need not have a type. Where events carry a type, so does this one.
func (c *Case) checkErrorEvent(tail []byte) error {
	text := strings.ReplaceAll(string(tail), "\r\n", "\n")
	if c.Path == responsesAPI.path || c.Path == messagesAPI.path {
		text = strings.TrimPrefix(text, "event: error\n")
	}
	data, ok := strings.CutPrefix(text, "data: ")
	ended := strings.HasSuffix(data, "\n\n")
	data = strings.TrimRight(data, "\n")
	if !ok || !ended || strings.Contains(data, "\n") {
		return fmt.Errorf("%.600q is not one error event", tail)
	}
	if c.Path == responsesAPI.path {
		return checkResponsesError(data)
	}
	if err := c.checkError([]byte(data)); err != nil && !errors.Is(err, errNoType) {
		return err
	}
	return nil
}

// checkResponsesError insists on an event of responses that says that they failed.
func checkResponsesError(data string) error {
	var e struct {
		Type, Message string
		Response      struct{ Error struct{ Message string } }
	}
	switch err := json.Unmarshal([]byte(data), &e); {
	case err != nil:
		return fmt.Errorf("%.300q is not an event: %w", data, err)
	case e.Type == "error" && e.Message != "", e.Type == "response.failed" && e.Response.Error.Message != "":
		return nil
	}
	return fmt.Errorf("%.300q is not an error event of responses", data)
}

var errNoType = errors.New("the error has no type")

// checkError insists on an error in the form of the case's API.
func (c *Case) checkError(body []byte) error {
	var e struct {
		Type  string `json:"type"`
		Error *struct {
			Message string `json:"message"`
			Type    string `json:"type"`
		} `json:"error"`
	}
	if err := json.Unmarshal(body, &e); err != nil {
		return fmt.Errorf("%.300q is not an error in the API's form: %w", body, err)
	}
	if e.Error == nil || e.Error.Message == "" {
		return errors.New("the error has no message")
	}
	if c.Path == messagesAPI.path && e.Type != "error" {
		return fmt.Errorf("%.300q is not an error in Anthropic's form", body)
	}
	if e.Error.Type == "" {
		return errNoType
	}
	return nil
}
