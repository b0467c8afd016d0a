package data

import "github.com/partita-db/partita/internal/api/wire"

// orNone is the value of a parameter that is NONE if it is absent.
func orNone(o wire.OptString) string {
	if !o.Set {
		return "NONE"
	}
	return o.V
}

// selected is the value of Select for a read of items by key, and of a SELECT.
func selected(some bool) string {
	if some {
		return "SPECIFIC_ATTRIBUTES"
	}
	return "ALL_ATTRIBUTES"
}
