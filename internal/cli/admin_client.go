package cli

import (
	"context"
	"net"
	"net/http"
)

// adminClient returns a client for admin addresses. It knows no proxy, since the token is for the
// server alone, and it finds localhost as listen does, without a resolver: an image without
// anything but the program may have none.
func adminClient() *http.Client {
	return &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: dialLocal}}
}

// dialLocal connects to an address, of which localhost is 127.0.0.1 or else ::1.
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
