package server

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/partita-db/partita/internal/wiretest"
)

// open are options of a server that asks nobody for credentials, and its log.
func open(hosts, origins []string) (Options, func() string) {
	log, read := wiretest.LogTo()
	return Options{Serve: wiretest.Told, Open: true, AllowHosts: hosts, CORSOrigins: origins,
		Logger: log}, read
}

// from sends a request under a Host and, if it is not empty, with an Origin.
func from(t *testing.T, addr, method, host, origin, more string) (*http.Response, string) {
	t.Helper()
	c, r := wiretest.Dial(t, addr)
	head := wiretest.Signed("Echo")
	if origin != "" {
		head += "Origin: " + origin + "\r\n"
	}
	head = strings.Replace(head, "Host: localhost", "Host: "+host, 1)
	body := ""
	if method == "POST" {
		body = "{}"
	}
	fmt.Fprintf(c, "%s / HTTP/1.1\r\n%s%sContent-Length: %d\r\n\r\n%s", method, head, more, len(body), body)
	resp, got := wiretest.AnswerTo(t, r, method)
	if _, err := io.WriteString(c, wiretest.Request("Echo", "", "{}")); err != nil {
		t.Fatal(err)
	}
	if again, _ := wiretest.AnswerTo(t, r, "POST"); again.StatusCode != 200 {
		t.Errorf("the next request on the connection was answered %d", again.StatusCode)
	}
	return resp, got
}

func TestHosts(t *testing.T) {
	o, log := open([]string{"Db.Example.com"}, nil)
	addr := startServer(t, o)
	for host, allowed := range map[string]bool{
		"localhost": true, "LOCALHOST:8000": true, "localhost.": true, "127.0.0.1:8000": true, "10.1.2.3": true, "[::1]:8000": true,
		"[::1]": true, "[fe80::1%25eth0]": true, "partita": true, "partita:8000": true, "": true, "a.localhost:1": true,
		"printer.local": true, "host.docker.internal:8000": true, "db.test": true, "nas.home.arpa": true, "svc.cluster.local.": true,
		"db.example.com": true, "DB.example.com.:443": true,
		"evil.example": false, "evil.example:8000": false, "example.com": false, "db.example.com.evil.example": false,
		"127.0.0.1.evil.example": false, "localhost.evil.example:8000": false, "xlocal.com": false, "1.2.3.4.5": false,
		"::1:zz": false, "dynamodb.us-east-1.amazonaws.com": false,
	} {
		for _, method := range []string{"POST", "GET", "OPTIONS"} {
			want := map[string]int{"POST": 200, "GET": 200, "OPTIONS": 404}[method]
			if !allowed {
				want = 403
			}
			resp, body := from(t, addr, method, host, "", "")
			if resp.StatusCode != want {
				t.Errorf("%s under %q: %d %s, want %d", method, host, resp.StatusCode, body, want)
			}
			if !allowed && !strings.HasPrefix(body, `{"__type":"com.amazon.coral.service#AccessDeniedException","Message":"Partita asks `) {
				t.Errorf("under %q: %s", host, body)
			}
		}
	}
	if n := strings.Count(log(), "host=evil.example "); n+strings.Count(log(), "host=evil.example\n") != 1 {
		t.Errorf("the log tells of evil.example other than once:\n%s", log())
	}
}

func TestHostAny(t *testing.T) {
	o, _ := open([]string{"*"}, nil)
	if resp, body := from(t, startServer(t, o), "POST", "any.example", "", ""); resp.StatusCode != 200 {
		t.Errorf("answered %d %s", resp.StatusCode, body)
	}
}

// TestHostOfOldRequest sends what has no Host.
func TestHostOfOldRequest(t *testing.T) {
	o, _ := open(nil, nil)
	c, r := wiretest.Dial(t, startServer(t, o))
	io.WriteString(c, "GET / HTTP/1.0\r\n\r\n")
	if resp, _ := wiretest.AnswerTo(t, r, "GET"); resp.StatusCode != 200 {
		t.Errorf("answered %d", resp.StatusCode)
	}
}

