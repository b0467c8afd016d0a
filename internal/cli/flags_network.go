package cli

import (
	"fmt"
	"net"
	"net/url"
	"strings"

	"github.com/partita-db/partita"
)

// networkFlags say how the listener behaves: TLS, web pages, limits.
type networkFlags struct {
	AllowHost  []string `placeholder:"NAME" help:"A host name that requests may come under while nobody is asked for credentials, beside addresses, localhost, local names and that of --addr; * is any."`
	CORSOrigin []string `name:"cors-origin" placeholder:"ORIGIN" help:"An origin whose web pages may use the database while nobody is asked for credentials, as https://console.example, beside those of localhost; * is any."`
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
	o.AllowHosts = append(o.AllowHosts, f.AllowHost...)
	o.CORSOrigins = append(o.CORSOrigins, f.CORSOrigin...)
	return nil
}

// checkOrigin checks an origin as browsers send them: scheme, host and port, and nothing else. "*" and "null" stand for
// themselves.
func checkOrigin(origin string) error {
	if origin == "*" || origin == "null" {
		return nil
	}
	u, err := url.Parse(origin)
	if err != nil || u.Scheme == "" || u.Host == "" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.User != nil {
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
