package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/alecthomas/kong"

	"github.com/partita-db/partita"
)

// adminFlags say how the server is watched: the admin address, its token, the slow-request log.
type adminFlags struct {
	AdminAddr      string        `placeholder:"HOST:PORT" help:"Address for health, metrics, profiles and backups; off for none. Default: ${admin_addr}, or a free port of localhost if that is in use or --port is 0."`
	AdminTokenFile string        `placeholder:"FILE" help:"File with the token that is required for profiles and backups, and from other machines also for metrics. $$PARTITA_ADMIN_TOKEN can hold the token itself instead. Default: a random token, written to admin.json in the data directory."`
	AdminToken     adminToken    `hidden:""`
	SlowRequest    time.Duration `group:"Log:" default:"1s" placeholder:"TIME" help:"Log requests that take longer than this, such as 250ms, without their values; 0 logs none. Default: ${default}."`

	server *adminServer // nil: there is none
}

// adminToken is a token in the environment.
type adminToken string

// AfterApply rejects a token on the command line, where other users can see it. Kong calls it when
// the flag is set; from is where.
func (t adminToken) AfterApply(from *kong.Path) error {
	if !from.Resolved {
		return fmt.Errorf("--admin-token would be seen by other users; give it as %s, or --admin-token-file", variable("admin-token"))
	}
	return nil
}

const (
	defaultAdminAddr = "localhost:8002"
	// leastToken is how many characters a token has at least: attempts to guess it are not limited.
	leastToken = 16
)

// apply checks the flags and puts them into the options.
func (f *adminFlags) apply(o *partita.Options) error {
	if f.SlowRequest < 0 {
		return fmt.Errorf("--slow-request %v is negative", f.SlowRequest)
	}
	o.SlowRequest = f.SlowRequest
	if f.server != nil {
		o.Admin = f.server.handler
	}
	return nil
}

// open starts the admin server, which reports that the database is starting until it has one.
// anyPort allows a free port instead of the default one. After an error there is nothing to close.
func (f *adminFlags) open(anyPort bool, log *slog.Logger) error {
	if f.AdminAddr == "off" {
		return nil
	}
	token, err := f.token()
	if err != nil {
		return err
	}
	listeners, err := f.listen(anyPort)
	if err != nil {
		return err
	}
	exposed := !loopback(listeners)
	if exposed && token == "" {
		closeAll(listeners)
		return fmt.Errorf("--admin-addr %s is reached by other machines, and anyone with the token can copy all data: "+
			"give one with --admin-token-file or %s, or use an address of localhost", f.AdminAddr, variable("admin-token"))
	}
	f.server = newAdminServer(listeners, partita.AdminOptions{
		Token: token, Exposed: exposed, Version: Version(), Profiles: profiles(), Logger: log,
	})
	return nil
}

// token is the token that was given, empty for none.
func (f *adminFlags) token() (string, error) {
	token, from := string(f.AdminToken), variable("admin-token")
	if f.AdminTokenFile != "" {
		if token != "" {
			return "", fmt.Errorf("--admin-token-file and %s both give a token; give one of them", from)
		}
		b, err := readSecret(f.AdminTokenFile)
		if err != nil {
			return "", fmt.Errorf("--admin-token-file: %w", err)
		}
		token, from = strings.TrimSpace(string(b)), f.AdminTokenFile
	}
	switch {
	case token == "" && f.AdminTokenFile == "":
		return "", nil
	case len(token) < leastToken || strings.ContainsAny(token, " \t\r\n"):
		return "", fmt.Errorf("%s has no token of at least %d characters without spaces", from, leastToken)
	}
	return token, nil
}

// readSecret reads a file. It is an error if other users than its owner can read it.
func readSecret(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	switch {
	case err != nil:
		return nil, err
	case runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0:
		return nil, fmt.Errorf("%s can be read by others (mode %04o); chmod 600 it", path, info.Mode().Perm())
	case info.Size() > 4096:
		return nil, fmt.Errorf("%s is too long for a token", path)
	}
	b := make([]byte, info.Size())
	n, err := file.Read(b)
	if err != nil && n < len(b) {
		return nil, err
	}
	return b[:n], nil
}

// listen listens on the flag's address, or without the flag on the default one, or on a free port
// if that is in use.
func (f *adminFlags) listen(anyPort bool) ([]net.Listener, error) {
	const free = "localhost:0"
	switch {
	case f.AdminAddr != "":
		listeners, err := listenOn(f.AdminAddr)
		return listeners, adminListenError(f.AdminAddr, err)
	case !anyPort:
		listeners, err := listenOn(defaultAdminAddr)
		if !errors.Is(err, syscall.EADDRINUSE) {
			return listeners, adminListenError(defaultAdminAddr, err)
		}
	}
	listeners, err := listenOn(free)
	return listeners, adminListenError(free, err)
}

// adminListenError words an error for the user, nil as nil.
func adminListenError(addr string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("cannot listen on %s: the port is in use; choose another with --admin-addr, or off", addr)
	}
	return fmt.Errorf("cannot listen on %s: %w", addr, err)
}

// announce is adminServer.announce, or forget if there is no admin server.
func (f *adminFlags) announce(dir, url string) error {
	if f.server == nil {
		return forget(dir)
	}
	return f.server.announce(dir, url)
}

// forget removes the file of a server that was killed from a directory whose lock is held by one
// without an admin address: commands that read it would take another server for this one.
func forget(dir string) error {
	if dir == "" {
		return nil
	}
	err := os.Remove(filepath.Join(dir, adminFile))
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return fmt.Errorf("removing the admin address of an earlier server: %w", err)
}

// retract removes the file that announce has written.
func (f *adminFlags) retract() {
	if f.server != nil {
		f.server.retract()
	}
}

// describe is the banner's line about the admin address.
func (f *adminFlags) describe() string {
	if f.server == nil {
		return "off"
	}
	return "http://" + f.server.addr()
}

// drain makes the admin server report that the server is being stopped.
func (f *adminFlags) drain() {
	if f.server != nil {
		f.server.handler.Drain()
	}
}

// close stops the admin server.
func (f *adminFlags) close() {
	if f.server != nil {
		f.server.close()
	}
}
