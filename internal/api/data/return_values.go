package data

import (
	"github.com/partita-db/partita/internal/api/wire"
	"github.com/partita-db/partita/internal/db"
	"github.com/partita-db/partita/internal/expr"
	"github.com/partita-db/partita/internal/item"
)

// updated returns the item that ReturnValues asks for, missing if there is nothing to return. u is
// nil for an update of nothing.
func updated(returns string, u *expr.Update, done db.Written) item.Item {
	switch returns {
	case "ALL_OLD":
		return done.Old
	case "ALL_NEW":
		return done.New
	case "UPDATED_OLD":
		if u != nil && done.Old.Exists() {
			return u.UpdatedOld(done.Old)
		}
	case "UPDATED_NEW":
		if u != nil && done.New.Exists() {
			return u.UpdatedNew(done.Old, done.New)
		}
	}
	return item.Item{}
}

// returnedValues is the value of ReturnValues for policies. ReturnValuesOnConditionCheckFailure
// counts as ALL_OLD: a policy that forbids to return items must not be evaded by a condition that
// fails.
func returnedValues(returns string, onFailure wire.OptString) string {
	if onFailure.V == "ALL_OLD" && returns != "ALL_NEW" {
		return "ALL_OLD"
	}
	return returns
}
