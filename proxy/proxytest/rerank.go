package proxytest

import (
	"strconv"
	"strings"
)

// documentsPerSearch is how many documents one search unit pays for.
const documentsPerSearch = 100

// rerank answers with a score for each document, and usage in search units or in tokens.
func (a *answer) rerank() error {
	n := len(a.ask.Documents)
	if a.ask.TopN > 0 {
		n = min(n, a.ask.TopN)
	}
	results := make([]string, n)
	for i := range results {
		score := strconv.FormatFloat(1/float64(i+2), 'f', 4, 64)
		results[i] = `{"index":` + strconv.Itoa(i) + `,"relevance_score":` + score + `,"document":{"text":"document"}}`
	}
	u, usage := Usage{}, ""
	if a.script.ByUnit {
		u.Searches = int64(len(a.ask.Documents)+documentsPerSearch-1) / documentsPerSearch
		usage = `,"meta":{"api_version":{"version":"2"},"billed_units":{"search_units":` + strconv.FormatInt(u.Searches, 10) + `}}`
	} else {
		total := `{"total_tokens":` + strconv.FormatInt(a.prompt.Prompt, 10) + `}`
		if a.script.RawUsage != "" {
			total = a.script.RawUsage
		}
		usage = `,"usage":` + total
	}
	if !a.tellsUsage() {
		usage = ""
	}
	return a.whole(`{"id":"rerank-`+a.name+`","model":`+quote(a.ask.Model)+`,"results":[`+strings.Join(results, ",")+`]`+usage+`}`, u)
}

// moderations finds nothing wrong with any input. There is no usage to tell.
func (a *answer) moderations() error {
	const harmless = `{"flagged":false,"categories":{"hate":false,"violence":false},"category_scores":{"hate":0.0001,"violence":0.0002}}`
	results := strings.TrimSuffix(strings.Repeat(harmless+",", a.ask.items()), ",")
	return a.whole(`{"id":"modr-`+a.name+`","model":`+quote(a.ask.Model)+`,"results":[`+results+`]}`, Usage{})
}
