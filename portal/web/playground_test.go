package web_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"llmhub/portal/web"
)

const (
	canaryKey    = "sk-lh-canary-key"
	canaryPrompt = "canary <i>prompt</i>"
)

func TestPlaygroundWithoutScript(t *testing.T) {
	var asked []string
	var failure error
	f := newFixture(t, func(o *web.Options) {
		o.Chat = func(ctx context.Context, key, model, prompt string) (string, error) {
			asked = []string{key, model, prompt}
			if _, bounded := ctx.Deadline(); !bounded {
				t.Error("the answer may take for ever")
			}
			return "canary <b>answer</b>", failure
		}
	})
	f.approve("D1", "owner.one")
	b := f.signIn("D1", "owner.one")
	b.get("/playground?model=m2").wants(t, http.StatusOK, `type="password"`, `autocomplete="off"`, `value="m2" selected`, "Neither prompt nor answer is stored")
	ask := func() answer { return b.post("/playground", "key", canaryKey, "model", "m1", "prompt", canaryPrompt) }
	a := ask()
	a.wants(t, http.StatusOK, "canary &lt;b&gt;answer&lt;/b&gt;", "canary &lt;i&gt;prompt", "-"+canaryKey)
	if a.header.Get("Cache-Control") != "no-store" {
		t.Error("the answer may be kept")
	}
	if strings.Join(asked, "|") != canaryKey+"|m1|"+canaryPrompt {
		t.Errorf("asked %q", asked)
	}
	failure = &web.ChatError{Message: "Incorrect <API> key provided."}
	ask().wants(t, http.StatusUnprocessableEntity, "There is no answer", "Incorrect &lt;API&gt; key", "canary &lt;i&gt;prompt", "-"+canaryKey, "-canary &lt;b&gt;answer")
	failure = errors.New("secret detail")
	ask().wants(t, http.StatusBadGateway, "could not be reached", "-secret detail", "-"+canaryKey)
	if log := f.log.String(); strings.Contains(log, canaryKey) || strings.Contains(log, "canary") || !strings.Contains(log, "secret detail") {
		t.Errorf("the log has %s", log)
	}
}

func TestPlaygroundChecksItsForm(t *testing.T) {
	f := newFixture(t, func(o *web.Options) {
		o.Chat = func(context.Context, string, string, string) (string, error) {
			t.Error("asked with a wrong form")
			return "", nil
		}
	})
	f.approve("D1", "owner.one")
	b := f.signIn("D1", "owner.one")
	for want, form := range map[string][3]string{
		"Enter an API key.":             {" ", "m1", "hello"},
		"This is no API key.":           {strings.Repeat("k", 201), "m1", "hello"},
		"Choose one of the models.":     {"k", "m9", "hello"},
		"Enter a prompt.":               {"k", "m1", " \n"},
		"longer than 7,000 characters.": {"k", "m1", strings.Repeat("語", 7_001)},
	} {
		a := b.post("/playground", "key", form[0], "model", form[1], "prompt", form[2])
		a.wants(t, http.StatusUnprocessableEntity, want, "Please check these entries", "-"+strings.Repeat("k", 201))
	}
}
