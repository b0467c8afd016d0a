package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// healthCheck asks a server on this machine whether it is ready. Its exit status is the answer: 0 for yes.
type healthCheck struct {
	Data      string `placeholder:"DIR" help:"The data directory of the server, where it has written down its admin address. Default: ./partita-data."`
	AdminAddr string `placeholder:"HOST:PORT" help:"The admin address of the server. Default: what the data directory says, or localhost:8002."`
}

// healthTime is how long the server may take to answer.
const healthTime = 5 * time.Second

// Run implements the command.
func (c *healthCheck) Run(s *streams) error {
	at, err := findAdmin(c.AdminAddr, c.Data)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(s.ctx, healthTime)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+at.Addr+"/readyz", nil)
	if err != nil {
		return fmt.Errorf("%q is not an address: it has the form host:port", at.Addr)
	}
	answer, err := adminClient().Do(r)
	if err != nil {
		return fmt.Errorf("no server answers on %s: %w", at.Addr, errors.Unwrap(err))
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, 1024))
	if err != nil {
		return fmt.Errorf("asking %s: %w", at.Addr, err)
	}
	said := strings.TrimSpace(string(text))
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("not ready: %s", strings.ReplaceAll(said, "\n", "; "))
	}
	if !strings.HasPrefix(said, "ready") {
		return fmt.Errorf("%s is not the admin address of a Partita: it answers %.100q", at.Addr, said)
	}
	fmt.Fprintln(s.stdout, said)
	return nil
}
