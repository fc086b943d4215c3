package store

import (
	"context"
	"errors"
	"fmt"
)

// maxChangeAttempts bounds how often a change is prepared when other writers come between.
const maxChangeAttempts = 10

// Change puts what prepare returns, and prepares anew when another writer came between. It returns the version of the
// commit; if prepare has nothing to write it is 0. An error of prepare ends it and is returned as it is.
func Change(ctx context.Context, d Documents, prepare func() ([]Write, error)) (Version, error) {
	for range maxChangeAttempts {
		writes, err := prepare()
		if err != nil || len(writes) == 0 {
			return 0, err
		}
		version, err := d.Put(ctx, writes...)
		if errors.Is(err, ErrConflict) {
			continue
		}
		if err != nil {
			return 0, fmt.Errorf("write: %w", err)
		}
		return version, nil
	}
	return 0, fmt.Errorf("gave up after %d attempts: %w", maxChangeAttempts, ErrConflict)
}
