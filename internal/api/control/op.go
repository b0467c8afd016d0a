// Package control has the operations on tables as a whole, a file for each: their schemas, indexes,
// throughput, tags, time to live. An operation checks its request in DynamoDB's order and makes the
// change as a function for db.Create, db.Alter or db.Delete, which can call it more than once. What
// AWS shows for a while after a change (CREATING, UPDATING) is shown here too, in answers and in
// what is admitted meanwhile, since tools wait for these states.
package control

import (
	"github.com/partita-db/partita/internal/api/call"
	"github.com/partita-db/partita/internal/api/wire"
)

// op is a call of the control plane, to which this package adds methods: those named after a member
// decode it, those that end in Member write it.
type op struct{ *call.Call }

// members is the member table of a request R of the control plane.
type members[R any] = wire.Members[R, op]
