// Package streams has the operations of the streams API, a file for each. A stream is found by its
// table's name and its label, a record by its position in a shard; this package gives positions the
// forms that clients see, sequence numbers and shard iterators (streams.go). Which records there
// are and for how long is for package db.
package streams

import (
	"github.com/partita-db/partita/internal/api/call"
	"github.com/partita-db/partita/internal/api/wire"
)

// op is a call of the streams API, to which this package adds methods.
type op struct{ *call.Call }

// members is the member table of a request R of the streams API.
type members[R any] = wire.Members[R, op]
