package cli

import "github.com/partita-db/partita"

// diskFlags say how the data directory's volume is looked after.
type diskFlags struct {
	FreeSpaceFloor *size `placeholder:"SIZE" help:"Free space to keep on the volume, as 500MB: below it writes are refused, reads go on, and DeleteTable works; writes resume by themselves. 0 is no floor, but a volume that is full ends the program. Default: a twentieth of the volume, between 96MiB (or half of it) and 1GiB."`
	Ballast        *size `placeholder:"SIZE" help:"Size of a file in the data directory that is removed when the volume is full, so that a start and DeleteTable have room; it comes back by itself. There is none while the data takes less, or where it would leave less than the floor. 0 is none. Default: 96MiB."`
}

// apply puts the flags into the options.
func (f *diskFlags) apply(o *partita.Options) error {
	o.FreeSpaceFloor = orNone(f.FreeSpaceFloor)
	o.BallastBytes = orNone(f.Ballast)
	return nil
}

// orNone is a size as options have it: 0 where the flag is not given, and negative where it is 0.
func orNone(s *size) int64 {
	switch {
	case s == nil:
		return 0
	case *s == 0:
		return -1
	}
	return int64(*s)
}
