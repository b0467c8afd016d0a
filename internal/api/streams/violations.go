package streams

import "github.com/partita-db/partita/internal/api/wire"

// violations are those of package wire, with checks of the streams API.
type violations struct{ wire.Violations }
