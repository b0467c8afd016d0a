package cli

import (
	"os/exec"
	"syscall"
)

// standBeside has the command not get the signals of this one's terminal, and end with this process
// in whatever way that ends.
func standBeside(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
}
