package cli

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"syscall"
)

// openListeners is listenOn with errors worded for the user.
func openListeners(addr string) ([]net.Listener, error) {
	listeners, err := listenOn(addr)
	if err != nil {
		return nil, listenError(addr, err)
	}
	return listeners, nil
}

// listenOn listens on the address. localhost means both loopbacks, as some clients try ::1 first
// and others only 127.0.0.1; on a machine without one of them it is the other. Port 0 takes a free
// port, the same on both.
func listenOn(addr string) ([]net.Listener, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, errNoAddress
	}
	if host != "localhost" {
		l, err := net.Listen("tcp", addr)
		if err != nil {
			return nil, err
		}
		return []net.Listener{l}, nil
	}
	for tries := 10; ; tries-- {
		listeners, err := listenLoopback(port)
		if err == nil || port != "0" || tries == 0 || !errors.Is(err, syscall.EADDRINUSE) {
			return listeners, err
		}
	}
}

// errNoAddress is the error for an address of another form.
var errNoAddress = errors.New("it is not an address: those have the form host:port")

// listenLoopback listens on a port of both loopbacks.
func listenLoopback(port string) ([]net.Listener, error) {
	l4, err4 := net.Listen("tcp4", net.JoinHostPort("127.0.0.1", port))
	if errors.Is(err4, syscall.EADDRINUSE) {
		return nil, err4
	}
	if err4 == nil {
		port = strconv.Itoa(l4.Addr().(*net.TCPAddr).Port)
	}
	l6, err6 := net.Listen("tcp6", net.JoinHostPort("::1", port))
	switch {
	case err4 == nil && err6 == nil:
		return []net.Listener{l4, l6}, nil
	case err6 == nil:
		return []net.Listener{l6}, nil
	case err4 == nil && errors.Is(err6, syscall.EADDRINUSE):
		l4.Close() // another program has [::1]:port, to which some clients would connect
		return nil, err6
	case err4 == nil:
		return []net.Listener{l4}, nil
	}
	return nil, err4
}

// listenError words an error of listen for the user.
func listenError(addr string, err error) error {
	if err == errNoAddress {
		return fmt.Errorf("%q is not an address: it has the form host:port", addr)
	}
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("cannot listen on %s: the port is in use; choose another with --port or --addr", addr)
	}
	return fmt.Errorf("cannot listen on %s: %w", addr, err)
}

// endpoint is the URL under which clients of this machine reach the listeners.
func endpoint(scheme, addr string, listeners []net.Listener) string {
	host, _, _ := net.SplitHostPort(addr) // listenOn has checked it
	at := listeners[0].Addr().(*net.TCPAddr)
	if host == "" || at.IP.IsUnspecified() {
		host = "localhost"
	}
	return scheme + "://" + net.JoinHostPort(host, strconv.Itoa(at.Port))
}

// loopback tells whether all listeners are on loopback addresses.
func loopback(listeners []net.Listener) bool {
	for _, l := range listeners {
		if !l.Addr().(*net.TCPAddr).IP.IsLoopback() {
			return false
		}
	}
	return true
}

// closeAll closes the listeners, which mostly a server has closed already.
func closeAll(listeners []net.Listener) {
	for _, l := range listeners {
		l.Close()
	}
}
