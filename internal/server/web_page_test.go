package server

import (
	"crypto/tls"
	"fmt"
	"html"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/partita-db/partita/internal/iam"
	"github.com/partita-db/partita/internal/listen"
	"github.com/partita-db/partita/internal/wiretest"
)

// browserAccept is what browsers send, more or less.
const browserAccept = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"

// onNewConn has look open a new connection.
const onNewConn = false

// look asks for a path on a new connection, or on one that has just served a call, which is the
// fast path's until then. No Accept is sent if it is empty.
func look(t *testing.T, addr, method, path, host, accept string, used bool) (*http.Response, string) {
	t.Helper()
	c, r := wiretest.Dial(t, addr)
	if used {
		if _, err := io.WriteString(c, wiretest.Request("Echo", "", "{}")); err != nil {
			t.Fatal(err)
		}
		wiretest.AnswerTo(t, r, "POST")
	}
	head := "Host: " + host + "\r\n"
	if accept != "" {
		head += "Accept: " + accept + "\r\n"
	}
	fmt.Fprintf(c, "%s %s HTTP/1.1\r\n%s\r\n", method, path, head)
	return wiretest.AnswerTo(t, r, method)
}

// TestPage asks for the page as browsers do, and as others do who must not get it.
func TestPage(t *testing.T) {
	o, _ := open(nil, nil)
	addr := startServer(t, o)
	const health = "healthy: dynamodb.us-east-1.amazonaws.com "
	for _, used := range []bool{false, true} {
		resp, body := look(t, addr, "GET", "/", "localhost:8000", browserAccept, used)
		checkPage(t, resp)
		for _, want := range []string{
			"<!DOCTYPE html>", "<code>http://localhost:8000</code>", "Any credentials will do",
			"AWS_ENDPOINT_URL_DYNAMODB=http://localhost:8000\n", "AWS_ENDPOINT_URL_DYNAMODB_STREAMS=http://localhost:8000\n"} {
			if !strings.Contains(body, want) {
				t.Errorf("the page lacks %q:\n%s", want, body)
			}
		}
		if n := strings.Count(body, "href="); n != 1 || strings.Contains(body, "<script") || strings.Contains(body, "src=") {
			t.Errorf("the page leads elsewhere:\n%s", body)
		}
		head, none := look(t, addr, "HEAD", "/", "localhost:8000", browserAccept, used)
		checkPage(t, head)
		if head.ContentLength != int64(len(body)) || none != "" {
			t.Errorf("HEAD: %d bytes, and %q; want %d and none", head.ContentLength, none, len(body))
		}
		for _, accept := range []string{"", "*/*", "application/json", "text/html, image/gif, image/jpeg, */*; q=0.2"} {
			resp, body := look(t, addr, "GET", "/", "localhost:8000", accept, used)
			if resp.StatusCode != 200 || body != health || len(resp.Header) != 5 {
				t.Errorf("with Accept %q: %d %q %v", accept, resp.StatusCode, body, resp.Header)
			}
		}
		if resp, body := look(t, addr, "GET", "/ping", "localhost:8000", browserAccept, used); body != health {
			t.Errorf("/ping: %d %q", resp.StatusCode, body)
		}
		for _, request := range []string{"HEAD / */*", "GET /other " + browserAccept, "PUT / " + browserAccept} {
			method, rest, _ := strings.Cut(request, " ")
			path, accept, _ := strings.Cut(rest, " ")
			if resp, _ := look(t, addr, method, path, "localhost:8000", accept, used); resp.StatusCode != 404 {
				t.Errorf("%s: %d", request, resp.StatusCode)
			}
		}
	}
	if resp, body := from(t, addr, "GET", "localhost", "http://localhost:3000", "Accept: text/html\r\n"); body != health {
		t.Errorf("a page's script got %d %q", resp.StatusCode, body)
	}
}

// checkPage checks the head of an answer that has the page.
func checkPage(t *testing.T, resp *http.Response) {
	t.Helper()
	policy := resp.Header.Get("Content-Security-Policy")
	if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "text/html; charset=utf-8" ||
		resp.Header.Get("X-Content-Type-Options") != "nosniff" ||
		!strings.HasPrefix(policy, "default-src 'none'; style-src 'sha256-") {
		t.Errorf("answered %d %v", resp.StatusCode, resp.Header)
	}
}

