package alert

import (
	"encoding/json"
	"testing"
)

func TestProblemsHaveWords(t *testing.T) {
	words := map[string]bool{}
	for _, code := range []problemCode{badAddress, private, timeout, unreachable, badStatus, noSecret, badMessage} {
		p := Problem{Code: code}
		text, err := json.Marshal(Delivery{Problem: p})
		if err != nil {
			t.Fatal(err)
		}
		var d Delivery
		if err := json.Unmarshal(text, &d); err != nil || d.Problem != p {
			t.Errorf("%s is read as %+v, %v", text, d, err)
		}
		if words[p.String()] {
			t.Errorf("%q twice", p)
		}
		words[p.String()] = true
	}
	if none := (Problem{}); none.Fault() != nil || none.String() != "" {
		t.Error("no problem has words")
	}
}
