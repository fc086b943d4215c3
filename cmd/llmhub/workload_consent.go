package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// consentFlags say which documents are accepted.
type consentFlags struct {
	accept []string
	all    bool
}

func (f *consentFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringArrayVar(&f.accept, "accept", nil, "accept a document that you have read, as `DOCUMENT=DIGEST`")
	cmd.Flags().BoolVar(&f.all, "accept-all", false, "accept all documents of the product as they are now, and print which")
	cmd.MarkFlagsMutuallyExclusive("accept", "accept-all")
}

// termsAnswer is a document of a product. Texts are by language.
type termsAnswer struct {
	ID      string            `json:"id"`
	Title   map[string]string `json:"title"`
	Version string            `json:"version"`
	Date    string            `json:"date"`
	Digest  string            `json:"digest"`
	Consent bool              `json:"consent"`
	Content map[string]string `json:"content"`
}

func (d termsAnswer) row() []string {
	return []string{d.ID, d.Title["en"], d.Version, d.Date, d.Digest}
}

var documentTitles = left("DOCUMENT", "TITLE", "VERSION", "DATE", "DIGEST")

// documents returns the documents of a product.
func (c *client) documents(ctx context.Context, productID string) (json.RawMessage, []termsAnswer, error) {
	text, err := c.get(ctx, productPath(productID), nil)
	if err != nil {
		return nil, nil, err
	}
	var product struct{ Documents []termsAnswer }
	if err := json.Unmarshal(text, &product); err != nil {
		return nil, nil, err
	}
	list, err := json.Marshal(map[string]any{"data": product.Documents})
	return list, product.Documents, err
}

// accepted returns the consents that the server is sent, each to a text that its digest names. What is accepted without
// having been named is printed; nothing is accepted silently.
func (f *consentFlags) accepted(ctx context.Context, env *environment, c *client, productID string) ([]map[string]string, error) {
	given, err := f.given()
	if err != nil {
		return nil, err
	}
	_, documents, err := c.documents(ctx, productID)
	if err != nil {
		return nil, err
	}
	consents, missing := []map[string]string{}, [][]string{}
	for _, d := range documents {
		if !d.Consent {
			continue
		}
		digest, named := given[d.ID]
		delete(given, d.ID)
		if !named {
			digest = d.Digest
			missing = append(missing, d.row())
		}
		consents = append(consents, map[string]string{"document_id": d.ID, "digest": digest})
	}
	for _, id := range slices.Sorted(maps.Keys(given)) {
		return nil, usagef("--accept: %s has no document %q that has to be accepted", clean(productID), id)
	}
	if len(missing) == 0 {
		return consents, nil
	}
	heading := "You accept, as they are now:"
	if !f.all {
		heading = "To be accepted:"
	}
	fmt.Fprintln(env.stderr, heading)
	if err := printTable(env.stderr, documentTitles, missing); err != nil || f.all {
		return consents, err
	}
	return nil, &hintedError{
		usagef("%s: %s still to be accepted", clean(productID), plural(len(missing), "document")),
		fmt.Sprintf("read each with llmhub workload documents %s DOCUMENT, then give --accept DOCUMENT=DIGEST, or --accept-all", clean(productID)),
	}
}

// given returns the digests by document of --accept.
func (f *consentFlags) given() (map[string]string, error) {
	given := map[string]string{}
	for _, s := range f.accept {
		id, digest, ok := strings.Cut(s, "=")
		if !ok || id == "" || digest == "" {
			return nil, &hintedError{
				usagef("--accept must be DOCUMENT=DIGEST, the digest being that of the text that was read"),
				"llmhub workload documents PRODUCT lists documents with their digests",
			}
		}
		given[id] = digest
	}
	return given, nil
}

func newWorkloadDocuments(api *apiFlags) *cobra.Command {
	var lang string
	var one bool
	cmd := &cobra.Command{
		Use:   "documents PRODUCT [DOCUMENT]",
		Short: "List the documents that come with a product, or print one",
		Example: `  llmhub workload documents valkey
  llmhub workload documents valkey eula --lang de`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) < 1 || len(args) > 2 || args[0] == "" {
				return usagef("%s needs a PRODUCT, and perhaps a DOCUMENT", cmd.CommandPath())
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&lang, "lang", "en", "language of the text, if the document has it")
	return api.command(cmd, func(cmd *cobra.Command, args []string, c *client) (json.RawMessage, error) {
		if one = len(args) == 2; one {
			return c.get(cmd.Context(), productPath(args[0])+"/documents/"+url.PathEscape(args[1]), nil)
		}
		list, _, err := c.documents(cmd.Context(), args[0])
		return list, err
	}, func(text json.RawMessage) error {
		if one {
			return showDocument(api.env, text, lang)
		}
		var list struct{ Data []termsAnswer }
		if err := json.Unmarshal(text, &list); err != nil {
			return err
		}
		rows := make([][]string, len(list.Data))
		for i, d := range list.Data {
			rows[i] = append(d.row(), yes(d.Consent))
		}
		return printTable(api.env.stdout, append(documentTitles[:len(documentTitles):len(documentTitles)], column{title: "TO BE ACCEPTED"}), rows)
	})
}

// showDocument prints the text on standard output, and by which digest it is accepted on standard error.
func showDocument(env *environment, text json.RawMessage, lang string) error {
	var d termsAnswer
	if err := json.Unmarshal(text, &d); err != nil {
		return err
	}
	content, ok := d.Content[lang]
	if !ok {
		content = d.Content["en"]
	}
	if _, err := fmt.Fprintln(env.stdout, cleanLines(strings.TrimSpace(content))); err != nil {
		return err
	}
	_, err := fmt.Fprintf(env.stderr, "%s, version %s of %s: accept it with --accept %s=%s\n", clean(d.Title["en"]), clean(d.Version), clean(d.Date), clean(d.ID), clean(d.Digest))
	return err
}
