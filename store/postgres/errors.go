package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"llmhub/store"
)

// The SQLSTATEs that decide what is done.
const (
	stateNumberTooLarge   = "22003"
	stateCheckViolation   = "23514"
	stateUniqueViolation  = "23505"
	stateReadOnly         = "25006"
	stateSerialization    = "40001"
	stateDeadlock         = "40P01"
	stateDiskFull         = "53100"
	stateLockNotAvailable = "55P03"
	stateQueryCanceled    = "57014"
	stateDataCorrupted    = "XX001"
	stateIndexCorrupted   = "XX002"
)

// sqlState returns the SQLSTATE of an error of the server, empty for any other error.
func sqlState(err error) string {
	var e *pgconn.PgError
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// translate gives an error of the driver the kind that package store has for it. Errors of connecting lose the outer
// text of the driver, which repeats parts of the URL.
func translate(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if cause := ctx.Err(); cause != nil && !errors.Is(err, cause) {
		return fmt.Errorf("%w: %w", cause, err)
	}
	switch sqlState(err) {
	case stateDiskFull:
		return fmt.Errorf("%w: %w", store.ErrNoSpace, err)
	case stateDataCorrupted, stateIndexCorrupted:
		return fmt.Errorf("%w: %w", store.ErrDamaged, err)
	case stateNumberTooLarge:
		return fmt.Errorf("%w: %w", store.ErrInvalid, err)
	}
	var connect *pgconn.ConnectError
	if errors.As(err, &connect) {
		return fmt.Errorf("cannot connect to PostgreSQL: %w", connect.Unwrap())
	}
	return err
}

// passing says whether the same call may succeed later without anybody changing anything but the server: it was away,
// changed its role, or had another transaction in the way.
func passing(err error) bool {
	switch code := sqlState(err); code {
	case stateReadOnly, stateSerialization, stateDeadlock, stateLockNotAvailable, stateQueryCanceled:
		return true
	case "":
	default:
		// 08: connection, 53: resources other than the disk, 57: shut down or starting.
		return code != stateDiskFull && (code[:2] == "08" || code[:2] == "53" || code[:2] == "57")
	}
	var network net.Error
	var connect *pgconn.ConnectError
	return errors.As(err, &network) || errors.As(err, &connect) || errors.Is(err, io.EOF) ||
		errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, context.DeadlineExceeded) ||
		errors.Is(err, net.ErrClosed) || pgconn.Timeout(err) || pgconn.SafeToRetry(err)
}

// noRows says whether a query has found nothing.
func noRows(err error) bool { return errors.Is(err, pgx.ErrNoRows) }

// unreachable says whether an error shows that the server is away or not of use, rather than busy with others.
func unreachable(err error) bool {
	switch sqlState(err) {
	case stateSerialization, stateDeadlock, stateLockNotAvailable, stateQueryCanceled:
		return false
	}
	return err != nil && passing(err) && !errors.Is(err, context.Canceled)
}
