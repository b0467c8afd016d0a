package clock

import (
	"time"

	"golang.org/x/sys/unix"
)

// sinceBoot returns the time that has passed since start, with the time in which the machine slept,
// which Go's own readings leave out.
func sinceBoot(start time.Time) func() time.Duration {
	return func() time.Duration {
		var ts unix.Timespec
		if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
			return time.Since(start) // a sandbox may forbid it, and does so always
		}
		return time.Duration(ts.Nano())
	}
}