func TestOrigins(t *testing.T) {
	o, log := open(nil, []string{"https://Console.example/", "app://x"})
	addr := startServer(t, o)
	preflight := "Access-Control-Request-Method: POST\r\nAccess-Control-Request-Private-Network: true\r\n"
	for origin, allowed := range map[string]bool{
		"http://localhost": true, "https://localhost:3000": true, "http://127.0.0.1:5173": true, "http://127.9.9.9": true,
		"http://[::1]:80": true, "https://app.localhost:1": true, "HTTP://LOCALHOST": true, "https://console.example": true,
		"app://x": true, "http://[::ffff:127.0.0.1]": true,
		"http://evil.example": false, "https://console.example:444": false, "http://console.example": false, "null": false,
		"http://localhost.evil.example": false, "file://localhost": false, "http://10.0.0.1": false, "http://partita": false,
		"http://localhost@evil.example": false, "http://user@localhost": false, "%": false, "localhost": false,
	} {
		for _, method := range []string{"POST", "GET", "OPTIONS"} {
			resp, body := from(t, addr, method, "localhost", origin, preflight)
			if allowed != (resp.StatusCode == 200) || !allowed && resp.StatusCode != 403 {
				t.Errorf("%s from %s: %d %s, want it allowed: %v", method, origin, resp.StatusCode, body, allowed)
			}
			for _, name := range []string{"Access-Control-Allow-Origin", "Access-Control-Allow-Methods",
				"Access-Control-Allow-Private-Network", "Access-Control-Max-Age"} {
				want := allowed && (method == "OPTIONS" || name == "Access-Control-Allow-Origin")
				if got := resp.Header.Get(name); (got != "") != want {
					t.Errorf("%s from %s: %s is %q", method, origin, name, got)
				}
			}
		}
	}
	if n := strings.Count(log(), "origin=http://evil.example\n"); n != 1 {
		t.Errorf("the log tells of the origin %d times:\n%s", n, log())
	}
}

// TestOriginsBesideHosts checks that an allowed origin does not make up for a host that is not.
func TestOriginsBesideHosts(t *testing.T) {
	o, _ := open(nil, []string{"*"})
	addr := startServer(t, o)
	if resp, _ := from(t, addr, "POST", "evil.example", "http://evil.example", ""); resp.StatusCode != 403 {
		t.Errorf("answered %d", resp.StatusCode)
	}
	if resp, _ := from(t, addr, "POST", "localhost", "null", ""); resp.StatusCode != 200 {
		t.Errorf("null with every origin allowed: %d", resp.StatusCode)
	}
}

// TestWarningsAreBounded sends more hosts than the log is told of.
func TestWarningsAreBounded(t *testing.T) {
	o, log := open(nil, nil)
	h := NewHandler(o)
	for i := range 3 * maxWarned {
		r, _ := http.NewRequest("GET", fmt.Sprintf("http://h%d.example/", i), nil)
		if h.guard.refusal(r) == "" {
			t.Fatalf("%s is allowed", r.Host)
		}
	}
	if n := strings.Count(log(), "level=WARN"); n != maxWarned {
		t.Errorf("%d warnings, want %d", n, maxWarned)
	}
}

// TestOriginsWithCredentials checks that a server that asks for credentials answers every page, as
// AWS does, under any name.
func TestOriginsWithCredentials(t *testing.T) {
	resp, _ := from(t, startServer(t, Options{Serve: wiretest.Told}), "POST", "db.example", "http://evil.example", "")
	if resp.StatusCode != 200 || resp.Header.Get("Access-Control-Allow-Origin") != "*" {
		t.Errorf("answered %d, %v", resp.StatusCode, resp.Header)
	}
}
