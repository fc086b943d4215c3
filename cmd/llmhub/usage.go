package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"llmhub/metering"
)

// usageAnswer is the server's answer on usage; see the management API.
type usageAnswer struct {
	From string     `json:"from"`
	To   string     `json:"to"`
	Data []usageRow `json:"data"`
}

type usageRow struct {
	Total    bool   `json:"total"`
	KeyID    string `json:"key_id"`
	KeyName  string `json:"key_name"`
	Model    string `json:"model"`
	Day      string `json:"day"`
	Month    string `json:"month"`
	Requests int64  `json:"requests"`
	metering.TokenCounts
	metering.QuantityCounts
	Amount           string `json:"amount"`
	AmountIncomplete bool   `json:"amount_incomplete"`
	Currency         string `json:"currency"`
}

const usageHelp = `Show what was used, a row for each key (or what --by says) and the total in the last row;
the current month by default. Days and months are those of the billing time zone.

--from and --to are days and both are included. CACHED is part of INPUT, REASONING part of
OUTPUT, TOTAL is INPUT and OUTPUT; ESTIMATED says how many of TOTAL the model server did not
report itself. What else was used has a column each where there is any: images by size,
milliseconds of audio, characters turned into speech, searches. AMOUNT follows the price in force
on each day; it is exact, but no invoice. A "+" behind it says that something without a price is
part of the row.`

func newUsageCommand(api *apiFlags) *cobra.Command {
	var month, from, to, tenant, subscription, key string
	var by []string
	cmd := &cobra.Command{
		Use:   "usage [--month MONTH | --from DAY --to DAY] [--tenant ID | --subscription ID | --key ID] [--by key,model,day,month]",
		Short: "Show what was used",
		Long:  usageHelp,
		Example: `  llmhub usage
  llmhub usage --month 2026-11 --by key,model
  llmhub usage --from 2026-11-01 --to 2026-11-07 --tenant TENANT --by day
  llmhub usage --by "" --json`,
		Args: cobra.NoArgs,
	}
	f := cmd.Flags()
	f.StringVar(&month, "month", "", "a month such as 2026-11 (default the current one)")
	f.StringVar(&from, "from", "", "first day, such as 2026-11-01")
	f.StringVar(&to, "to", "", "last day, included")
	f.StringVar(&tenant, "tenant", "", "only keys of this tenant")
	f.StringVar(&subscription, "subscription", "", "only keys of this subscription")
	f.StringVar(&key, "key", "", "only this key, by its ID")
	f.StringSliceVar(&by, "by", []string{"key"}, `what to keep apart: any of key, model, day, month; "" for the total alone`)
	cmd.MarkFlagsMutuallyExclusive("month", "from")
	cmd.MarkFlagsMutuallyExclusive("month", "to")
	cmd.MarkFlagsRequiredTogether("from", "to")
	cmd.MarkFlagsMutuallyExclusive("tenant", "subscription", "key")
	return api.command(cmd, func(cmd *cobra.Command, _ []string, c *client) (json.RawMessage, error) {
		q := filter("month", month, "from", from, "to", to, "tenant_id", tenant, "subscription_id", subscription, "key_id", key)
		q.Set("by", strings.Join(by, ","))
		return c.get(cmd.Context(), "/usage", q)
	}, func(text json.RawMessage) error {
		var answer usageAnswer
		if err := json.Unmarshal(text, &answer); err != nil {
			return err
		}
		fmt.Fprintf(api.env.stderr, "usage from %s to %s\n", clean(answer.From), clean(answer.To))
		return printUsage(api.env, answer.Data, by)
	})
}

// usageColumns are the columns that groups can have, in the order of the table.
var usageColumns = []struct {
	by, title string
	cell      func(usageRow) string
}{
	{"key", "KEY", func(r usageRow) string { return r.KeyID }},
	{"key", "NAME", func(r usageRow) string { return r.KeyName }},
	{"model", "MODEL", func(r usageRow) string { return r.Model }},
	{"month", "MONTH", func(r usageRow) string { return r.Month }},
	{"day", "DAY", func(r usageRow) string { return r.Day }},
}

func printUsage(env *environment, data []usageRow, by []string) error {
	asked := map[string]bool{}
	for _, b := range by {
		asked[b] = true
	}
	columns := left()
	for _, c := range usageColumns {
		if asked[c.by] {
			columns = append(columns, column{title: c.title})
		}
	}
	grouped := len(columns)
	currency := ""
	for _, r := range data {
		if r.Currency != "" {
			currency = " (" + clean(r.Currency) + ")"
		}
	}
	titles := []string{"REQUESTS", "INPUT", "CACHED", "OUTPUT", "REASONING", "TOTAL", "ESTIMATED"}
	units := usedUnits(data)
	for _, u := range units {
		titles = append(titles, strings.ToUpper(clean(u)))
	}
	for _, title := range append(titles, "AMOUNT"+currency) {
		columns = append(columns, column{title: title, right: true})
	}
	rows := make([][]string, 0, len(data))
	for _, r := range data {
		var row []string
		for _, c := range usageColumns {
			if asked[c.by] {
				row = append(row, c.cell(r))
			}
		}
		if r.Total && grouped > 0 {
			row[0] = "total"
		}
		amount := thousands(r.Amount)
		if r.AmountIncomplete {
			amount += "+"
		}
		row = append(row, count(r.Requests), count(r.InputTokens), count(r.CachedInputTokens), count(r.OutputTokens),
			count(r.ReasoningTokens), count(r.TotalTokens), count(r.EstimatedTokens))
		for _, u := range units {
			row = append(row, count(r.quantity(u)))
		}
		rows = append(rows, append(row, amount))
	}
	return printTable(env.stdout, columns, rows)
}

// usedUnits returns the units that any row has, in the order of the total, which is the last row and has them all.
func usedUnits(data []usageRow) (units []string) {
	for _, r := range slices.Backward(data) {
		for _, q := range r.Quantities {
			if !slices.Contains(units, q.Unit) {
				units = append(units, q.Unit)
			}
		}
	}
	return units
}

func (r usageRow) quantity(unit string) int64 {
	for _, q := range r.Quantities {
		if q.Unit == unit {
			return q.Quantity
		}
	}
	return 0
}
