package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
)

const (
	// codeState and codeInvalid are the server's for what cannot be done as things are, and for values that it does not take.
	codeState   = "invalid_state"
	codeInvalid = "invalid"
	// confirmField is at fault where warnings have to be confirmed.
	confirmField = "confirm_warnings"
)

// fieldHints say which flags are about a field of the API.
var fieldHints = map[string]string{
	"target.project_id":    "llmhub workload targets shows the projects that there are",
	"target.cluster_id":    "llmhub workload targets --project ID shows the clusters that there are",
	"target.namespace":     "llmhub workload targets --project ID --cluster ID shows the namespaces that there are; --new-namespace makes another",
	"target.new_namespace": "--namespace without --new-namespace is for one that there is",
	"target.release":       "--release gives it; llmhub workload list shows what is deployed, and llmhub workload upgrade changes it",
	"licence":              "--licence FILE gives it",
	"accepted":             "llmhub workload documents PRODUCT shows the documents and their digests",
}

// refused explains why the server does not do what was sent: with the flags that are about it, or with the checks that have
// failed.
func (f *deployFlags) refused(ctx context.Context, c *client, productID, path string, body map[string]any, err error) error {
	var answer *answerError
	if !errors.As(err, &answer) {
		return err
	}
	if answer.Code == codeState && !f.dryRun && f.showTrouble(ctx, c, path, body) {
		if answer.about(confirmField) {
			return &hintedError{errors.New("there are warnings"), warningsHint}
		}
		return &hintedError{errors.New("this cannot be deployed: a check has failed"), "--dry-run shows all checks"}
	}
	for _, d := range answer.Details {
		hint := fieldHints[d.Field]
		if d.Field == "licence" && f.licence != "" {
			hint = "" // it is given, and something else is wrong
		}
		if hint != "" {
			return &hintedError{err, hint}
		}
	}
	if answer.Code == codeInvalid && len(answer.Details) > 0 {
		return &hintedError{err, fmt.Sprintf("llmhub workload form %s shows what can be set, and to what", clean(productID))}
	}
	return err
}

// showTrouble prints the checks that have not passed on standard error. It returns false if there are none, so that something
// else must be wrong.
func (f *deployFlags) showTrouble(ctx context.Context, c *client, path string, body map[string]any) bool {
	text, err := c.post(ctx, path+"/review", body)
	var r reviewAnswer
	if err != nil || json.Unmarshal(text, &r) != nil || !r.Blocked && !r.Warned {
		return false
	}
	return printTable(f.api.env.stderr, checkTitles, r.rows(func(state string) bool { return state == "failed" || state == "warned" })) == nil
}
