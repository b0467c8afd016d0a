package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
	"unicode"
)

// healthCheck asks a server on this machine whether it is ready. Its exit status is the answer: 0
// for yes.
type healthCheck struct {
	Data      string        `placeholder:"DIR" help:"Data directory of the server, where its admin address is stored. Default: ./partita-data, or /var/lib/partita/data or /var/lib/partita if only that exists."`
	AdminAddr string        `placeholder:"HOST:PORT" help:"Admin address of the server. Default: the one in the data directory, or ${admin_addr}."`
	Wait      time.Duration `placeholder:"TIME" help:"Ask again until the server is ready, for at most this time, such as 30s. Default: ask once."`
}

const (
	// healthTime is how long the server may take to answer.
	healthTime = 5 * time.Second
	// healthPause is the time between two questions.
	healthPause = 100 * time.Millisecond
)

// Help adds to the command's help.
func (*healthCheck) Help() string {
	return `The exit status is 0 if requests are served, and 1 if not, with the reason on standard error.

Examples:

	partita health
	partita health --wait 30s --data /srv/partita`
}

// Run implements the command.
func (c *healthCheck) Run(s *streams) error {
	if c.Wait < 0 {
		return fmt.Errorf("--wait %v is negative", c.Wait)
	}
	var last error // the last answer, for when the time is over or the program is ended
	for until := time.Now().Add(c.Wait); ; {
		to, said, again, err := c.ask(s, max(time.Until(until), healthPause))
		if last == nil || s.ctx.Err() == nil && !errors.Is(err, context.DeadlineExceeded) {
			last = err
		}
		switch left := time.Until(until); {
		case err == nil:
			fmt.Fprintln(s.stdout, said)
			if to.guessed {
				fmt.Fprintf(s.stderr, "partita: %s\n", guessed)
			}
			return nil
		case c.Wait == 0 || !again:
			return err
		case s.ctx.Err() != nil:
			return fmt.Errorf("interrupted; the last answer was: %w", last)
		case left <= 0:
			return fmt.Errorf("no server was ready within %v; the last answer was: %w", c.Wait, last)
		default:
			pause := time.NewTimer(min(healthPause, left))
			select {
			case <-pause.C:
			case <-s.ctx.Done():
				pause.Stop()
			}
		}
	}
}

// asked is the server to ask, and how its address was found.
type asked struct {
	adminAt
	denied  error // why a file that may have another address cannot be read
	guessed bool  // it is the default: none was given, and there is no file with one
}

// guessed is added to errors when the default address was asked: it may be another server's.
const guessed = "no data directory with an address was found, so " + defaultAdminAddr + " was asked"

// ask asks once, for at most the time left if that is positive. again says that another attempt may
// have another result.
func (c *healthCheck) ask(s *streams, left time.Duration) (to asked, said string, again bool, err error) {
	to, err = c.find(s)
	if err != nil {
		return to, "", errors.Is(err, fs.ErrNotExist), err
	}
	if _, _, err := net.SplitHostPort(to.Addr); err != nil {
		return to, "", false, fmt.Errorf("%q is not an address: it has the form host:port", to.Addr)
	}
	patience := healthTime
	if c.Wait > 0 {
		patience = min(patience, left)
	}
	ctx, cancel := context.WithTimeout(s.ctx, patience)
	defer cancel()
	said, err = readiness(ctx, to.Addr, to.Instance)
	switch {
	case err == nil:
	case to.denied != nil:
		err = fmt.Errorf("%w; another address may be in a file that cannot be read: %w", err, to.denied)
	case to.guessed:
		err = fmt.Errorf("%w (%s)", err, guessed)
	}
	return to, said, true, err
}

// find finds the server. If its address may be in a file that this user cannot read, and no
// directory was given, it is the default address.
func (c *healthCheck) find(s *streams) (asked, error) {
	data := findData(c.Data, s.systemData)
	var to asked
	if c.AdminAddr == "" {
		_, err := os.Stat(filepath.Join(data.path, adminFile))
		to.guessed = errors.Is(err, fs.ErrNotExist)
		if data.given && to.guessed {
			return to, fmt.Errorf("no server with an admin address is running in %s, "+
				"or it has not got that far yet: %w", data.path, err)
		}
	}
	var err error
	if to.adminAt, err = findAdmin(c.AdminAddr, data.path); c.AdminAddr != "" {
		to.Instance = "" // any server at the given address
	}
	if errors.Is(err, fs.ErrPermission) && !data.given {
		return asked{adminAt: adminAt{Addr: defaultAdminAddr}, denied: data.explain(err)}, nil
	}
	return to, data.explain(err)
}

// readiness asks the server at an admin address, and returns its answer if it is ready. If instance
// is not empty, another server's answer is an error.
func readiness(ctx context.Context, addr, instance string) (string, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/readyz", nil)
	if err != nil {
		return "", fmt.Errorf("%q is not an address: it has the form host:port", addr)
	}
	answer, err := adminClient().Do(r)
	if err != nil {
		return "", fmt.Errorf("no server answers on %s: %w", addr, errors.Unwrap(err))
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, 1024))
	if err != nil {
		return "", fmt.Errorf("asking %s: %w", addr, err)
	}
	said := strings.Map(func(r rune) rune {
		if r != '\n' && !unicode.IsPrint(r) {
			return '?' // any program may answer there: its text must not control the terminal
		}
		return r
	}, strings.TrimSpace(string(text)))
	if answer.StatusCode != http.StatusOK {
		return "", fmt.Errorf("not ready: %s", strings.ReplaceAll(said, "\n", "; "))
	}
	if !strings.HasPrefix(said, "ready") {
		return "", fmt.Errorf("%s is not the admin address of a Partita: it answers %.100q", addr, said)
	}
	if got := answer.Header.Get(instanceHeader); instance != "" && got != instance {
		return "", fmt.Errorf("the server that wrote down its address %s was killed: another answers there", addr)
	}
	return said, nil
}
