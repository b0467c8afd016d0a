package data

import "github.com/partita-db/partita/internal/api/wire"

// violations are those of package wire, with checks of the data plane.
type violations struct{ wire.Violations }
