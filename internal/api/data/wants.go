package data

import "github.com/partita-db/partita/internal/api/wire"

// orNone is the value of a parameter that is NONE if it is absent.
func orNone(o wire.OptString) string {
	if !o.Set {
		return "NONE"
	}
	return o.V
}

// returnedValues is the value of ReturnValues. An item that a failed condition would show counts as one that is returned: who must
// not read what is there shall not read it so.
func returnedValues(returns string, onFailure wire.OptString) string {
	if onFailure.V == "ALL_OLD" && returns != "ALL_NEW" {
		return "ALL_OLD"
	}
	return returns
}

// selected is the value of Select for a read of items by key, and of a SELECT.
func selected(some bool) string {
	if some {
		return "SPECIFIC_ATTRIBUTES"
	}
	return "ALL_ATTRIBUTES"
}
