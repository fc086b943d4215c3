package main

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"llmhub/identity"
	"llmhub/secret"
)

// TestOperatorCommands goes through the life of an operator's account, with each way to give a password.
func TestOperatorCommands(t *testing.T) {
	s, url := startServer(t)
	must := func(stdin string, args ...string) (stdout, stderr string) {
		t.Helper()
		code, stdout, stderr := commandWith(t, stdin, url, testToken, append([]string{"operator"}, args...)...)
		if code != exitOK {
			t.Fatalf("%v: exit code %d: %s", args, code, stderr)
		}
		return stdout, stderr
	}
	holds := func(name, password string) bool {
		_, err := s.people.operators.Verify(t.Context(), name, secret.New(password))
		return err == nil
	}
	password, note := must("", "create", "Ada", "--generate")
	password = strings.TrimSpace(password)
	if !regexp.MustCompile(`^[a-z0-9]{20,}$`).MatchString(password) || strings.Contains(note, password) || !strings.Contains(note, "ada") {
		t.Errorf("output %q, note %q", password, note)
	}
	if !holds("ada", password) {
		t.Error("the generated password is not the account's")
	}
	id, note := must("a password of some length\nrest\n", "create", "bob", "--password-stdin")
	if !strings.HasPrefix(id, "opr_") || strings.Contains(id+note, "of some length") || !holds("bob", "a password of some length") {
		t.Errorf("output %q, note %q", id, note)
	}
	var changed operatorAnswer
	out, _ := must("", "password", "BOB", "--generate", "--json")
	if err := json.Unmarshal([]byte(out), &changed); err != nil || !holds("bob", changed.Password) || holds("bob", "a password of some length") {
		t.Errorf("password: %s %v", out, err)
	}
	if out, _ := must("", "disable", "bob"); !strings.Contains(out, "is disabled") || holds("bob", changed.Password) {
		t.Errorf("disable: %q", out)
	}
	list, _ := must("", "list")
	if rows := strings.Join(usageFields(list), "\n"); !strings.Contains(rows, " ada active ") || !strings.Contains(rows, " bob disabled ") {
		t.Errorf("list:\n%s", list)
	}
	for _, c := range []struct {
		code  int
		stdin string
		args  []string
	}{
		{exitFailed, "", []string{"create", "ada", "--generate"}},
		{exitFailed, "short\n", []string{"create", "eve", "--password-stdin"}},
		{exitUsage, "", []string{"create", "eve", "--password-stdin"}},
		{exitUsage, "", []string{"create", "eve"}},
		{exitFailed, "", []string{"disable", "bob"}},
		{exitNotFound, "", []string{"disable", "eve"}},
		{exitNotFound, "", []string{"password", "eve", "--generate"}},
	} {
		code, stdout, stderr := commandWith(t, c.stdin, url, testToken, append([]string{"operator"}, c.args...)...)
		if code != c.code || stdout != "" || !strings.HasPrefix(stderr, "llmhub: ") {
			t.Errorf("%v: exit code %d, output %q, errors %q; want code %d", c.args, code, stdout, stderr, c.code)
		}
	}
}

// TestReviewCommands reviews a profile, suspends its tenant and finds all of it in the audit.
func TestReviewCommands(t *testing.T) {
	s, url := startServer(t)
	must := func(args ...string) string {
		t.Helper()
		code, stdout, stderr := command(t, url, testToken, args...)
		if code != exitOK {
			t.Fatalf("%v: exit code %d: %s", args, code, stderr)
		}
		return stdout
	}
	tenant := strings.TrimSpace(must("tenant", "create", "--name", "Example GmbH"))
	submit := func(company string) string {
		t.Helper()
		p, err := s.people.profiles.Submit(t.Context(), identity.Administrator(), tenant, identity.ProfileData{
			Company: company, Website: "https://www.example.com", SellerEmail: "team@example.com", MarketplaceEmail: "buy@example.com",
		})
		if err != nil {
			t.Fatal(err)
		}
		return p.Change.SubmittedAt.Format("2006-01-02T15:04:05.999999Z07:00")
	}
	old := submit("First GmbH")
	if list := must("profile", "list"); !strings.Contains(list, tenant) || !strings.Contains(list, "First GmbH") || !strings.Contains(list, old) {
		t.Errorf("list:\n%s", list)
	}
	if out := must("profile", "reject", tenant, "--reason", "no such website"); !strings.Contains(out, "is rejected") {
		t.Errorf("reject: %q", out)
	}
	seen := submit("Second GmbH")
	refuse := func(code int, says string, args ...string) {
		t.Helper()
		got, stdout, stderr := command(t, url, testToken, args...)
		if got != code || stdout != "" || !strings.Contains(stderr, says) {
			t.Errorf("%v: exit code %d, output %q, errors %q", args, got, stdout, stderr)
		}
	}
	refuse(exitFailed, "look at it again", "profile", "approve", tenant, "--submitted", old)
	refuse(exitUsage, "is no time", "profile", "approve", tenant, "--submitted", "yesterday")
	if out := must("profile", "approve", tenant, "--submitted", seen); !strings.Contains(out, "is approved: Second GmbH") {
		t.Errorf("approve: %q", out)
	}
	refuse(exitFailed, "does not wait for a review", "profile", "approve", tenant)
	refuse(exitNotFound, "no such tenant", "profile", "approve", "ten_none")

	if out := must("tenant", "suspend", tenant, "--reason", "unpaid"); !strings.Contains(out, "Second GmbH") || !strings.Contains(out, "is suspended") {
		t.Errorf("suspend: %q", out)
	}
	refuse(exitFailed, "suspended already", "tenant", "suspend", tenant, "--reason", "unpaid")
	if out := must("tenant", "resume", tenant); !strings.Contains(out, "is active") {
		t.Errorf("resume: %q", out)
	}
	audit := must("audit", "--tenant", tenant)
	for _, action := range []string{"tenant.create", "profile.reject", "no such website", "profile.approve", "tenant.suspend", "unpaid", "tenant.resume", "administrator (operator)"} {
		if !strings.Contains(audit, action) {
			t.Errorf("no %s in the audit:\n%s", action, audit)
		}
	}
	if out := must("audit", "--limit", "1"); strings.Count(out, "\n") != 2 || !strings.Contains(out, "tenant.resume") {
		t.Errorf("the latest change:\n%s", out)
	}
	if out := must("upstream", "drain", "none/m"); !strings.Contains(out, "is draining, 0 in flight") {
		t.Errorf("drain: %q", out)
	}
	if out := must("upstream", "list"); !strings.Contains(out, ", draining") {
		t.Errorf("upstreams: %q", out)
	}
	if out := must("upstream", "resume", "none/m"); !strings.Contains(out, "takes requests") {
		t.Errorf("resume: %q", out)
	}
	refuse(exitNotFound, "no such deployment", "upstream", "drain", "none/x")
	refuse(exitUsage, "needs one deployment", "upstream", "drain")
	if out := must("upstream", "list"); !strings.Contains(out, "BREAKER") || !strings.Contains(out, "closed") {
		t.Errorf("upstreams: %q", out)
	}
	var changes struct {
		Data []struct{ Before, After json.RawMessage }
	}
	if err := json.Unmarshal([]byte(must("audit", "--action", "tenant.suspend", "--json")), &changes); err != nil || len(changes.Data) != 1 || !strings.Contains(string(changes.Data[0].After), "unpaid") {
		t.Errorf("changes: %+v %v", changes, err)
	}
	refuse(exitNotFound, "no such tenant", "audit", "--tenant", "ten_none")
}
