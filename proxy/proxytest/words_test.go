package proxytest

import (
	"strings"
	"testing"

	"github.com/tiktoken-go/tokenizer"
)

// count returns the tokens of a text under o200k_base.
func count(t *testing.T, text string) int {
	t.Helper()
	codec, err := tokenizer.Get(tokenizer.O200kBase)
	if err != nil {
		t.Fatal(err)
	}
	n, err := codec.Count(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestGeneratedWordsAreOneTokenEach(t *testing.T) {
	for _, n := range []int{1, 2, 50, 100, 4096, 10000} {
		if got := count(t, gather(Words(n)).content.String()); got != n {
			t.Errorf("%d words are %d tokens", n, got)
		}
	}
	for _, w := range strings.Fields(wordList) {
		if got := count(t, " "+w); got != 1 {
			t.Errorf("%q is %d tokens", " "+w, got)
		}
	}
}

func TestPersonaTokens(t *testing.T) {
	for _, d := range Persona().Deltas {
		if n := count(t, d.Text); n != 1 {
			t.Errorf("%q is %d tokens", d.Text, n)
		}
	}
	if got, want := count(t, gather(Persona().Deltas).content.String()), len(Persona().Deltas); got != want {
		t.Errorf("the paragraph is %d tokens, said to be %d", got, want)
	}
}
