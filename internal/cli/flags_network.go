package cli

import "github.com/partita-db/partita"

// networkFlags say how the listener behaves: TLS, web pages, limits.
type networkFlags struct{}

// apply checks the flags and puts them into the options.
func (f *networkFlags) apply(o *partita.Options) error { return nil }
