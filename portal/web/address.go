package web

import (
	"net/url"
	"strconv"
)

func itoa(n int) string { return strconv.Itoa(n) }

// withQuery returns the URL of a path with the query, in which one parameter is set, or left out if the value is empty.
// The message of what has been done stays behind.
func withQuery(path string, query url.Values, name, value string) string {
	changed := url.Values{}
	for k, v := range query {
		if k != name && k != "done" && (k != "page" || name == "page") {
			changed[k] = v
		}
	}
	if value != "" {
		changed.Set(name, value)
	}
	if len(changed) == 0 {
		return path
	}
	return path + "?" + changed.Encode()
}

// allQuery returns the parameters of the URL.
func (v *visit) allQuery() url.Values {
	q, err := url.ParseQuery(string(v.c.Request().URI().QueryString()))
	if err != nil || len(q) > maxFormFields {
		return url.Values{}
	}
	return q
}

// pageNumber returns the page of a list that is asked for, from 1 on.
func (v *visit) pageNumber() int {
	n, err := strconv.Atoi(v.query("page"))
	if err != nil || n < 1 || n > 1_000_000 {
		return 1
	}
	return n
}
