package cli

import "github.com/partita-db/partita"

// accessFlags say who may use the database, and from where.
type accessFlags struct{}

// apply checks the flags and puts them into the options.
func (f *accessFlags) apply(o *partita.Options) error { return nil }
