package cli

import "github.com/partita-db/partita"

// diskFlags say how the data directory's volume is looked after.
type diskFlags struct {
	FreeSpaceFloor *size `placeholder:"SIZE" help:"Free space to keep on the volume, as 500MB: below it writes are refused, reads go on, and DeleteTable works; writes resume by themselves. 0 is no floor, but a volume that is full ends the program. Default: a twentieth of the volume, between 96MiB (or half of it) and 1GiB."`
}

// apply puts the flags into the options.
func (f *diskFlags) apply(o *partita.Options) error {
	switch {
	case f.FreeSpaceFloor == nil:
	case *f.FreeSpaceFloor == 0:
		o.FreeSpaceFloor = -1
	default:
		o.FreeSpaceFloor = int64(*f.FreeSpaceFloor)
	}
	return nil
}
