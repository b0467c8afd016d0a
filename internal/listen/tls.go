package listen

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"strings"
)

// rawConn is the connection below one of TLS: what the kernel has, under watch.
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

// handshake makes the connection one of TLS, and tells whether it is to be served here. Those of
// HTTP/2 are net/http's.
func (s *Server) handshake(c *Conn) bool {
	secure := tls.Server(rawConn{c}, s.tls)
	if err := secure.HandshakeContext(context.Background()); err != nil { // which ends with the connection
		s.http.ErrorLog.Printf("TLS handshake error from %s: %v", c.RemoteAddr(), err)
		var plain tls.RecordHeaderError
		if errors.As(err, &plain) && plain.Conn != nil && looksLikeHTTP(plain.RecordHeader) {
			_, _ = io.WriteString(plain.Conn, notTLS) // the connection ends anyway
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

// notTLS answers who does not speak TLS, in the words of package http.
const notTLS = "HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n"

// looksLikeHTTP tells whether what came in the place of a record of TLS is the beginning of a
// request.
func looksLikeHTTP(head [5]byte) bool {
	for _, method := range []string{"GET /", "HEAD ", "POST ", "PUT /", "OPTIO"} {
		if strings.HasPrefix(string(head[:]), method) {
			return true
		}
	}
	return false
}
