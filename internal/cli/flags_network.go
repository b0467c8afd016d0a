package cli

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"strings"

	"github.com/partita-db/partita"
	"github.com/partita-db/partita/internal/listen"
)

// networkFlags say how the listener behaves: TLS, web pages, limits.
type networkFlags struct {
	AllowHost  []string `placeholder:"NAME" help:"Host name under which requests without authentication are accepted, beside addresses, localhost, local names and the host of --addr; * accepts any."`
	CORSOrigin []string `name:"cors-origin" placeholder:"ORIGIN" help:"Origin, such as https://console.example, whose web pages may use the database without authentication, beside those of localhost; * accepts any."`

	MaxRequests    int `group:"Limits:" name:"max-requests" default:"4096" placeholder:"N" help:"Requests that are processed at the same time; more are throttled at once. Default: ${default}."`
	MaxConnections int `group:"Limits:" name:"max-connections" placeholder:"N" help:"Open connections. For a further one, the oldest that has not sent a signed request is closed, else the one that has been idle for longest, else the new one. Default: as many as half of the limit of open files and a quarter of --memory-limit allow."`

	TLSCert     string `name:"tls-cert" placeholder:"FILE" help:"Certificate, in PEM, for TLS with HTTP/2 and HTTP/1.1; it is loaded again when it changes. Requires --tls-key."`
	TLSKey      string `name:"tls-key" placeholder:"FILE" help:"Private key of --tls-cert, in PEM."`
	TLSClientCA string `name:"tls-client-ca" placeholder:"FILE" help:"Accept only clients with a certificate of one of these authorities, in PEM. Requires --tls-cert."`
}

// apply checks the flags and puts them into the options.
func (f *networkFlags) apply(o *partita.Options) error {
	for _, name := range f.AllowHost {
		if name != "*" && (name == "" || strings.ContainsAny(name, "/* ")) {
			return fmt.Errorf("--allow-host %s is not a host name", name)
		}
	}
	for _, origin := range f.CORSOrigin {
		if err := checkOrigin(origin); err != nil {
			return err
		}
	}
	if f.MaxRequests < 1 {
		return fmt.Errorf("--max-requests %d: at least 1 is needed", f.MaxRequests)
	}
	if f.MaxConnections < 0 {
		return fmt.Errorf("--max-connections %d is not a number of connections", f.MaxConnections)
	}
	o.MaxRequests = f.MaxRequests
	o.AllowHosts = append(o.AllowHosts, f.AllowHost...)
	o.CORSOrigins = append(o.CORSOrigins, f.CORSOrigin...)
	return nil
}

// tls returns the configuration that the flags ask for, nil for none.
func (f *networkFlags) tls(log *slog.Logger) (*tls.Config, error) {
	switch {
	case f.TLSCert == "" && f.TLSKey == "" && f.TLSClientCA == "":
		return nil, nil
	case f.TLSCert == "" || f.TLSKey == "":
		return nil, errors.New("TLS needs both --tls-cert and --tls-key")
	}
	return listen.NewTLS(listen.TLSFiles{Cert: f.TLSCert, Key: f.TLSKey, ClientCA: f.TLSClientCA}, log)
}

// scheme is that of the URLs under which clients reach the listeners.
func (f *networkFlags) scheme() string {
	if f.TLSCert != "" {
		return "https"
	}
	return "http"
}

// The limit of connections follows from the files and the memory: a connection takes a file
// descriptor, and memory while a request is being read, with TLS also for the session.
const (
	connectionBytes    = 32 << 10
	tlsConnectionBytes = 64 << 10
	mostConnections    = 1 << 16
	fewestConnections  = 64
	connectionsOfFiles = 2 // the half; the rest is for the engine's files
	connectionsOfBytes = 4 // the quarter
)

// connections is how many connections there may be: the flag, or what files and memory allow.
func (f *networkFlags) connections(memoryLimit int64) int {
	if f.MaxConnections > 0 {
		return f.MaxConnections
	}
	each := int64(connectionBytes)
	if f.TLSCert != "" {
		each = tlsConnectionBytes
	}
	n := min(memoryLimit/connectionsOfBytes/each, openFiles()/connectionsOfFiles, mostConnections)
	return int(max(n, fewestConnections))
}

// checkOrigin checks that an origin has the form in which browsers send it: scheme, host and port.
// "*" and "null" are allowed.
func checkOrigin(origin string) error {
	if origin == "*" || origin == "null" {
		return nil
	}
	u, err := url.Parse(origin)
	if err != nil || u.Scheme == "" || u.Host == "" ||
		strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.User != nil {
		return fmt.Errorf("--cors-origin %s is not an origin such as https://console.example:8080", origin)
	}
	return nil
}

// hostOf is the host part of an address.
func hostOf(addr string) []string {
	host, _, err := net.SplitHostPort(addr)
	if err != nil || host == "" {
		return nil // listen says what is wrong with it
	}
	return []string{host}
}
