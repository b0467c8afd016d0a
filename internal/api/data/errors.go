package data

import (
	"errors"
	"strings"

	"github.com/partita-db/partita/internal/api/wire"
	"github.com/partita-db/partita/internal/db"
	"github.com/partita-db/partita/internal/expr"
	"github.com/partita-db/partita/internal/item"
)

// writeError words an error of one write: those that only writes have, whose words depend on the
// operation (k), or that carry an item. Others it returns as they are, for call.Worded.
func writeError(t *db.Table, err error, k keyWords) error {
	var (
		failed  *db.ConditionFailed
		runtime *expr.RuntimeError
		fault   *item.Fault
	)
	switch {
	case errors.As(err, &failed):
		e := wire.Error{Code: "ConditionalCheckFailedException", Message: "The conditional request failed", Item: failed.Item}
		return e.Fill()
	case errors.As(err, &runtime):
		return wire.Validation(runtime.Message)
	case errors.As(err, &fault):
		return wire.Validation(fault.Message)
	}
	return k.word(t, err)
}

// reasonOf is the Reason in a transaction or batch of what would fail with e by itself. Its code is
// the exception's, shortened in AWS's way: ValidationError, but ConditionalCheckFailed.
func reasonOf(e *wire.Error) wire.Reason {
	code := strings.TrimSuffix(e.Code, "Exception")
	if code == "Validation" || code == "Throttling" {
		code += "Error"
	}
	return wire.Reason{Code: code, Message: e.Message, Item: e.Item}
}
