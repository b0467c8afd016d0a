//go:build !linux

package cli

import "os/exec"

// standBeside does nothing: only Linux can signal a process when its parent ends.
func standBeside(*exec.Cmd) {}
