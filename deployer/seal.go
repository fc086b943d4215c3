package deployer

import (
	"bytes"
	"encoding/gob"
	"fmt"
	"time"

	"llmhub/secret"
)

// sealed is what a document keeps that nobody may read: a draft its secrets and licence, an operation the token of its
// project, too.
type sealed struct {
	// Token is one of the target's project, made for the operation alone; not set for a configured cluster. TokenEnds is
	// until when it holds.
	Token     secret.Text
	TokenEnds time.Time
	// Secrets are those of the values, by path.
	Secrets map[string]secret.Text
	// Licence is what is put into the product's Secret, and need not be text.
	Licence secret.Text
}

// openSealed is a sealed as bytes are made of it. Gob keeps a licence as it is, where JSON would take a third more of the
// room that a document has.
type openSealed struct {
	Token     string
	TokenEnds time.Time
	Secrets   map[string]string
	Licence   []byte
}

// seal returns the sealed form of c, which only open with the same ID can read; nil for nothing.
func (s *Service) seal(documentID string, c sealed) ([]byte, error) {
	if !c.Token.IsSet() && len(c.Secrets) == 0 && !c.Licence.IsSet() {
		return nil, nil
	}
	plain := openSealed{Token: c.Token.Reveal(), TokenEnds: c.TokenEnds, Licence: []byte(c.Licence.Reveal()), Secrets: map[string]string{}}
	for path, text := range c.Secrets {
		plain.Secrets[path] = text.Reveal()
	}
	var b bytes.Buffer
	if err := gob.NewEncoder(&b).Encode(plain); err != nil {
		return nil, fmt.Errorf("encode what is sealed for %s: %w", documentID, err)
	}
	return s.o.Sealer.Seal(documentID, secret.New(b.String())), nil
}

// open returns what seal has sealed for the document; nothing gives the zero value. The error wraps secret.ErrSealed.
func (s *Service) open(documentID string, box []byte) (sealed, error) {
	c := sealed{Secrets: map[string]secret.Text{}}
	if len(box) == 0 {
		return c, nil
	}
	text, err := s.o.Sealer.Open(documentID, box)
	if err != nil {
		return c, fmt.Errorf("open what is sealed for %s: %w", documentID, err)
	}
	var plain openSealed
	if err := gob.NewDecoder(bytes.NewReader([]byte(text.Reveal()))).Decode(&plain); err != nil {
		// The decoder's own text is left out: it may quote.
		return c, fmt.Errorf("decode what is sealed for %s: %w", documentID, secret.ErrSealed)
	}
	c.Token, c.TokenEnds, c.Licence = secret.New(plain.Token), plain.TokenEnds, secret.New(string(plain.Licence))
	for path, text := range plain.Secrets {
		c.Secrets[path] = secret.New(text)
	}
	return c, nil
}
