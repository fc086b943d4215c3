package proxytest

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestCasesAgainstTheProvider plays the cases without a gateway between: what a case wants must be what the provider hands
// out, and Check must accept the bytes as they are where the client is to see them all.
func TestCasesAgainstTheProvider(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range Pathologies() {
		if seen[c.Name] {
			t.Errorf("two cases are named %s", c.Name)
		}
		seen[c.Name] = true
		if c.Leave != Stay || c.Revoke || c.ShortIdle || c.Want.Bytes == HTTPError || c.Script.Usage == UsageReject {
			continue
		}
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			p := start(t, Options{})
			p.Script(c.Model, c.Script)
			status, body, _ := postAs(t, p, c.Path, c.ContentType, c.Body)
			sent, _ := p.Sent(p.Requests()[0].ID)
			if c.Want.Bytes == Identical {
				if err := c.Check(status, []byte(body), sent); err != nil {
					t.Error(err)
				}
			}
			checkVisible(t, c, sent)
			got := p.Totals().All.HandedOut
			if err := c.CheckRequest(p.Requests()[0]); err != nil {
				t.Error(err)
			}
			if got.Prompt < c.Want.Least.Prompt || got.Prompt > c.Want.Most.Prompt || got.Output > c.Want.Most.Output {
				if c.Name != "reasoning-outside" {
					t.Errorf("handed out %+v, want %+v", got, c.Want.Most)
				}
			}
			if good := c.Script.Cut.At == NoCut && c.Script.Fault.Body == ""; sent.Finished != good {
				t.Errorf("finished is %v, want %v", sent.Finished, good)
			}
		})
	}
}

// checkVisible checks that Visible is what Check accepts of a gateway that strips, and that it is free of usage.
func checkVisible(t *testing.T, c Case, sent Sent) {
	t.Helper()
	if c.Want.Bytes != Stripped && c.Want.Bytes != ThenError {
		return
	}
	body := sent.Visible
	if strings.Contains(c.Path, "completions") && strings.Contains(string(body), `"usage"`) {
		t.Errorf("usage is visible: %q", body)
	}
	if c.AsksUsage() {
		body = sent.Wire[:sent.Events[len(sent.Events)-1]]
	}
	errorEvent := "data: " + apiError("api_error", "", "Cut.") + "\n\n"
	for _, e := range []*eventAPI{&responsesAPI, &messagesAPI} {
		if c.Path == e.path {
			errorEvent = "event: error\ndata: " + e.errorBody + "\n\n"
		}
	}
	if c.Want.Bytes == ThenError {
		body = append(body, errorEvent...)
	}
	if err := c.Check(200, body, sent); err != nil {
		t.Error(err)
	}
	for name, wrong := range map[string][]byte{
		"one byte less": body[:len(body)-1],
		"doubled":       append(append([]byte(nil), body...), body...),
		"not stripped":  append(append([]byte(nil), sent.Wire...), errorEvent+errorEvent...),
		"nothing":       nil,
	} {
		if c.Check(200, wrong, sent) == nil {
			t.Errorf("Check accepts %s", name)
		}
	}
}

func TestCaseTokensAgreeWithTheTokenizer(t *testing.T) {
	if got := 3 + count(t, "user") + count(t, promptText) + 3; got != casePrompt {
		t.Errorf("the prompt counts %d", got)
	}
	if got := count(t, promptText); got != legacyPrompt {
		t.Errorf("the legacy prompt counts %d", got)
	}
	if got := count(t, callName) + count(t, strings.Join(callArguments, "")); got != callTokens {
		t.Errorf("the tool call counts %d", got)
	}
	for _, c := range Pathologies() {
		g := gather(c.Script.Deltas)
		if c.Want.Provenance != "estimated" || c.Script.Deltas == nil || len(g.tools) > 0 {
			continue
		}
		got := int64(count(t, g.content.String()) + count(t, g.reasoning.String()) + count(t, g.refusal.String()))
		if got != c.Want.Most.Output {
			t.Errorf("%s: the texts count %d, the case wants %d", c.Name, got, c.Want.Most.Output)
		}
	}
}

func TestCheckUsage(t *testing.T) {
	c := Case{Want: exact(Stripped, "upstream", Usage{Prompt: 3, Cached: 1, Output: 2, Reasoning: 1})}
	if err := c.CheckUsage("upstream", c.Want.Least); err != nil {
		t.Error(err)
	}
	if c.CheckUsage("partial", c.Want.Least) == nil {
		t.Error("a wrong provenance is accepted")
	}
	for _, d := range []Usage{{Prompt: 1}, {Cached: 1}, {Output: 1}, {Reasoning: 1}, {Prompt: -1}, {Output: -1}} {
		u := c.Want.Least
		u.add(d)
		if c.CheckUsage("upstream", u) == nil {
			t.Errorf("%+v is accepted", u)
		}
	}
}

func TestHeartbeatsMayStandBetweenEvents(t *testing.T) {
	for in, want := range map[string]string{
		": hb\ndata: 1\n\n: hb\n: hb\ndata: 2\n\n: hb\n": "data: 1\n\ndata: 2\n\n",
		"data: 1\r\n\r\n: hb\ndata: 2\r\n\r\n":           "data: 1\r\n\r\ndata: 2\r\n\r\n",
		"data: 1\n: hb\n\n":                              "data: 1\n: hb\n\n",
		"data: : hb\n\n":                                 "data: : hb\n\n",
	} {
		if got := string(withoutHeartbeats([]byte(in))); got != want {
			t.Errorf("%q became %q, want %q", in, got, want)
		}
	}
}

// TestPaceIsSeen reads a paced stream event by event: each one is written when it is due, not kept for the next.
func TestPaceIsSeen(t *testing.T) {
	p := start(t, Options{})
	p.Script("m", Script{Words: 2, Pace: time.Hour})
	resp, err := http.Post(p.URL()+"/chat/completions", "application/json", strings.NewReader(streamBody))
	if err != nil {
		t.Fatal(err)
	}
	var got strings.Builder
	for buf := make([]byte, 512); strings.Count(got.String(), "\n\n") < 2; {
		n, err := resp.Body.Read(buf)
		if got.Write(buf[:n]); err == io.EOF {
			t.Fatal("the stream ended")
		}
	}
	resp.Body.Close()
	http.DefaultClient.CloseIdleConnections()
	waitFor(t, func() bool { return p.Active() == 0 })
	if u := p.Totals().All.HandedOut; u.Output != 1 {
		t.Errorf("handed out %+v, want one token", u)
	}
}
