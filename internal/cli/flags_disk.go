package cli

import "github.com/partita-db/partita"

// diskFlags say how the data directory's volume is looked after.
type diskFlags struct {
	FreeSpaceFloor *size `placeholder:"SIZE" help:"Free space to leave on the volume of the data, such as 500MB. Below it writes are rejected, and reads and DeleteTable work; writes are accepted again when there is more space. 0 leaves none: a full volume then ends the server. Default: a twentieth of the volume, but at least 96MiB (or half of the volume) and at most 1GiB."`
	Ballast        *size `placeholder:"SIZE" help:"Size of a file in the data directory that is deleted when the volume is full, so that the server can start and DeleteTable works; it is made again when there is space. There is none while the data is smaller, or where it would leave less free space than --free-space-floor. 0 makes none. Default: 96MiB."`
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
