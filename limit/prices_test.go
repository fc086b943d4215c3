package limit

import (
	"testing"
	"time"

	"llmhub/metering"
	"llmhub/store"
)

// TestMonthThatBeginsWithoutMidnight has clocks put forward at the midnight that a month begins with: what was used in the
// hour before it, and is committed behind it, belongs to the old month.
func TestMonthThatBeginsWithoutMidnight(t *testing.T) {
	loc, err := time.LoadLocation("America/Asuncion")
	if err != nil {
		t.Fatal(err)
	}
	begins := time.Date(2023, 10, 1, 4, 0, 0, 0, time.UTC) // 1:00 there; a second before, it was 23:59:59
	ledger := &fakeLedger{loc: loc, seqs: map[uint64]bool{}}
	now := begins.Add(10 * time.Second)
	e := New(Options{
		Ledger: ledger, Location: loc, Prices: func() metering.PriceList { return nil },
		KeysOf: func(string) []string { return nil }, SubscriptionOf: subOf, Now: func() time.Time { return now },
	})
	scope := Scope{ID: "key_1.1", Rules: &Rules{MonthlyTokens: 1000}}
	if _, err := e.Budget(t.Context(), scope); err != nil { // loads the new month
		t.Fatal(err)
	}
	events := []store.Event{
		{ID: store.NewRequestID(1, 1), Key: scope.ID, Model: "m", At: begins.Add(-10 * time.Minute), Tokens: store.Tokens{Input: 5}},
		{ID: store.NewRequestID(1, 2), Key: scope.ID, Model: "m", At: begins.Add(5 * time.Second), Tokens: store.Tokens{Input: 70}},
	}
	if err := e.Ledger(ledger).Commit(t.Context(), store.Batch{Source: 1, Seq: 1, Events: events}); err != nil {
		t.Fatal(err)
	}
	if b, err := e.Budget(t.Context(), scope); err != nil || b.SpentTokens != 70 {
		t.Errorf("%d tokens spent, %v; want 70", b.SpentTokens, err)
	}
}
