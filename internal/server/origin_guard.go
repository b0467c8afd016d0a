package server

import (
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
)

// originGuard protects a server without authentication from web pages. A browser on this machine,
// or in its network, reaches the server, and an attacker's page can use it in two ways: a
// cross-origin request, and DNS rebinding, where a host name of the attacker's resolves to the
// server's address, so that the browser takes the server for the page's own origin. The first is
// detected by the Origin header, the second by the Host.
type originGuard struct {
	hosts, origins map[string]bool // beside those that are always allowed; "*" is any
	log            *slog.Logger

	mu     sync.Mutex
	warned map[string]bool // hosts and origins that were logged
}

// maxWarned is how many hosts and origins are remembered and logged at most, since the client
// chooses them: more would fill memory and log.
const maxWarned = 100

// newOriginGuard returns a guard that allows these hosts and origins in addition; "*" allows all.
func newOriginGuard(hosts, origins []string, log *slog.Logger) *originGuard {
	g := &originGuard{hosts: map[string]bool{}, origins: map[string]bool{}, log: log, warned: map[string]bool{}}
	for _, h := range hosts {
		g.hosts[hostName(h)] = true
	}
	for _, o := range origins {
		g.origins[strings.ToLower(strings.TrimSuffix(o, "/"))] = true
	}
	return g
}

// refusal returns why a request is refused, "" if it is not.
func (g *originGuard) refusal(r *http.Request) string {
	if !g.allowsHost(r.Host) {
		name := hostName(r.Host)
		g.warn("a request was refused: it came under a host name that is not known to be this server's, as those "+
			"of web pages do that want to reach it through a browser; --allow-host allows it", "host", name)
		return "Partita asks for no credentials and is not known by the host name " + name +
			". Use an IP address or localhost, or start it with --allow-host " + name + "."
	}
	for _, origin := range r.Header["Origin"] {
		if !g.allowsOrigin(origin) {
			g.warn("a request was refused: it came from a web page of another origin; --cors-origin allows it",
				"origin", origin)
			return "Partita asks for no credentials, and so web pages of other machines may not use it. " +
				"To allow this one, start it with --cors-origin " + origin + "."
		}
	}
	return ""
}

// warn logs a rejection once for each value.
func (g *originGuard) warn(text, what, value string) {
	value = value[:min(len(value), 300)]
	g.mu.Lock()
	known := g.warned[what+value] || len(g.warned) >= maxWarned
	if !known {
		g.warned[what+value] = true
	}
	g.mu.Unlock()
	if !known {
		g.log.Warn(text, what, value)
	}
}

// localSuffixes end the names that cannot be registered in the public DNS (RFC 6761, 6762 and 8375;
// ICANN has reserved .internal), so that an attacker cannot have them resolve to this server.
var localSuffixes = [...]string{".localhost", ".local", ".internal", ".test", ".home.arpa"}

// allowsHost tells whether a Host cannot be the result of DNS rebinding: an IP address, a name
// without a dot or under a local suffix, or one that the options allow. An empty Host, as HTTP/1.0
// may have, is allowed: browsers always send one.
func (g *originGuard) allowsHost(host string) bool {
	name := hostName(host)
	if !strings.Contains(name, ".") && !strings.Contains(name, ":") {
		return true
	}
	if _, err := netip.ParseAddr(name); err == nil {
		return true
	}
	for _, suffix := range localSuffixes {
		if strings.HasSuffix(name, suffix) {
			return true
		}
	}
	return g.hosts[name] || g.hosts["*"]
}

// allowsOrigin tells whether pages of an origin may call: those of this machine, and those that the
// options allow. The origin null, of files and sandboxed frames, is rejected: any page can put its
// script into a sandboxed frame.
func (g *originGuard) allowsOrigin(origin string) bool {
	if g.origins["*"] || g.origins[strings.ToLower(origin)] {
		return true
	}
	u, err := url.Parse(origin)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.User != nil {
		return false
	}
	name := hostName(u.Host)
	if name == "localhost" || strings.HasSuffix(name, ".localhost") {
		return true
	}
	ip, err := netip.ParseAddr(name)
	return err == nil && ip.Unmap().IsLoopback()
}

// hostName is the name or address of a Host, in lower case, without port, brackets and the dot at
// its end.
func hostName(host string) string {
	if strings.Contains(host, ":") {
		if h, _, err := net.SplitHostPort(host); err == nil {
			host = h
		}
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	return strings.ToLower(strings.TrimSuffix(host, "."))
}

// refuse answers a request that the guard rejects, without CORS headers: the page must not be able
// to read the answer.
func (x *exchange) refuse(why string) {
	x.reported = true // by the guard
	x.discard()
	x.w.Header()["Content-Type"] = typeAmzJSON
	x.send(http.StatusForbidden, worded("AccessDeniedException", why))
}

// cors sets the header that lets a page read the answer. As with AWS it admits every page; those
// that may not call have been rejected by the guard.
func (x *exchange) cors() { x.w.Header()["Access-Control-Allow-Origin"] = anyOrigin }
