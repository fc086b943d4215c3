package main

import (
	"encoding/json"
	"strings"

	"github.com/spf13/cobra"

	"llmhub/secret"
)

const (
	// iamVariable is OpenStack's own name for it.
	iamVariable      = "OS_TOKEN"
	maxIAMTokenBytes = 32 << 10
	// codeAccessEnded is the server's for an IAM token that does not hold any more.
	codeAccessEnded = "access-ended"
)

// clusterCommand completes a command whose call may reach clusters of the cloud: an IAM token goes along if there is one.
func (a *apiFlags) clusterCommand(
	cmd *cobra.Command,
	call func(cmd *cobra.Command, args []string, c *client) (json.RawMessage, error),
	show func(text json.RawMessage) error,
) *cobra.Command {
	var file string
	cmd.Flags().StringVar(&file, "iam-token-file", "", "file with a token of the identity service, for clusters of the cloud (default "+iamVariable+")")
	return a.command(cmd, func(cmd *cobra.Command, args []string, c *client) (_ json.RawMessage, err error) {
		if c.iamToken, err = a.iamToken(file); err != nil {
			return nil, err
		}
		return call(cmd, args, c)
	}, show)
}

// iamToken returns the token in a file, or else that of the environment; it is not set if there is none.
func (a *apiFlags) iamToken(file string) (secret.Text, error) {
	text, _ := a.env.lookup(iamVariable)
	from := iamVariable
	if file != "" {
		data, err := a.env.readInput(file, maxIAMTokenBytes)
		if err != nil {
			return secret.Text{}, err
		}
		text, from = string(data), file
	}
	text = strings.TrimSpace(text)
	switch {
	case file != "" && text == "":
		return secret.Text{}, usagef("%s holds no IAM token", from)
	case len(text) > maxIAMTokenBytes || !printable(text):
		return secret.Text{}, usagef("%s is no IAM token: it contains spaces or characters other than ASCII, or is too long", from)
	}
	return secret.New(text), nil
}
