package listen

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"strings"
)

// rawConn is the kernel's connection below a *tls.Conn. It counts bytes like Conn does, but its
// Close does not wait.
type rawConn struct{ *Conn }

// Read implements net.Conn.
func (u rawConn) Read(p []byte) (int, error) {
	n, err := u.Conn.Conn.Read(p)
	u.count(n)
	return n, err
}

// Write implements net.Conn.
func (u rawConn) Write(p []byte) (int, error) { return u.Conn.Conn.Write(p) }

// Close implements net.Conn.
func (u rawConn) Close() error { return u.cut() }

// handshake makes the TLS handshake, and tells whether http1.go is to serve the connection.
// Connections of HTTP/2 it hands over to net/http. It has no timeout of its own: connections closes
// the connection after newTime.
func (s *Server) handshake(c *Conn) bool {
	secure := tls.Server(rawConn{c}, s.tls)
	if err := secure.HandshakeContext(context.Background()); err != nil {
		s.http.ErrorLog.Printf("TLS handshake error from %s: %v", c.RemoteAddr(), err)
		var plain tls.RecordHeaderError
		if errors.As(err, &plain) && plain.Conn != nil && looksLikeHTTP(plain.RecordHeader) {
			_, _ = io.WriteString(plain.Conn, notTLS)
		}
		_ = c.cut()
		return false
	}
	if secure.ConnectionState().NegotiatedProtocol == "h2" {
		c.http2.Store(true)
		s.handOver(c, secure)
		return false
	}
	c.secure = secure
	return true
}

// notTLS answers a client that does not use TLS, in the words of net/http.
const notTLS = "HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n"

// looksLikeHTTP tells whether what arrived in place of a TLS record is the beginning of a request.
func looksLikeHTTP(head [5]byte) bool {
	for _, method := range []string{"GET /", "HEAD ", "POST ", "PUT /", "OPTIO"} {
		if strings.HasPrefix(string(head[:]), method) {
			return true
		}
	}
	return false
}
