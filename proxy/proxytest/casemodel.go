package proxytest

import "strings"

// For returns the case for a gateway that is to be asked for another model than the case's own. Its script is then found by
// a marker in the prompt, which makes the prompt longer for those who count it themselves.
func (c Case) For(model string) Case {
	marker := " " + Marker(c.Model)
	body := strings.ReplaceAll(c.Body, c.Model, model)
	if marked := strings.ReplaceAll(body, promptText, promptText+marker); marked != body {
		c.Body = marked
	} else {
		c.Body = "--" + formBoundary + "\r\nContent-Disposition: form-data; name=\"prompt\"\r\n\r\n" + marker + "\r\n" + body
	}
	if c.Want.Provenance != "upstream" && c.Want.Provenance != "drained" {
		c.Want.Most.Prompt += int64(len(marker))
	}
	if c.Want.Least.Characters > 0 {
		c.Want.Least.Characters += int64(len(marker))
		c.Want.Most.Characters += int64(len(marker))
	}
	return c
}
