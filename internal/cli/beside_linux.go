package cli

import (
	"os/exec"
	"syscall"
)

// standBeside puts the command into a process group of its own, so that Ctrl-C ends the benchmark
// and not the server under it, and has the kernel send it SIGTERM when this process ends in any
// way.
func standBeside(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
}
