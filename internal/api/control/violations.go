package control

import "github.com/partita-db/partita/internal/api/wire"

// violations are those of package wire, with checks that only operations of this package make.
type violations struct{ wire.Violations }
