//go:build !linux

package cli

import "os/exec"

// standBeside does nothing where the system has no such thing.
func standBeside(*exec.Cmd) {}
