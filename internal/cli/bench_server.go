package cli

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"
)

// benchTime is how long the server that is started may take to listen.
const benchTime = time.Minute

// benchServer is a server of this program in a process of its own, so that its processor time and
// memory can be measured apart from the client's.
type benchServer struct {
	cmd    *exec.Cmd
	dir    string // of its data; removed in the end
	url    string
	stderr bytes.Buffer
}

// startBenchServer starts a server on a free port of this machine, and waits until it listens.
func startBenchServer(s *streams, c *benchRun) (*benchServer, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	args := []string{"serve", "--addr", "127.0.0.1:0", "--admin-addr", "127.0.0.1:0", "--log-level", "warn", "--memory-limit", c.MemoryLimit.String()}
	b := new(benchServer)
	if c.InMemory {
		args = append(args, "--in-memory")
	} else {
		if b.dir, err = os.MkdirTemp("", "partita-bench-"); err != nil {
			return nil, err
		}
		args = append(args, "--data", b.dir)
	}
	b.cmd = exec.Command(program, args...)
	b.cmd.Env = slices.DeleteFunc(slices.Clone(s.env), func(e string) bool {
		return strings.HasPrefix(e, variable(""))
	})
	b.cmd.Stderr = &b.stderr
	standBeside(b.cmd)
	if err := b.start(); err != nil {
		return nil, errors.Join(fmt.Errorf("starting a server to measure: %w", err), b.stop())
	}
	return b, nil
}

// start starts the process and reads its address.
func (b *benchServer) start() error {
	stdout, err := b.cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := b.cmd.Start(); err != nil {
		return err
	}
	late := time.AfterFunc(benchTime, func() { b.cmd.Process.Kill() })
	defer late.Stop()
	for lines := bufio.NewReader(stdout); ; {
		line, err := lines.ReadString('\n')
		if err != nil {
			return errors.New("it does not listen")
		}
		if url, ok := strings.CutPrefix(strings.TrimSpace(line), "listening "); ok {
			b.url = strings.TrimSpace(url)
			go io.Copy(io.Discard, lines) // ends with the process
			return nil
		}
	}
}

// stop ends the process and removes its data. If it did not exit with status 0 the error contains
// what it wrote to standard error.
func (b *benchServer) stop() error {
	var err error
	if b.cmd.Process != nil {
		late := time.AfterFunc(drainTime, func() { b.cmd.Process.Kill() })
		defer late.Stop()
		if b.cmd.Process.Signal(syscall.SIGTERM) != nil { // not supported by the system, or the process is gone
			b.cmd.Process.Kill()
		}
		if err = b.cmd.Wait(); err != nil {
			err = fmt.Errorf("the measured server: %w: %s", err, strings.TrimSpace(b.stderr.String()))
		}
	}
	if b.dir != "" {
		err = errors.Join(err, os.RemoveAll(b.dir))
	}
	return err
}
