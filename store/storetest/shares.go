package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"llmhub/store"
)

// Shares checks an engine's store.Shares. open returns two that share their rows, which are empty at the beginning.
func Shares(t *testing.T, open func(t *testing.T) (a, b store.Shares)) {
	for _, c := range []struct {
		name string
		test func(t *testing.T, a, b store.Shares)
	}{
		{"rows are stored and deleted", testSharesStored},
		{"a trade that fails stores nothing", testSharesFailed},
		{"trades of a row come one after the other", testSharesInTurn},
		{"a trade ends with its context", testSharesCancelled},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, b := open(t)
			c.test(t, a, b)
		})
	}
}

// trade sets rows, and returns what they were.
func trade(t *testing.T, s store.Shares, set map[string]string, ids ...string) map[string]string {
	t.Helper()
	old := map[string]string{}
	err := s.Trade(t.Context(), ids, func(_ time.Time, rows []store.ShareRow) error {
		for i := range rows {
			if rows[i].ID != ids[i] {
				return fmt.Errorf("row %d is %q, want %q", i, rows[i].ID, ids[i])
			}
			if rows[i].Data != nil {
				old[rows[i].ID] = string(rows[i].Data)
			}
			if data, ok := set[rows[i].ID]; ok && data == "" {
				rows[i].Data = nil
			} else if ok {
				rows[i].Data = []byte(data)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return old
}

func wantRows(t *testing.T, got map[string]string, want ...string) {
	t.Helper()
	if len(got) != len(want)/2 {
		t.Errorf("rows are %q, want %q", got, want)
	}
	for i := 0; i < len(want); i += 2 {
		if got[want[i]] != want[i+1] {
			t.Errorf("row %s is %q, want %q", want[i], got[want[i]], want[i+1])
		}
	}
}

func testSharesStored(t *testing.T, a, b store.Shares) {
	wantRows(t, trade(t, a, map[string]string{"key_1": `{"a": 1}`, "sub_1/m": `{}`}, "key_1", "key_2", "sub_1/m"))
	wantRows(t, trade(t, b, map[string]string{"key_1": `{"a": 2}`}, "key_1", "key_2"), "key_1", `{"a": 1}`)
	wantRows(t, trade(t, a, map[string]string{"key_1": "", "sub_1/m": ""}, "key_1", "sub_1/m"), "key_1", `{"a": 2}`, "sub_1/m", `{}`)
	wantRows(t, trade(t, b, nil, "key_1", "key_2", "sub_1/m"))
	ids, set := make([]string, store.MaxShareRows), map[string]string{}
	for i := range ids {
		ids[i] = fmt.Sprintf("key_%04d", i)
		set[ids[i]] = fmt.Sprint(i)
	}
	trade(t, a, set, ids...)
	if got := trade(t, b, nil, ids...); len(got) != len(ids) || got["key_0200"] != "200" {
		t.Errorf("%d of %d rows; one is %q", len(got), len(ids), got["key_0200"])
	}
}

func testSharesFailed(t *testing.T, a, b store.Shares) {
	trade(t, a, map[string]string{"x": "1"}, "x")
	trouble := errors.New("trouble")
	err := a.Trade(t.Context(), []string{"x", "y"}, func(_ time.Time, rows []store.ShareRow) error {
		rows[0].Data, rows[1].Data = []byte("2"), []byte("2")
		return trouble
	})
	if !errors.Is(err, trouble) {
		t.Errorf("a trade whose function fails: %v", err)
	}
	wantRows(t, trade(t, b, nil, "x", "y"), "x", "1")
}

// testSharesInTurn has both count in the same rows at once.
func testSharesInTurn(t *testing.T, a, b store.Shares) {
	const each = 25
	var wg sync.WaitGroup
	var last sync.Map
	for _, s := range []store.Shares{a, b, a, b} {
		wg.Go(func() {
			for range each {
				err := s.Trade(t.Context(), []string{"n", "o"}, func(now time.Time, rows []store.ShareRow) error {
					n := 0
					if rows[0].Data != nil {
						if _, err := fmt.Sscan(string(rows[0].Data), &n); err != nil {
							return err
						}
					}
					if before, ok := last.Load("time"); ok && now.Before(before.(time.Time)) {
						return fmt.Errorf("time goes back from %v to %v", before, now)
					}
					last.Store("time", now)
					rows[0].Data, rows[1].Data = fmt.Append(nil, n+1), []byte("x")
					return nil
				})
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	wantRows(t, trade(t, a, nil, "n", "o"), "n", fmt.Sprint(4*each), "o", "x")
}

// testSharesCancelled has one wait for a row that another one holds.
func testSharesCancelled(t *testing.T, a, b store.Shares) {
	held, release := make(chan struct{}), make(chan struct{})
	done := make(chan error, 1)
	go func() {
		done <- a.Trade(t.Context(), []string{"x"}, func(_ time.Time, rows []store.ShareRow) error {
			close(held)
			<-release
			rows[0].Data = []byte("1")
			return nil
		})
	}()
	<-held
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	err := b.Trade(ctx, []string{"x"}, func(time.Time, []store.ShareRow) error { return errors.New("the row is held by another one") })
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a trade that waits for too long: %v", err)
	}
	close(release)
	if err := <-done; err != nil {
		t.Error(err)
	}
	wantRows(t, trade(t, b, nil, "x"), "x", "1")
}
