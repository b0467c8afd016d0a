package bench

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"time"
)

// dialer says where the server is and how to speak to it.
type dialer struct {
	addr        string // host:port
	host        string // as the Host header has it
	tls         *tls.Config
	credentials *Credentials // nil: requests are not signed
	region      string
}

// newDialer reads the URL of an endpoint.
func newDialer(endpoint string, secure *tls.Config) (*dialer, error) {
	u, err := url.Parse(endpoint)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") ||
		u.Hostname() == "" || (u.Path != "" && u.Path != "/") {
		return nil, fmt.Errorf("%q is not the URL of an endpoint such as http://localhost:8000", endpoint)
	}
	d := &dialer{addr: u.Host, host: u.Host}
	if u.Port() == "" {
		d.addr = net.JoinHostPort(u.Hostname(), map[string]string{"http": "80", "https": "443"}[u.Scheme])
	}
	if u.Scheme == "https" {
		d.tls = &tls.Config{}
		if secure != nil {
			d.tls = secure.Clone()
		}
		d.tls.ServerName, d.tls.NextProtos = u.Hostname(), []string{"http/1.1"}
		d.tls.ClientSessionCache = tls.NewLRUClientSessionCache(64)
	}
	return d, nil
}

// connect returns a connection, which is made with the first request.
func (d *dialer) connect() *conn {
	c := &conn{d: d}
	if d.credentials != nil {
		c.sign = newSigner(d.credentials, d.region, d.host)
	}
	return c
}

// A conn is one kept-alive connection of HTTP/1.1. The client of net/http takes more processor time
// for a request than a fast server does, and would be what is measured; so requests are written and
// answers are parsed here: with Content-Length, chunked, or up to the end of the connection.
type conn struct {
	d        *dialer
	sign     *signer // nil: requests are not signed
	r        *bufio.Reader
	out      []byte
	body     []byte // of the last answer
	deadline time.Time
	dropped  int // requests sent again since the server had closed the connection

	mu      sync.Mutex // guards c and aborted against abort, which another goroutine calls
	c       net.Conn   // nil: there is none
	aborted bool
}

const (
	// opTime is how long an answer may take, dialTime how long a connection.
	opTime       = 30 * time.Second
	dialTime     = 10 * time.Second
	contentType  = "application/x-amz-json-1.0"
	targetPrefix = "DynamoDB_20120810."
	// mostHeaders is how many headers an answer may have, mostBody how long it may be: no operation
	// of DynamoDB answers with more than 16 MB of items.
	mostHeaders = 100
	mostBody    = 64 << 20
)

// errAborted is the error of requests after abort.
var errAborted = errors.New("the run was ended")

// close closes the connection; the next request makes a new one.
func (c *conn) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.c != nil {
		c.c.Close()
		c.c = nil
	}
}

// abort makes the request in progress, and all later ones, fail at once.
func (c *conn) abort() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.aborted = true
	if c.c != nil {
		c.c.Close()
	}
}

