package wiretest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// Pair is a certificate with its key.
type Pair struct {
	Cert            *x509.Certificate
	Key             *ecdsa.PrivateKey
	PEM, PrivatePEM []byte
}

// Certify makes a certificate of the name, signed by parent or, without one, by itself.
func Certify(t testing.TB, name string, parent *Pair) *Pair {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: parent == nil, BasicConstraintsValid: true,
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	signer := &Pair{Cert: template, Key: key}
	if parent != nil {
		signer = parent
	}
	der, err := x509.CreateCertificate(rand.Reader, template, signer.Cert, &key.PublicKey, signer.Key)
	if err != nil {
		t.Fatal(err)
	}
	p := &Pair{Key: key}
	if p.Cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	priv, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	p.PEM = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	p.PrivatePEM = pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: priv})
	return p
}

// Protocol is what a client speaks over TLS.
type Protocol bool

// The protocols.
const (
	HTTP1 Protocol = false
	HTTP2 Protocol = true
)

// Client returns a client that trusts the server's pair and shows its own, if that is not nil.
func Client(t *testing.T, trusts, own *Pair, protocol Protocol) *http.Client {
	roots := x509.NewCertPool()
	roots.AddCert(trusts.Cert)
	c := &tls.Config{RootCAs: roots}
	if own != nil {
		c.Certificates = []tls.Certificate{{Certificate: [][]byte{own.Cert.Raw}, PrivateKey: own.Key}}
	}
	tr := &http.Transport{TLSClientConfig: c, ForceAttemptHTTP2: protocol == HTTP2, DisableCompression: true}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr}
}

// Post calls the operation.
func Post(c *http.Client, addr, operation string, body io.Reader) (*http.Response, error) {
	r, err := http.NewRequest("POST", "https://"+addr, body)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/x-amz-json-1.0")
	r.Header.Set("X-Amz-Target", "DynamoDB_20120810."+operation)
	return c.Do(r)
}

// Ping calls Echo, and returns the protocol.
func Ping(c *http.Client, addr string) (string, error) {
	resp, err := Post(c, addr, "Echo", strings.NewReader("{}"))
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return resp.Proto + " " + string(body), err
}
