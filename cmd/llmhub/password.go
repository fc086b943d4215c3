package main

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"llmhub/secret"
)

// maxPasswordLine bounds what is read of a password that is piped in.
const maxPasswordLine = 4096

// passwordFlags say where a new password comes from: the terminal, if nothing else is said.
type passwordFlags struct {
	env            *environment
	generate, pipe bool
}

func (p *passwordFlags) add(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&p.generate, "generate", false, "make a password and print it, once")
	cmd.Flags().BoolVar(&p.pipe, "password-stdin", false, "read the password from the first line of standard input")
	cmd.MarkFlagsMutuallyExclusive("generate", "password-stdin")
}

// password returns the new password.
func (p *passwordFlags) password() (secret.Text, error) {
	switch terminal, ok := p.env.stdin.(*os.File); {
	case p.generate:
		return secret.New(strings.ToLower(rand.Text())), nil
	case p.pipe:
		return readPassword(p.env.stdin)
	case ok && term.IsTerminal(int(terminal.Fd())):
		return p.ask(terminal)
	}
	return secret.Text{}, &hintedError{usagef("no password is given"), "use --generate or --password-stdin where there is no terminal"}
}

// readPassword returns the first line of what is piped in.
func readPassword(from io.Reader) (secret.Text, error) {
	line, err := bufio.NewReader(io.LimitReader(from, maxPasswordLine)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return secret.Text{}, fmt.Errorf("read the password: %w", err)
	}
	line = strings.TrimRight(line, "\r\n")
	if line == "" {
		return secret.Text{}, usagef("standard input holds no password")
	}
	return secret.New(line), nil
}

// ask asks twice, without showing what is typed.
func (p *passwordFlags) ask(terminal *os.File) (secret.Text, error) {
	var typed [2][]byte
	for i, prompt := range []string{"Password: ", "Again: "} {
		fmt.Fprint(p.env.stderr, prompt)
		var err error
		typed[i], err = term.ReadPassword(int(terminal.Fd()))
		fmt.Fprintln(p.env.stderr)
		if err != nil {
			return secret.Text{}, fmt.Errorf("read the password: %w", err)
		}
	}
	if !bytes.Equal(typed[0], typed[1]) {
		return secret.Text{}, errors.New("the two passwords differ")
	}
	return secret.New(string(typed[0])), nil
}
