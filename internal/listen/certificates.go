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

// certificates serve what is in the files, and notice when that changes.
type certificates struct {
	files TLSFiles
	log   *slog.Logger
	now   func() time.Time

	mu     sync.Mutex
	looked time.Time // when the files were read the last time
	read   [3][]byte // what they held then: certificate, key, authorities
	config *tls.Config
	reason string // why that could not be taken; empty if it was
}

// lookInterval is the time for which the files are not looked at again.
const lookInterval = time.Second

// NewTLS returns a configuration with what is in the files. When they change, the next connection
// has the new ones, within a second; files that do not fit together leave the old ones in use, and
// log says why.
func NewTLS(files TLSFiles, log *slog.Logger) (*tls.Config, error) {
	return newTLS(files, log, time.Now)
}

// newTLS is NewTLS by a clock.
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

// current is the configuration of the next connection.
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

// look reads the files and takes what they hold, if it is new and right.
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

// same tells whether the files held the same.
func same(a, b [3][]byte) bool {
	return bytes.Equal(a[0], b[0]) && bytes.Equal(a[1], b[1]) && bytes.Equal(a[2], b[2])
}

// read reads the files.
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

// parse makes a configuration of what the files hold.
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
	c.SessionTicketsDisabled = true // a resumed session would outlive its authority
	return c, nil
}
