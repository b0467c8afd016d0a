//go:build !unix

package cli

import "math"

// openFiles is how many files the process may have open: any number.
func openFiles() int64 { return math.MaxInt64 }

// hideFiles does nothing: files inherit the permissions of their directory.
func hideFiles() {}
