package data

import (
	"github.com/partita-db/partita/internal/api/wire"
	"github.com/partita-db/partita/internal/db"
	"github.com/partita-db/partita/internal/expr"
	"github.com/partita-db/partita/internal/item"
)

// updated returns what ReturnValues asks for, a missing item if there is nothing to return.
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

// returnedValues is the value of ReturnValues. An item that a failed condition would show counts as
// one that is returned: who must not read what is there shall not read it so.
func returnedValues(returns string, onFailure wire.OptString) string {
	if onFailure.V == "ALL_OLD" && returns != "ALL_NEW" {
		return "ALL_OLD"
	}
	return returns
}
