package listen_test

import (
	"crypto/tls"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/partita-db/partita/internal/listen"
	"github.com/partita-db/partita/internal/wiretest"
)

// TestLargeFrames announces a large frame of a type that nobody knows: the server ends the
// connection, and has no buffer for it.
func TestLargeFrames(t *testing.T) {
	p := wiretest.Certify(t, "one", nil)
	_, addr := newSecured(t, p, nil).start(wiretest.Whoami)
	config := wiretest.Client(t, p, nil, wiretest.HTTP2).Transport.(*http.Transport).TLSClientConfig.Clone()
	config.NextProtos = []string{"h2"}
	c, err := tls.Dial("tcp", addr, config)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(20 * time.Second))
	const settings, goAway, frameSizeError = 4, 7, 6
	io.WriteString(c, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"+frame(settings, 0, 0)+frame(0xfa, listen.MaxFrameBytes+1, 0))
	for {
		var head [9]byte
		if _, err := io.ReadFull(c, head[:]); err != nil {
			t.Fatalf("the connection ended without a reason: %v", err)
		}
		payload := make([]byte, int(head[0])<<16|int(head[1])<<8|int(head[2]))
		if _, err := io.ReadFull(c, payload); err != nil {
			t.Fatal(err)
		}
		if head[3] == goAway {
			if payload[7] != frameSizeError {
				t.Errorf("the connection ended with code %d", payload[7])
			}
			return
		}
	}
}

// frame is the head of a frame of HTTP/2.
func frame(kind byte, length int, flags byte) string {
	return string([]byte{byte(length >> 16), byte(length >> 8), byte(length), kind, flags, 0, 0, 0, 0})
}
