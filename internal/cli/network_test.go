package cli

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// certificate writes a certificate of localhost and its key, and returns what trusts it.
func certificate(t *testing.T, dir string) (cert, key string, roots *x509.CertPool) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"localhost"},
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	cert, key, roots = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"), x509.NewCertPool()
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	roots.AppendCertsFromPEM(certPEM)
	for name, data := range map[string][]byte{
		cert: certPEM, key: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: encoded}),
	} {
		if err := os.WriteFile(name, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key, roots
}

// TestServeTLS starts the program with a certificate.
func TestServeTLS(t *testing.T) {
	cert, key, roots := certificate(t, t.TempDir())
	p := begin(t, []string{"PARTITA_TLS_KEY=" + key}, nil, "serve", "--in-memory", "--port", "0", "--tls-cert", cert)
	awaitOutput(t, p, "data  ")
	url := regexp.MustCompile(`listening +(https://localhost:\d+)\n`).FindStringSubmatch(p.stdout.String())
	if url == nil || !strings.Contains(p.stdout.String(), "--endpoint-url "+url[1]+" ") {
		t.Fatalf("printed:\n%s", &p.stdout)
	}
	client := http.Client{Transport: &http.Transport{
		DisableKeepAlives: true, ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{RootCAs: roots},
	}}
	resp, err := client.Get(url[1])
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if text, _ := io.ReadAll(resp.Body); resp.ProtoMajor != 2 || !strings.HasPrefix(string(text), "healthy") {
		t.Errorf("answered %s %s", resp.Proto, text)
	}
	p.stop()
}

// awaitOutput waits until the program has printed the text.
func awaitOutput(t *testing.T, p *program, text string) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !strings.Contains(p.stdout.String(), text); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the program said:\n%s%s", &p.stdout, &p.stderr)
		}
	}
}

// TestServeHosts checks under which names the program answers, and to which pages.
func TestServeHosts(t *testing.T) {
	p := begin(t, []string{"PARTITA_CORS_ORIGIN=https://a.example,https://b.example"}, nil, "serve", "--in-memory", "--port", "0",
		"--allow-host", "db.example", "--allow-host", "other.example")
	addr := "127.0.0.1:" + p.port()
	for _, test := range []struct {
		host, origin string
		want         int
	}{
		{"db.example", "", 200}, {"other.example:1", "", 200}, {"third.example", "", 403}, {addr, "", 200},
		{addr, "https://b.example", 200}, {addr, "https://c.example", 403},
	} {
		r, err := http.NewRequest("GET", "http://"+addr, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = test.host
		if test.origin != "" {
			r.Header.Set("Origin", test.origin)
		}
		client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
		resp, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != test.want {
			t.Errorf("under %s for %q: %d, want %d", test.host, test.origin, resp.StatusCode, test.want)
		}
	}
	p.stop()
}

// TestNetworkRefusals holds the flags that cannot be meant.
func TestNetworkRefusals(t *testing.T) {
	dir := t.TempDir()
	cert, key, _ := certificate(t, dir)
	for args, want := range map[string]string{
		"--tls-cert " + cert:                        "TLS needs both --tls-cert and --tls-key",
		"--tls-key " + key:                          "TLS needs both",
		"--tls-client-ca " + cert:                   "TLS needs both",
		"--tls-cert " + cert + " --tls-key " + cert: "reading the certificate " + cert,
		"--tls-cert " + cert + " --tls-key " + key + " --tls-client-ca " + key: "there is no certificate in " + key,
		"--tls-cert " + cert + " --tls-key " + dir + "/none":                   "no such file",
		"--max-requests 0":                     "--max-requests 0: at least 1 is needed",
		"--max-connections=-1":                 "is not a number of connections",
		"--allow-host http://x.example":        "--allow-host http://x.example is not a host name",
		"--cors-origin x.example":              "--cors-origin x.example is not an origin",
		"--cors-origin https://x.example/page": "is not an origin",
	} {
		p := begin(t, nil, nil, append([]string{"serve", "--in-memory", "--port", "0"}, strings.Fields(args)...)...)
		if status := p.status(); status != 1 || !strings.Contains(p.stderr.String(), want) {
			t.Errorf("%s: exit status %d, said %q, want %q", args, status, &p.stderr, want)
		}
	}
}

// TestConnections checks how many connections the flags and the machine allow.
func TestConnections(t *testing.T) {
	for _, test := range []struct {
		flag   int
		memory int64
		want   int
	}{
		{7, 1 << 40, 7},
		{0, 128 << 20, min(1024, int(openFiles()/2))},
		{0, 1 << 20, 64},
		{0, 1 << 50, max(64, min(65536, int(openFiles()/2)))},
	} {
		f := networkFlags{MaxConnections: test.flag}
		if got := f.connections(test.memory); got != test.want {
			t.Errorf("connections(%d) with %d asked for = %d, want %d", test.memory, test.flag, got, test.want)
		}
	}
	secure := networkFlags{TLSCert: "cert.pem"} // its connections take more
	if got := secure.connections(128 << 20); got != min(512, int(openFiles()/2)) {
		t.Errorf("with TLS: %d connections", got)
	}
}
