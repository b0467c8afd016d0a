package call

import (
	"errors"

	"github.com/partita-db/partita/internal/api/wire"
	"github.com/partita-db/partita/internal/db"
)

// Worded returns err as DynamoDB words it, or nil for one that is ours alone. It knows the errors
// that package db returns to several operations. Those that one operation words by itself are a
// *wire.Error already when they come here.
func Worded(err error) *wire.Error {
	var e *wire.Error
	if errors.As(err, &e) {
		return e
	}
	switch {
	case errors.Is(err, db.ErrTableNotFound):
		return wire.ErrNotFound
	case errors.Is(err, db.ErrCollectionTooLarge):
		return wire.NewError("ItemCollectionSizeLimitExceededException", "Collection size exceeded.")
	case errors.Is(err, db.ErrTransactionConflict):
		return wire.NewError("TransactionConflictException", "Transaction is ongoing for the item")
	case errors.Is(err, db.ErrTransactionInProgress): // the text: issue 2518 of github.com/aws/aws-sdk-java-v2
		return wire.NewError("TransactionInProgressException", "Transaction from previous request is still in progress")
	case errors.Is(err, db.ErrTokenMismatch):
		return errTokenMismatch
	case errors.Is(err, db.ErrTransactionTooLarge):
		return ErrTransactionTooLarge
	case errors.Is(err, db.ErrBusy):
		return wire.NewError("ThrottlingException", "The item is locked by other requests. Please try again shortly.")
	case errors.Is(err, db.ErrCatalogFull): // AWS limits the number of tables instead; the words are ours
		return wire.LimitExceeded(wire.SubscriberLimit + "The tables, indexes, streams and tags take as much memory as there is for them")
	case errors.Is(err, db.ErrNoMemory):
		return wire.ErrNoRoom
	case errors.Is(err, db.ErrTooLarge): // AWS has no such limit; the words are ours
		return wire.Validation("The write is too large for the storage engine: the item with its index entries and stream record")
	case errors.Is(err, db.ErrNoSpace):
		return wire.NewError("InternalServerError", "Writes are refused because the volume that holds the data is nearly full. They are taken again when there is room.")
	}
	return nil
}

// The errors of whole transactions.
var (
	// ErrTransactionTooLarge is answered to more than 4 MB. AWS's words are not known; these are
	// ours.
	ErrTransactionTooLarge = wire.Validation("Collection size of items exceeded, which can also be caused by the aggregate size of the " +
		"items in the transaction exceeding the 4MB limit")
	// errTokenMismatch has the API Reference's words; the service's own are not known.
	errTokenMismatch = wire.NewError("IdempotentParameterMismatchException", "DynamoDB rejected the request because you "+
		"retried a request with a different payload but with an idempotent token that was already used.")
)
