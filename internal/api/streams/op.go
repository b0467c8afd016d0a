package streams

import (
	"github.com/partita-db/partita/internal/api/call"
	"github.com/partita-db/partita/internal/api/wire"
)

// op is a call of the streams API.
type op struct{ *call.Call }

// members is the member table of a request R of the streams API.
type members[R any] = wire.Members[R, op]
