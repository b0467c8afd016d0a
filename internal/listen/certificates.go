package listen

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// TLSFiles are the files that TLS needs, in PEM.
type TLSFiles struct {
	Cert, Key string
	// ClientCA has the authorities of client certificates, which are required then. Empty: clients
	// need none.
	ClientCA string
}

// certificates hold the configuration made from the files, and make it anew when these change.
type certificates struct {
	files TLSFiles
	log   *slog.Logger
	now   func() time.Time

	mu     sync.Mutex
	looked time.Time // when the files were last read
	read   [3][]byte // the contents that config is made from: certificate, key, authorities
	config *tls.Config
	reason string // why the newest contents could not be used; empty if they are in use
}

// lookInterval is the least time between two reads of the files.
const lookInterval = time.Second

// NewTLS returns a configuration from the files, which it follows: within a second after a change
// new connections use the new contents. Contents that cannot be used, such as a new certificate
// beside the old key while both are being replaced, leave the old ones in use and are logged.
func NewTLS(files TLSFiles, log *slog.Logger) (*tls.Config, error) {
	return newTLS(files, log, time.Now)
}

// newTLS is NewTLS with a clock for tests.
func newTLS(files TLSFiles, log *slog.Logger, now func() time.Time) (*tls.Config, error) {
	c := &certificates{files: files, log: log, now: now, looked: now()}
	var err error
	if c.read, err = files.read(); err != nil {
		return nil, err
	}
	if c.config, err = c.files.parse(c.read); err != nil {
		return nil, err
	}
	outer := c.config.Clone()
	outer.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) { return c.current(), nil }
	return outer, nil
}

// current is the configuration of the next connection. The files are read by a handshake, not by a
// goroutine of their own, so that nothing has to be stopped.
func (c *certificates) current() *tls.Config {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	if now.Sub(c.looked) < lookInterval {
		return c.config
	}
	c.looked = now
	c.look()
	return c.config
}

// look reads the files, and uses their contents if these are new and valid. The caller holds mu.
func (c *certificates) look() {
	read, err := c.files.read()
	if err == nil {
		if c.reason == "" && same(read, c.read) {
			return
		}
		var config *tls.Config
		if config, err = c.files.parse(read); err == nil {
			c.read, c.config, c.reason = read, config, ""
			c.log.Info("the TLS certificate was loaded anew", "file", c.files.Cert)
			return
		}
	}
	if c.reason != err.Error() { // once, not with each connection
		c.reason = err.Error()
		c.log.Error("the changed TLS files cannot be used; the old ones stay in use", "error", err)
	}
}

// same tells whether two reads had equal contents.
func same(a, b [3][]byte) bool {
	return bytes.Equal(a[0], b[0]) && bytes.Equal(a[1], b[1]) && bytes.Equal(a[2], b[2])
}

// read returns the contents of certificate, key and authorities; nil for a file without a name.
func (f TLSFiles) read() (data [3][]byte, err error) {
	for i, name := range []string{f.Cert, f.Key, f.ClientCA} {
		if name == "" {
			continue
		}
		if data[i], err = os.ReadFile(name); err != nil {
			return data, fmt.Errorf("reading the TLS files: %w", err)
		}
	}
	return data, nil
}

// parse makes a configuration of the files' contents.
func (f TLSFiles) parse(data [3][]byte) (*tls.Config, error) {
	pair, err := tls.X509KeyPair(data[0], data[1])
	if err != nil {
		return nil, fmt.Errorf("reading the certificate %s with the key %s: %w", f.Cert, f.Key, err)
	}
	c := &tls.Config{
		MinVersion:   tls.VersionTLS12,
		Certificates: []tls.Certificate{pair},
		NextProtos:   []string{"h2", "http/1.1"},
	}
	if f.ClientCA == "" {
		return c, nil
	}
	c.ClientCAs = x509.NewCertPool()
	if !c.ClientCAs.AppendCertsFromPEM(data[2]) {
		return nil, errors.New(
			"reading the authorities of client certificates: there is no certificate in " + f.ClientCA)
	}
	c.ClientAuth = tls.RequireAndVerifyClientCert
	// A resumed session skips the verification of the client's certificate, and so would be
	// accepted after its authority was removed from the file.
	c.SessionTicketsDisabled = true
	return c, nil
}
