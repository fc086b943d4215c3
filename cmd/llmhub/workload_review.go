package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// reviewAnswer is what the server says of a deployment before it is done.
type reviewAnswer struct {
	Blocked bool
	Warned  bool
	Checks  []struct {
		Name    string
		State   string
		Reasons []*reasonAnswer
	}
	Inventory struct {
		Claims []struct {
			Name  string
			Count int
			Bytes int64 `json:"size_bytes"`
			Class string
		}
		Balancers []struct {
			Name  string
			Ports []int
		}
		MilliCPU  int64 `json:"milli_cpu"`
		MemoryMiB int64 `json:"memory_mib"`
	}
	YAML string `json:"values_yaml"`
	Diff []struct{ Kind, Name, Change string }
}

const warningsHint = "deploy with --yes-warnings if they are acceptable"

// verdict returns what keeps from deploying; confirmed says that warnings do not.
func (r reviewAnswer) verdict(confirmed bool) error {
	switch {
	case r.Blocked:
		return errors.New("this cannot be deployed: a check has failed")
	case r.Warned && !confirmed:
		return &hintedError{errors.New("there are warnings"), warningsHint}
	}
	return nil
}

// showReview prints the checks, what the cloud bills, what an upgrade changes, and the values.
func showReview(env *environment, text json.RawMessage, upgrade bool) error {
	var r reviewAnswer
	if err := json.Unmarshal(text, &r); err != nil {
		return err
	}
	all := r.rows(func(string) bool { return true })
	tables := []error{printTable(env.stdout, checkTitles, all), r.showBill(env)}
	if len(r.Diff) > 0 {
		var rows [][]string
		for _, d := range r.Diff {
			rows = append(rows, []string{d.Change, d.Kind, d.Name})
		}
		fmt.Fprintln(env.stdout)
		tables = append(tables, printTable(env.stdout, left("CHANGE", "KIND", "NAME"), rows))
	}
	if upgrade && len(r.Diff) == 0 && !r.Blocked {
		fmt.Fprint(env.stdout, "\nNo object changes.\n")
	}
	_, err := fmt.Fprintf(env.stdout, "\nValues, with secrets masked:\n%s\n", cleanLines(strings.TrimSpace(r.YAML)))
	return errors.Join(append(tables, err)...)
}

var checkTitles = left("CHECK", "STATE", "REASON")

// rows returns the checks in certain states, a row for each reason.
func (r reviewAnswer) rows(shown func(state string) bool) [][]string {
	var rows [][]string
	for _, c := range r.Checks {
		if !shown(c.State) {
			continue
		}
		reasons := []*reasonAnswer{nil}
		if len(c.Reasons) > 0 {
			reasons = c.Reasons
		}
		for _, reason := range reasons {
			rows = append(rows, []string{c.Name, c.State, reason.String()})
		}
	}
	return rows
}

// showBill prints what is made in the cluster that the cloud bills to the tenant, whatever the product costs.
func (r reviewAnswer) showBill(env *environment) error {
	var rows [][]string
	for _, c := range r.Inventory.Claims {
		class := c.Class
		if class == "" {
			class = "the cluster's default class"
		}
		rows = append(rows, []string{"volume", c.Name, fmt.Sprintf("%d x %s, %s", c.Count, size(c.Bytes), class)})
	}
	for _, b := range r.Inventory.Balancers {
		rows = append(rows, []string{"load balancer", b.Name, "ports " + strings.Trim(fmt.Sprint(b.Ports), "[]")})
	}
	rows = append(rows, []string{"pods", "all", fmt.Sprintf("%.3g CPU, %s", float64(r.Inventory.MilliCPU)/1000, size(r.Inventory.MemoryMiB<<20))})
	fmt.Fprintln(env.stdout)
	return printTable(env.stdout, left("BILLED BY THE CLOUD", "NAME", "AMOUNT"), rows)
}

// size shows a number of bytes in the unit that suits it.
func size(bytes int64) string {
	for _, unit := range []struct {
		name  string
		bytes int64
	}{{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}} {
		if bytes >= unit.bytes {
			return fmt.Sprintf("%.4g %s", float64(bytes)/float64(unit.bytes), unit.name)
		}
	}
	return fmt.Sprintf("%d B", bytes)
}

// cleanLines is clean for a text of several lines.
func cleanLines(text string) string {
	lines := strings.Split(text, "\n")
	for i, l := range lines {
		lines[i] = clean(l)
	}
	return strings.Join(lines, "\n")
}
