package server

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

// pair is a certificate with its key.
type pair struct {
	cert      *x509.Certificate
	key       *ecdsa.PrivateKey
	pem, priv []byte
}

// certify makes a certificate of the name, signed by parent or, without one, by itself.
func certify(t testing.TB, name string, parent *pair) *pair {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: parent == nil, BasicConstraintsValid: true, DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	signer := &pair{cert: template, key: key}
	if parent != nil {
		signer = parent
	}
	der, err := x509.CreateCertificate(rand.Reader, template, signer.cert, &key.PublicKey, signer.key)
	if err != nil {
		t.Fatal(err)
	}
	p := &pair{key: key}
	if p.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	priv, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	p.pem = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	p.priv = pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: priv})
	return p
}

// client returns a client that trusts the server's pair and shows its own, if that is not nil.
func client(t *testing.T, trusts, own *pair, http2 bool) *http.Client {
	roots := x509.NewCertPool()
	roots.AddCert(trusts.cert)
	c := &tls.Config{RootCAs: roots}
	if own != nil {
		c.Certificates = []tls.Certificate{{Certificate: [][]byte{own.cert.Raw}, PrivateKey: own.key}}
	}
	tr := &http.Transport{TLSClientConfig: c, ForceAttemptHTTP2: http2, DisableCompression: true}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr}
}

// post calls the operation.
func post(c *http.Client, addr, operation string, body io.Reader) (*http.Response, error) {
	r, err := http.NewRequest("POST", "https://"+addr, body)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/x-amz-json-1.0")
	r.Header.Set("X-Amz-Target", "DynamoDB_20120810."+operation)
	return c.Do(r)
}

// ping calls Echo, and returns the protocol.
func ping(c *http.Client, addr string) (string, error) {
	resp, err := post(c, addr, "Echo", strings.NewReader("{}"))
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return resp.Proto + " " + string(body), err
}
