package store

import (
	"context"
	"time"
)

// ShareRow is what replicas know together of one thing that they divide.
type ShareRow struct {
	ID string
	// Data is nil for a row that does not exist, and where it is to be deleted. The engine does not look into it.
	Data []byte
}

// MaxShareRows bounds the rows of one trade.
const MaxShareRows = 256

// Shares keeps what replicas divide among themselves. Engines that serve one process alone have none. Trade may be called
// concurrently.
type Shares interface {
	// Trade locks the rows of the IDs, which are sorted and at most MaxShareRows, calls f with them and with the
	// engine's time, and stores what f has left in them: all or nothing, and nothing if f fails. f must not wait for
	// another trade. After an error of the engine's own the rows may have been stored all the same.
	Trade(ctx context.Context, ids []string, f func(now time.Time, rows []ShareRow) error) error
}
