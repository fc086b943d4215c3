package secret_test

import (
	"bytes"
	"strings"
	"testing"

	"llmhub/secret"
)

const (
	tokenForm    secret.TokenForm = "sk-lh-"
	tokenDigits                   = "abcdefghijklmnopqrstuvwxyz234567"
	tokenChars                    = 6 + 16 + 40 + 7
	tokenCRCAt                    = tokenChars - 7
	otherForm    secret.TokenForm = "lhp_"
	tokenPublics                  = 16
)

func TestTokenForm(t *testing.T) {
	seen := map[string]bool{}
	for range 1000 {
		token := tokenForm.New()
		if len(token) != tokenChars || !tokenForm.WellFormed(token) || otherForm.WellFormed(token) || !bytes.HasPrefix(token, []byte(tokenForm)) {
			t.Fatalf("%s is not well-formed", token)
		}
		if rest := strings.Trim(string(token[len(tokenForm):]), tokenDigits); rest != "" {
			t.Fatalf("%s contains %q", token, rest)
		}
		id, secret := string(tokenForm.PublicID(token)), string(token[len(tokenForm)+tokenPublics:tokenCRCAt])
		if seen[id] || seen[secret] || len(id) != tokenPublics || tokenForm.Shown(token) != string(tokenForm)+id {
			t.Fatalf("public ID %q, secret %q", id, secret)
		}
		seen[id], seen[secret] = true, true
	}
}

// Any single wrong character, and any two swapped neighbours, must be found without a look-up.
func TestTokenChecksum(t *testing.T) {
	token := tokenForm.New()
	for i := range token {
		for _, c := range []byte(tokenDigits + "A1-\x00\xff") {
			if c == token[i] {
				continue
			}
			wrong := bytes.Clone(token)
			wrong[i] = c
			if tokenForm.WellFormed(wrong) {
				t.Errorf("%s is well-formed", wrong)
			}
		}
		if i > 0 && token[i] != token[i-1] {
			wrong := bytes.Clone(token)
			wrong[i], wrong[i-1] = wrong[i-1], wrong[i]
			if tokenForm.WellFormed(wrong) {
				t.Errorf("%s is well-formed", wrong)
			}
		}
	}
	for _, wrong := range [][]byte{nil, {}, token[:len(token)-1], append(bytes.Clone(token), 'a'), []byte(tokenForm)} {
		if tokenForm.WellFormed(wrong) {
			t.Errorf("%s is well-formed", wrong)
		}
	}
}
