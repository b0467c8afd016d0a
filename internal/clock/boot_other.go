//go:build !linux

package clock

import "time"

// sinceBoot returns the time that has passed since start, by Go's own readings. Where those leave
// out the time in which the machine slept, one that wakes up after more than an hour goes by its
// old time for a minute.
func sinceBoot(start time.Time) func() time.Duration {
	return func() time.Duration { return time.Since(start) }
}
