package deployer

import (
	"strings"
	"testing"

	"llmhub/identity"
	"llmhub/secret"
)

// What a workload may hold at the most has room in a document, with all that comes to it while an operation is under way.
func TestLargestWorkload(t *testing.T) {
	f := newFixture(t)
	values := func() map[string]any { return map[string]any{"text": strings.Repeat("v", maxInputBytes-100)} }
	w := Workload{ID: "wl_large", TenantID: f.jo.TenantID, State: Upgrading, Values: values()}
	for range maxConsents + 5 {
		w.Consents = append(w.Consents, identity.Consent{DocumentID: "terms", Title: strings.Repeat("t", 60), Digest: strings.Repeat("d", 71), ByName: strings.Repeat("n", 60), ByID: identity.NewID("usr_")})
	}
	for range maxHistory {
		w.keepHistory(Operation{ID: identity.NewID("op_"), Values: values(), Event: &Event{Message: strings.Repeat("ü", maxDetail)}, Reason: &Reason{Detail: strings.Repeat("ü", maxDetail)}})
	}
	box, err := f.seal(w.ID, sealed{
		Token: secret.New(strings.Repeat("t", 16<<10)), Licence: secret.New(strings.Repeat("l", MaxLicenceBytes)),
		Secrets: map[string]secret.Text{"a": secret.New(strings.Repeat("s", maxSecretBytes))},
	})
	if err != nil {
		t.Fatal(err)
	}
	w.Operation = &Operation{ID: "op_now", Values: values(), Sealed: box, Event: &Event{Message: strings.Repeat("m", maxDetail)}, Reason: &Reason{Detail: strings.Repeat("m", maxDetail)}}
	f.put(f.workloads.Write(w.ID, 0, w))
}
