package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/partita-db/partita"
	"github.com/partita-db/partita/internal/word"
)

// accessFlags say who may use the database, and from where.
type accessFlags struct {
	Credentials credentialsFlag `placeholder:"FILE" help:"File with the access keys that requests must be signed with, and what each may do; \"partita credentials new\" makes one. It is read again when it changes. The variable can also hold the document itself."`
	NoAuth      bool            `help:"Accept requests without authentication, also on addresses that other machines reach."`

	store *partita.Credentials // nil: no authentication
}

// credentialsFlag is the name of a file or, only in the environment, a document.
type credentialsFlag string

// document tells whether the flag is a document.
func (c credentialsFlag) document() bool { return strings.HasPrefix(strings.TrimSpace(string(c)), "{") }

// AfterApply rejects a document on the command line, where other users can see it. Kong calls it
// when the flag is set; from is where.
func (c credentialsFlag) AfterApply(from *kong.Path) error {
	if c.document() && !from.Resolved {
		return fmt.Errorf("--credentials takes the name of a file: other users can see a command line and the secrets in it; "+
			"only %s may have the document itself", variable("credentials"))
	}
	return nil
}

// open checks the flags, before the address is listened on, and reads the credentials.
func (f *accessFlags) open(s *streams, addr string, log *slog.Logger) (err error) {
	switch {
	case f.Credentials != "" && f.NoAuth:
		return errors.New("--credentials and --no-auth contradict one another; give one of them")
	case f.Credentials.document():
		if f.store, err = partita.ParseCredentials([]byte(f.Credentials)); err != nil {
			return fmt.Errorf("%s: %w", variable("credentials"), err)
		}
		return nil
	case f.Credentials != "":
		f.store, err = partita.OpenCredentials(string(f.Credentials), log)
		return err
	case f.NoAuth:
		return nil
	}
	private, err := onlyHere(s.ctx, addr)
	if err == nil && !private {
		err = openToAll(s, addr)
	}
	return err
}

// close stops following the file.
func (f *accessFlags) close() {
	if f.store != nil {
		f.store.Close() // always nil
	}
}

// check checks the addresses again that are listened on: a host name may have been resolved to
// another one than in open, and the server must not be open to a network by mistake.
func (f *accessFlags) check(s *streams, addr string, listeners []net.Listener, log *slog.Logger) error {
	switch {
	case f.store != nil || loopback(listeners):
		return nil
	case !f.NoAuth:
		return openToAll(s, addr)
	}
	log.Warn("anyone who can reach this address can read and write everything: any credentials are accepted", "addr", addr)
	return nil
}

// apply puts the credentials into the options.
func (f *accessFlags) apply(o *partita.Options) error {
	o.Credentials = f.store
	return nil
}

// describe says in the banner which clients are accepted.
func (f *accessFlags) describe(listeners []net.Listener) string {
	switch {
	case f.store != nil:
		keys, users := f.store.Count()
		return fmt.Sprintf("holders of credentials (access keys: %d, users: %d)", keys, users)
	case loopback(listeners):
		return "this machine only, with any credentials"
	}
	return "anyone who can reach this address, with any credentials"
}

// example is the beginning of an example command. Without authentication it sets made-up keys, so
// that real ones are not used by accident, and none need to be configured.
func (f *accessFlags) example() string {
	if f.store != nil {
		return ""
	}
	return "AWS_ACCESS_KEY_ID=local AWS_SECRET_ACCESS_KEY=local "
}

// onlyHere tells whether an address can be reached from this machine only.
func onlyHere(ctx context.Context, addr string) (bool, error) {
	host, _, err := net.SplitHostPort(addr)
	switch {
	case err != nil:
		return false, fmt.Errorf("%q is not an address: it has the form host:port", addr)
	case host == "localhost":
		return true, nil
	case host == "":
		return false, nil
	}
	if ip, err := netip.ParseAddr(host); err == nil {
		return ip.Unmap().IsLoopback(), nil
	}
	ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return false, listenError(addr, err)
	}
	for _, ip := range ips {
		if !ip.Unmap().IsLoopback() {
			return false, nil
		}
	}
	return true, nil
}

// openToAll is the error for an address that others reach, without authentication.
func openToAll(s *streams, addr string) error {
	command := "partita " + word.ShellQuote(s.args...)
	return &advice{
		fmt.Sprintf("other machines can reach %s, and without credentials anyone could read and write everything", addr),
		fmt.Sprintf("Use credentials:\n  partita credentials new --file credentials.json\n  %s --credentials credentials.json\n"+
			"or, if only trusted clients can reach this address, disable authentication:\n  %s --no-auth\n"+
			"In the environment these are %s (the file, or the document itself) and %s=1.",
			command, command, variable("credentials"), variable("no-auth")),
	}
}

// advice is an error with more to say than a line.
type advice struct{ problem, lines string }

func (a *advice) Error() string { return a.problem + ".\n" + a.lines }