// TestPageHosts asks under all kinds of names: the guard comes first, and nothing of a name can
// get out of the text, neither in HTML nor in a shell.
func TestPageHosts(t *testing.T) {
	guarded, _ := open(nil, nil)
	anything, _ := open([]string{"*"}, nil)
	strict, lax := startServer(t, guarded), startServer(t, anything)
	for host, endpoint := range map[string]string{
		"127.0.0.1:8000": "http://127.0.0.1:8000", "partita": "http://partita", "[::1]:8000": "http://[::1]:8000",
		"[::1]": "http://[::1]", "db.example.com": "http://db.example.com", "": "http://localhost:8000",
		"a$(id)b": "http://localhost:8000", "a'b:1": "http://localhost:8000",
		"[::1]:1'": "http://localhost:8000", "[fe80::1%25a]:1": "http://localhost:8000", "a&b": "http://localhost:8000",
	} {
		resp, body := look(t, lax, "GET", "/", host, browserAccept, onNewConn)
		if resp.StatusCode == http.StatusBadRequest {
			continue // net/http has refused it
		}
		word := endpoint
		if strings.Contains(endpoint, "[") {
			word = "'" + endpoint + "'"
		}
		text := html.UnescapeString(body)
		if !strings.Contains(text, "<code>"+endpoint+"</code>") || !strings.Contains(text, "DYNAMODB_STREAMS="+word+"\n") {
			t.Errorf("under %q the page has another endpoint than %s:\n%s", host, word, body)
		}
		if endpoint == "http://localhost:8000" && host != "" && strings.Contains(text, host) {
			t.Errorf("the page has the name %q", host)
		}
	}
	resp, body := look(t, strict, "GET", "/", "evil.example", browserAccept, onNewConn)
	if resp.StatusCode != http.StatusForbidden || strings.Contains(body, "<html") {
		t.Errorf("under a stranger's name: %d %s", resp.StatusCode, body)
	}
}

// TestPageWithCredentials looks at the page of a server that verifies signatures, for whoever
// comes.
func TestPageWithCredentials(t *testing.T) {
	keys, err := iam.Parse([]byte(wiretest.Everybody))
	if err != nil {
		t.Fatal(err)
	}
	addr := startServer(t, Options{Serve: wiretest.Told, Credentials: keys, Region: "eu-west-1"})
	resp, body := look(t, addr, "GET", "/", "db.example.com", browserAccept, onNewConn)
	checkPage(t, resp)
	for _, want := range []string{"must be signed", "--aws-sigv4 aws:amz:eu-west-1:dynamodb ", "AWS_REGION=eu-west-1 ",
		"AWS_ACCESS_KEY_ID=YOUR_ACCESS_KEY_ID ", "<code>http://db.example.com</code>"} {
		if !strings.Contains(body, want) {
			t.Errorf("the page lacks %q:\n%s", want, body)
		}
	}
	for _, key := range keys.List() {
		if strings.Contains(body, key.Principal.AccessKeyID) || strings.Contains(body, key.Principal.User) {
			t.Errorf("the page names %v", key)
		}
	}
}

// TestPageTLS asks over TLS, with both protocols, and of a handler behind another server.
func TestPageTLS(t *testing.T) {
	p := wiretest.Certify(t, "one", nil)
	certificate, err := tls.X509KeyPair(p.PEM, p.PrivatePEM)
	if err != nil {
		t.Fatal(err)
	}
	addr := startServer(t, Options{Serve: wiretest.Told}, func(s *listen.Server) {
		s.UseTLS(&tls.Config{Certificates: []tls.Certificate{certificate}, NextProtos: []string{"h2", "http/1.1"}})
	})
	behind := httptest.NewTLSServer(NewHandler(Options{Serve: wiretest.Told, Logger: slog.New(slog.DiscardHandler)}))
	defer behind.Close()
	for name, c := range map[string]*http.Client{
		"https://" + addr: wiretest.Client(t, p, nil, wiretest.HTTP1), "https://" + addr + "/": wiretest.Client(t, p, nil, wiretest.HTTP2),
		behind.URL: behind.Client(),
	} {
		r, err := http.NewRequest("GET", name, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Accept", browserAccept)
		resp, err := c.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if want := "<code>" + strings.TrimSuffix(name, "/") + "</code>"; err != nil || !strings.Contains(string(body), want) {
			t.Errorf("%s %s: %v, want %q in\n%s", resp.Proto, name, err, want, body)
		}
		checkPage(t, resp)
	}
}
