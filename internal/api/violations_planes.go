package api

import "github.com/partita-db/partita/internal/api/wire"

// violations are Violations with checks that only some operations have.
type violations struct{ wire.Violations }
