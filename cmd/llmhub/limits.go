package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"llmhub/limit"
)

// limitFlags are the flags that give limits.
type limitFlags struct {
	given limit.Rules
	none  bool
}

// limitNames are the flags by the JSON names of the rules, with what they are called in tables and help.
var limitNames = map[string]struct{ flag, title, usage string }{
	"requests_per_minute":      {"requests-per-minute", "requests a minute", "requests a minute"},
	"input_tokens_per_minute":  {"input-tokens-per-minute", "input tokens a minute", "input tokens a minute"},
	"output_tokens_per_minute": {"output-tokens-per-minute", "output tokens a minute", "output tokens a minute"},
	"concurrency":              {"concurrency", "requests at once", "requests under way at once"},
	"monthly_tokens":           {"monthly-tokens", "tokens a month", "input and output tokens in a month"},
}

func (l *limitFlags) add(cmd *cobra.Command) {
	for _, n := range l.given.Numbers() {
		name := limitNames[n.Name]
		cmd.Flags().Int64Var(n.Value, name.flag, 0, "at most so many "+name.usage+" (0: not limited)")
	}
	cmd.Flags().StringVar(&l.given.MonthlyAmount, "monthly-amount", "", `what a month may cost in the billing currency, such as 25.00 (0: not limited)`)
	cmd.Flags().BoolVar(&l.given.DryRun, "dry-run-limits", false, "serve what is beyond the limits all the same, and mark it")
}

// addNone adds the flag that ends all limits.
func (l *limitFlags) addNone(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&l.none, "none", false, "end all limits")
	for _, n := range l.given.Numbers() {
		cmd.MarkFlagsMutuallyExclusive("none", limitNames[n.Name].flag)
	}
	cmd.MarkFlagsMutuallyExclusive("none", "monthly-amount")
	cmd.MarkFlagsMutuallyExclusive("none", "dry-run-limits")
}

// change returns the limits with those that the command line gives, and whether it gives any.
func (l *limitFlags) change(cmd *cobra.Command, rules limit.Rules) (_ limit.Rules, changed bool) {
	if l.none {
		return limit.Rules{}, true
	}
	into := rules.Numbers()
	for i, n := range l.given.Numbers() {
		if cmd.Flags().Changed(limitNames[n.Name].flag) {
			*into[i].Value, changed = *n.Value, true
		}
	}
	if cmd.Flags().Changed("monthly-amount") {
		rules.MonthlyAmount, changed = l.given.MonthlyAmount, true
		if strings.Trim(rules.MonthlyAmount, "0.") == "" {
			rules.MonthlyAmount = "" // as 0 ends the others
		}
	}
	if cmd.Flags().Changed("dry-run-limits") {
		rules.DryRun, changed = l.given.DryRun, true
	}
	return rules, changed
}

// limitsAnswer is what a key, a subscription and each of its models show of their limits.
type limitsAnswer struct {
	Model  string      `json:"model"`
	Limits limit.Rules `json:"limits"`
	Budget *struct {
		RenewsAt       *time.Time `json:"renews_at"`
		SpentTokens    int64      `json:"spent_tokens"`
		ReservedTokens int64      `json:"reserved_tokens"`
		SpentAmount    string     `json:"spent_amount"`
		ReservedAmount string     `json:"reserved_amount"`
		Currency       string     `json:"currency"`
	} `json:"budget"`
}

// rows are the limits as a table shows them; of is what they are for.
func (a limitsAnswer) rows(of string) [][]string {
	var rows [][]string
	dry := map[bool]string{true: "yes", false: "no"}[a.Limits.DryRun]
	for _, n := range a.Limits.Numbers() {
		if *n.Value == 0 {
			continue
		}
		row := []string{of, limitNames[n.Name].title, count(*n.Value), "-", "-", "-", dry}
		if b := a.Budget; b != nil && n.Name == "monthly_tokens" {
			row[3], row[4], row[5] = count(b.SpentTokens), count(b.ReservedTokens), minute(b.RenewsAt)
		}
		rows = append(rows, row)
	}
	if a.Limits.MonthlyAmount != "" {
		row := []string{of, "money a month", thousands(a.Limits.MonthlyAmount), "-", "-", "-", dry}
		if b := a.Budget; b != nil {
			row[1], row[3], row[4], row[5] = b.Currency+" a month", thousands(b.SpentAmount), thousands(b.ReservedAmount), minute(b.RenewsAt)
		}
		rows = append(rows, row)
	}
	return rows
}

func (env *environment) printLimits(rows [][]string) error {
	if len(rows) == 0 {
		_, err := fmt.Fprintln(env.stdout, "no limits")
		return err
	}
	columns := left("FOR", "LIMIT", "VALUE", "USED", "RESERVED", "RENEWS (UTC)", "DRY RUN")
	columns[2].right, columns[3].right, columns[4].right = true, true, true
	return printTable(env.stdout, columns, rows)
}

