package cli

import (
	"context"
	"net"
	"net/http"
)

// adminClient returns a client for admin addresses. It uses no proxy, which would see the token,
// and resolves localhost itself, as listenOn does: a container image with nothing but the program
// may have no /etc/hosts.
func adminClient() *http.Client {
	return &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: dialLocal}}
}

// dialLocal connects to an address. For localhost it tries 127.0.0.1, then ::1.
func dialLocal(ctx context.Context, network, addr string) (net.Conn, error) {
	var d net.Dialer
	host, port, err := net.SplitHostPort(addr)
	if err != nil || host != "localhost" {
		return d.DialContext(ctx, network, addr)
	}
	c, err := d.DialContext(ctx, network, net.JoinHostPort("127.0.0.1", port))
	if err == nil {
		return c, nil
	}
	if c, err6 := d.DialContext(ctx, network, net.JoinHostPort("::1", port)); err6 == nil {
		return c, nil
	}
	return nil, err
}