// dial makes the connection.
func (c *conn) dial() error {
	nc, err := net.DialTimeout("tcp", c.d.addr, dialTime)
	if err != nil {
		return err
	}
	if c.d.tls != nil {
		secure := tls.Client(nc, c.d.tls)
		ctx, cancel := context.WithTimeout(context.Background(), dialTime)
		defer cancel()
		if err := secure.HandshakeContext(ctx); err != nil {
			nc.Close()
			return err
		}
		nc = secure
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.aborted {
		nc.Close()
		return errAborted
	}
	c.c, c.deadline = nc, time.Time{}
	if c.r == nil {
		c.r = bufio.NewReaderSize(nc, 16<<10)
	}
	c.r.Reset(nc)
	return nil
}

// do sends a request and returns status and body of the answer. The body is valid until the next
// call. If the server has closed the connection since the last answer, which HTTP allows it to at
// any time, do reconnects and sends the request again.
func (c *conn) do(target string, body []byte) (int, []byte, error) {
	c.out = c.request(c.out[:0], target, body)
	fresh := c.c == nil
	status, started, err := c.exchange()
	var timeout net.Error
	if err != nil && !fresh && !started && !(errors.As(err, &timeout) && timeout.Timeout()) {
		c.close()
		c.dropped++
		status, _, err = c.exchange()
	}
	if err != nil {
		c.close()
		return 0, nil, err
	}
	return status, c.body, nil
}

// request appends a request.
func (c *conn) request(out []byte, target string, body []byte) []byte {
	out = append(out, "POST / HTTP/1.1\r\nHost: "...)
	out = append(out, c.d.host...)
	out = append(out, "\r\nAccept-Encoding: identity\r\nContent-Type: "+contentType+"\r\n"+
		"User-Agent: aws-sdk-go-v2/1.30.0 os/linux lang/go#1.26 md/GOOS#linux md/GOARCH#amd64 api/dynamodb#1.34.0\r\n"+
		"Amz-Sdk-Invocation-Id: 6b2ab5f3-2cd5-4c93-8d0c-0b1d2c3d4e5f\r\nAmz-Sdk-Request: attempt=1; max=3\r\n"+
		"X-Amz-Target: "+targetPrefix...)
	out = append(append(out, target...), "\r\n"...)
	if c.sign == nil {
		out = append(out, unsigned...)
	} else {
		out = c.sign.appendHeaders(out, time.Now(), target, body)
	}
	out = append(out, "Content-Length: "...)
	out = strconv.AppendInt(out, int64(len(body)), 10)
	return append(append(out, "\r\n\r\n"...), body...)
}

// exchange sends what request has built and reads the answer. started says that a part of the
// answer was read: then the request must not be sent again.
func (c *conn) exchange() (status int, started bool, err error) {
	if c.c == nil {
		if err := c.dial(); err != nil {
			return 0, false, err
		}
	}
	// The deadline is moved once a second: moving it for each request would cost a system timer.
	if now := time.Now(); c.deadline.Sub(now) < opTime-time.Second {
		c.deadline = now.Add(opTime)
		c.c.SetDeadline(c.deadline)
	}
	if _, err := c.c.Write(c.out); err != nil {
		return 0, false, err
	}
	line, err := c.r.ReadSlice('\n')
	if err != nil {
		return 0, len(line) > 0, err
	}
	status, err = c.read(line)
	return status, true, err
}

// header is what the lines before an answer's body say.
type header struct {
	length  int64 // -1: not given
	chunked bool
	closing bool
	summed  bool // there is a checksum
	sum     uint32
}

// read reads the rest of an answer after its first line.
func (c *conn) read(line []byte) (int, error) {
	if len(line) < 12 || !bytes.HasPrefix(line, []byte("HTTP/1.")) {
		return 0, fmt.Errorf("the answer begins with %.80q", line)
	}
	status, err := strconv.Atoi(string(line[9:12]))
	if err != nil {
		return 0, fmt.Errorf("the answer begins with %.80q", line)
	}
	h, err := c.readHeader(line[7] == '0')
	if err != nil {
		return 0, err
	}
	if err := c.readBody(&h); err != nil {
		return 0, fmt.Errorf("reading the answer: %w", err)
	}
	if h.summed && h.sum != crc32.ChecksumIEEE(c.body) {
		return 0, fmt.Errorf("the answer does not have the checksum %d that its header says", h.sum)
	}
	if h.closing {
		c.close()
	}
	return status, nil
}

// readHeader reads the lines up to the empty one.
func (c *conn) readHeader(closing bool) (header, error) {
	h := header{length: -1, closing: closing}
	for range mostHeaders {
		line, err := c.r.ReadSlice('\n')
		if err != nil {
			return h, fmt.Errorf("reading the header of the answer: %w", err)
		}
		line = bytes.TrimRight(line, "\r\n")
		if len(line) == 0 {
			return h, nil
		}
		name, value, ok := bytes.Cut(line, []byte(":"))
		if !ok {
			return h, fmt.Errorf("the answer has a header %.80q", line)
		}
		if err := h.take(name, bytes.TrimSpace(value)); err != nil {
			return h, err
		}
	}
	return h, errors.New("the answer has too many headers")
}

// take notes one header. It compares lengths first, since most headers are irrelevant.
func (h *header) take(name, value []byte) (err error) {
	switch len(name) {
	case len("content-length"):
		if bytes.EqualFold(name, []byte("content-length")) {
			h.length, err = strconv.ParseInt(string(value), 10, 64)
			if err != nil || h.length < 0 || h.length > mostBody {
				return fmt.Errorf("the answer has a Content-Length of %.40q", value)
			}
		}
	case len("transfer-encoding"):
		if bytes.EqualFold(name, []byte("transfer-encoding")) {
			h.chunked = bytes.EqualFold(value, []byte("chunked"))
		}
	case len("connection"):
		if bytes.EqualFold(name, []byte("connection")) {
			h.closing = h.closing || bytes.EqualFold(value, []byte("close"))
		}
	case len("x-amz-crc32"):
		if bytes.EqualFold(name, []byte("x-amz-crc32")) {
			sum, err := strconv.ParseUint(string(value), 10, 32)
			if err != nil {
				return fmt.Errorf("the answer has the checksum %.40q", value)
			}
			h.sum, h.summed = uint32(sum), true
		}
	}
	return nil
}

// readBody reads the body into c.body.
func (c *conn) readBody(h *header) error {
	c.body = c.body[:0]
	switch {
	case h.chunked:
		for {
			line, err := c.r.ReadSlice('\n')
			if err != nil {
				return err
			}
			size, _, _ := bytes.Cut(bytes.TrimSpace(line), []byte(";"))
			n, err := strconv.ParseInt(string(size), 16, 32)
			if err != nil || n < 0 || int64(len(c.body))+n > mostBody {
				return fmt.Errorf("a chunk of the answer has the length %.40q", size)
			}
			if err := c.fill(int(n)); err != nil {
				return err
			}
			if _, err := c.r.ReadSlice('\n'); err != nil {
				return err
			}
			if n == 0 {
				return nil
			}
		}
	case h.length >= 0:
		return c.fill(int(h.length))
	}
	h.closing = true
	rest, err := io.ReadAll(io.LimitReader(c.r, mostBody))
	c.body = append(c.body, rest...)
	return err
}

// fill appends the next n bytes to the body.
func (c *conn) fill(n int) error {
	at := len(c.body)
	c.body = slices.Grow(c.body, n)[:at+n]
	_, err := io.ReadFull(c.r, c.body[at:])
	if err == io.EOF && n > 0 {
		err = io.ErrUnexpectedEOF
	}
	return err
}
