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

	"llmhub/secret"
)

type operatorAnswer struct {
	ID         string     `json:"id"`
	Name       string     `json:"name"`
	CreatedAt  *time.Time `json:"created_at"`
	PasswordAt *time.Time `json:"password_at"`
	DisabledAt *time.Time `json:"disabled_at"`
	// Password is what was generated; the server never sends one.
	Password string `json:"password"`
}

func (o operatorAnswer) state() string {
	if o.DisabledAt != nil {
		return "disabled"
	}
	return "active"
}

func newOperatorCommand(api *apiFlags) *cobra.Command {
	return group(&cobra.Command{
		Use:   "operator",
		Short: "Create, list and disable the accounts of operators",
	}, newOperatorCreate(api), newOperatorList(api), newOperatorPassword(api), newOperatorDisable(api))
}

func newOperatorCreate(api *apiFlags) *cobra.Command {
	password := &passwordFlags{env: api.env}
	cmd := &cobra.Command{
		Use:   "create NAME [--generate | --password-stdin]",
		Short: "Create an account that can sign in to the operators' pages",
		Long: `Create an account that can sign in to the operators' pages. The password is asked for on the
terminal, read from standard input, or generated; a generated one is shown this once. It alone
goes to standard output, everything else to standard error.`,
		Example: `  llmhub operator create ada
  llmhub operator create ada --generate
  pass show llmhub/ada | llmhub operator create ada --password-stdin`,
		Args: oneName,
	}
	password.add(cmd)
	return api.command(cmd, func(cmd *cobra.Command, args []string, c *client) (json.RawMessage, error) {
		text, err := password.password()
		if err != nil {
			return nil, err
		}
		answer, err := c.post(cmd.Context(), "/operators", map[string]any{"name": args[0], "password": text.Reveal()})
		return password.shown(answer, text, err)
	}, func(text json.RawMessage) error { return showOperator(api, text, "created") })
}

// shown adds a generated password to the server's answer, which has none: it is the one chance to show it.
func (p *passwordFlags) shown(answer json.RawMessage, password secret.Text, err error) (json.RawMessage, error) {
	if err != nil || !p.generate {
		return answer, err
	}
	var fields map[string]any
	if err := json.Unmarshal(answer, &fields); err != nil {
		return nil, err
	}
	fields["password"] = password.Reveal()
	return json.Marshal(fields)
}

// showOperator prints a generated password alone on standard output, and else the ID.
func showOperator(api *apiFlags, text json.RawMessage, done string) error {
	var o operatorAnswer
	if err := json.Unmarshal(text, &o); err != nil {
		return err
	}
	if o.Password != "" {
		return api.printID(o.Password, fmt.Sprintf("operator %s (%s) %s; the password is shown this once and cannot be had again", o.Name, o.ID, done))
	}
	return api.printID(o.ID, fmt.Sprintf("operator %s %s", o.Name, done))
}

func newOperatorList(api *apiFlags) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List the accounts of operators, active and disabled",
		Example: "  llmhub operator list",
		Args:    cobra.NoArgs,
	}
	return api.command(cmd, func(cmd *cobra.Command, _ []string, c *client) (json.RawMessage, error) {
		return c.list(cmd.Context(), "/operators", url.Values{})
	}, func(text json.RawMessage) error {
		var list struct{ Data []operatorAnswer }
		if err := json.Unmarshal(text, &list); err != nil {
			return err
		}
		rows := make([][]string, len(list.Data))
		for i, o := range list.Data {
			rows[i] = []string{o.ID, o.Name, o.state(), minute(o.CreatedAt), minute(o.PasswordAt), minute(o.DisabledAt)}
		}
		return printTable(api.env.stdout, left("ID", "NAME", "STATE", "CREATED (UTC)", "PASSWORD SET (UTC)", "DISABLED (UTC)"), rows)
	})
}

func newOperatorPassword(api *apiFlags) *cobra.Command {
	password := &passwordFlags{env: api.env}
	cmd := &cobra.Command{
		Use:     "password NAME [--generate | --password-stdin]",
		Short:   "Set another password, which ends the operator's sessions",
		Example: "  llmhub operator password ada --generate",
		Args:    oneName,
	}
	password.add(cmd)
	return api.command(cmd, func(cmd *cobra.Command, args []string, c *client) (json.RawMessage, error) {
		text, err := password.password()
		if err != nil {
			return nil, err
		}
		id, err := c.operatorID(cmd.Context(), args[0])
		if err != nil {
			return nil, err
		}
		answer, err := c.post(cmd.Context(), "/operators/"+url.PathEscape(id)+"/password", map[string]any{"password": text.Reveal()})
		return password.shown(answer, text, err)
	}, func(text json.RawMessage) error { return showOperator(api, text, "has another password") })
}

func newOperatorDisable(api *apiFlags) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "disable NAME",
		Short: "End an operator's account for good",
		Long: `End an operator's account. This cannot be undone: nobody can sign in with it any more, its
sessions end, and its name stays taken. What the operator did stays in the audit.`,
		Example: "  llmhub operator disable ada",
		Args:    oneName,
	}
	return api.command(cmd, func(cmd *cobra.Command, args []string, c *client) (json.RawMessage, error) {
		id, err := c.operatorID(cmd.Context(), args[0])
		if err != nil {
			return nil, err
		}
		return c.post(cmd.Context(), "/operators/"+url.PathEscape(id)+"/disable", nil)
	}, func(text json.RawMessage) error {
		var o operatorAnswer
		if err := json.Unmarshal(text, &o); err != nil {
			return err
		}
		_, err := fmt.Fprintf(api.env.stdout, "operator %s (%s) is %s\n", clean(o.Name), clean(o.ID), o.state())
		return err
	})
}

// operatorID returns the ID of the account with a name or an ID.
func (c *client) operatorID(ctx context.Context, name string) (string, error) {
	text, err := c.list(ctx, "/operators", url.Values{})
	if err != nil {
		return "", err
	}
	var list struct{ Data []operatorAnswer }
	if err := json.Unmarshal(text, &list); err != nil {
		return "", err
	}
	for _, o := range list.Data {
		if o.ID == name || o.Name == strings.ToLower(name) {
			return o.ID, nil
		}
	}
	return "", &answerError{Status: http.StatusNotFound, Code: "not_found", Message: fmt.Sprintf("there is no operator called %q", name)}
}

// oneName takes exactly one argument, a name.
func oneName(cmd *cobra.Command, args []string) error {
	if len(args) != 1 || args[0] == "" {
		return usagef("%s needs one NAME", cmd.CommandPath())
	}
	return nil
}
