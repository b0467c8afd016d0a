package api

import (
	"github.com/partita-db/partita/internal/api/call"
	"github.com/partita-db/partita/internal/api/wire"
)

// op is a call of the control plane.
type op struct{ *call.Call }

// opMembers is the member table of a request R of the control plane.
type opMembers[R any] = wire.Members[R, op]