const limitsHelp = `Limits that are not named stay as they are; 0 ends one, --none all of them. Without a flag
they are shown, with what has been used of the budgets of this month. What is set is in force
when the command returns. Months are those of the billing time zone.`

func newKeyLimits(api *apiFlags) *cobra.Command {
	var flags limitFlags
	cmd := &cobra.Command{
		Use:   "limits ID [--requests-per-minute N] [--monthly-tokens N] [--monthly-amount AMOUNT] … | --none",
		Short: "Show or set the limits of a key",
		Long:  "Show or set the limits of a key.\n\n" + limitsHelp,
		Example: `  llmhub key limits KEY_ID
  llmhub key limits KEY_ID --monthly-amount 25.00 --requests-per-minute 60
  llmhub key limits KEY_ID --monthly-tokens 0
  llmhub key limits KEY_ID --none`,
		Args: oneID,
	}
	flags.add(cmd)
	flags.addNone(cmd)
	return api.command(cmd, func(cmd *cobra.Command, args []string, c *client) (json.RawMessage, error) {
		path := "/keys/" + url.PathEscape(args[0])
		var now limitsAnswer
		text, err := c.getInto(cmd.Context(), path, &now)
		if err != nil {
			return nil, err
		}
		rules, changed := flags.change(cmd, now.Limits)
		if !changed {
			return text, nil
		}
		return c.put(cmd.Context(), path+"/limits", map[string]any{"limits": rules})
	}, func(text json.RawMessage) error {
		var a limitsAnswer
		if err := json.Unmarshal(text, &a); err != nil {
			return err
		}
		return api.env.printLimits(a.rows("key"))
	})
}

// subscriptionLimitsAnswer is a subscription with the limits of its models.
type subscriptionLimitsAnswer struct {
	limitsAnswer
	ModelLimits []limitsAnswer `json:"model_limits"`
}

// of returns the limits of a model, or those of all use together.
func (a subscriptionLimitsAnswer) of(model string) limit.Rules {
	if model == "" {
		return a.Limits
	}
	for _, m := range a.ModelLimits {
		if m.Model == model {
			return m.Limits
		}
	}
	return limit.Rules{}
}

func newSubscriptionLimits(api *apiFlags) *cobra.Command {
	var flags limitFlags
	var model string
	cmd := &cobra.Command{
		Use:   "limits ID [--model NAME] [--requests-per-minute N] [--monthly-tokens N] [--monthly-amount AMOUNT] … | --none",
		Short: "Show or set the limits of a subscription, or of its use of a model",
		Long: `Show or set the limits of a subscription: of all use together, or of the use of one model.
Setting them takes an operator's rights.

` + limitsHelp,
		Example: `  llmhub subscription limits SUBSCRIPTION
  llmhub subscription limits SUBSCRIPTION --monthly-amount 500.00
  llmhub subscription limits SUBSCRIPTION --model gpt-4o --output-tokens-per-minute 20000
  llmhub subscription limits SUBSCRIPTION --model gpt-4o --none`,
		Args: oneID,
	}
	cmd.Flags().StringVar(&model, "model", "", "limits of this model's use")
	flags.add(cmd)
	flags.addNone(cmd)
	return api.command(cmd, func(cmd *cobra.Command, args []string, c *client) (json.RawMessage, error) {
		path := "/subscriptions/" + url.PathEscape(args[0])
		var now subscriptionLimitsAnswer
		text, err := c.getInto(cmd.Context(), path, &now)
		if err != nil {
			return nil, err
		}
		rules, changed := flags.change(cmd, now.of(model))
		if !changed {
			return text, nil
		}
		return c.put(cmd.Context(), path+"/limits", map[string]any{"model": model, "limits": rules})
	}, func(text json.RawMessage) error {
		var a subscriptionLimitsAnswer
		if err := json.Unmarshal(text, &a); err != nil {
			return err
		}
		var rows [][]string
		if model == "" {
			rows = a.rows("all models")
		}
		for _, m := range a.ModelLimits {
			if model == "" || m.Model == model {
				rows = append(rows, m.rows(m.Model)...)
			}
		}
		return api.env.printLimits(rows)
	})
}

// getInto reads an answer, and returns it as it came, too.
func (c *client) getInto(ctx context.Context, path string, into any) (json.RawMessage, error) {
	text, err := c.get(ctx, path, nil)
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(text, into); err != nil {
		return nil, fmt.Errorf("the answer is not understood: %w", err)
	}
	return text, nil
}

func (c *client) put(ctx context.Context, path string, body any) (json.RawMessage, error) {
	text, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	return c.do(ctx, http.MethodPut, path, text)
}
