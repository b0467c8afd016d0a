package cli

import (
	"os/exec"
	"syscall"
)

// dieWithParent has the system kill the command when this process ends in whatever way: a test that
// panics, or takes too long, cleans nothing up.
func dieWithParent(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
